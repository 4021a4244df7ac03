import type { Cancel, Clock } from '../core/clock.js';

interface Alarm {
  at: number;
  order: number;
  callback: () => void;
}

/**
 * A clock that stands still until a test moves it: pass it as `clock`, and every time-out, pause and ping of both pools
 * waits for `advance()`. Callbacks run in the order of their times. Bytes move by themselves: they need no clock.
 */
export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  /** How many callbacks wait: 0 when nothing is left behind. */
  get pending(): number {
    return this.#alarms.size;
  }

  /** When the next callback falls due, in milliseconds since the clock was made: `Infinity` when none waits. */
  get next(): number {
    return this.#first()?.at ?? Infinity;
  }

  /** Milliseconds since the clock was made. */
  now(): number {
    return this.#now;
  }

  /** Calls back once, when the clock has been moved on by `ms` milliseconds. */
  after(ms: number, callback: () => void): Cancel {
    const alarm = { at: this.#now + ms, order: this.#order++, callback };
    this.#alarms.add(alarm);
    return () => {
      this.#alarms.delete(alarm);
    };
  }

  /** Moves on by `ms` milliseconds, running what falls due on the way, what that asks for included. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let first = this.#first(); first && first.at <= end; first = this.#first()) {
      this.#now = Math.max(this.#now, first.at);
      this.#alarms.delete(first);
      first.callback();
    }
    // A callback may have moved on as well.
    this.#now = Math.max(this.#now, end);
  }

  /** Moves on by `ms` milliseconds without running anything, as when the event loop stands still. */
  stall(ms: number): void {
    this.#now += ms;
  }

  #first(): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (!first || alarm.at < first.at || (alarm.at === first.at && alarm.order < first.order))
        first = alarm;
    }
    return first;
  }
}
