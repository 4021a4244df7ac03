/** How far back the page looks, in seconds. */
const SPAN = 300;

/** Over how long rates are taken, in milliseconds. */
const RATE_SPAN = 3_000;

/** What a pool was like over the last minutes: columns for the chart, and rates. */
export class History {
  /** Seconds, idle, used, capacity, limit. */
  columns = [[], [], [], [], []];
  #recent = [];

  add(at, { active, used, capacity, maxCapacity, takes, bytes }) {
    const row = [at / 1_000, active, used, capacity, maxCapacity];
    row.forEach((value, column) => this.columns[column].push(value));
    while (this.columns[0][0] < at / 1_000 - SPAN) for (const column of this.columns) column.shift();
    const sums = { at, takes: takes.immediate + takes.waited, ...bytes };
    // The application was started anew.
    if (Object.entries(this.#recent.at(-1) ?? {}).some(([key, value]) => sums[key] < value))
      this.#recent = [];
    this.#recent.push(sums);
    // One that is older stays: from it on.
    while (this.#recent.length > 2 && this.#recent[1].at <= at - RATE_SPAN) this.#recent.shift();
  }

  /** What was added to a number each second: 'takes', 'received' or 'sent'. */
  rate(what) {
    const [first, last] = [this.#recent[0], this.#recent.at(-1)];
    return last.at > first.at ? ((last[what] - first[what]) / (last.at - first.at)) * 1_000 : 0;
  }
}
