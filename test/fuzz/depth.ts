import { BROKEN_RULES, type LinkModel, PARTINGS } from './link-model.js';
import type { Role } from './script.js';

/** What only a server, or only a client, can do to the pool at the other end. */
const IMPOSSIBLE: Readonly<Record<Role, readonly string[]>> = {
  server: ['an empty message too many', 'a wrong ID', 'not named in time'],
  client: ['a giving back too early', 'a message before the ID'],
};

/** How far scripts get under protocol 2: a fuzz whose peers never do a thing says nothing about it. */
export class Depth {
  readonly #counts: Record<string, number> = {
    scripts: 0,
    'complete uses': 0,
    'given back': 0,
    'named anew': 0,
    'cut in use': 0,
    unused: 0,
    destroyed: 0,
  };

  /** `role` is that of the pools. */
  constructor(role: Role) {
    for (const what of [...PARTINGS, ...BROKEN_RULES]) if (!IMPOSSIBLE[role].includes(what)) this.#counts[what] = 0;
  } // prettier-ignore

  /** Counts one script, as far as what came of it is certain. */
  add({ uses, givenBack, end }: LinkModel): void {
    this.#count('scripts');
    this.#count('complete uses', uses.filter(({ isComplete }) => isComplete).length);
    this.#count('given back', givenBack);
    this.#count('named anew', Math.max(0, uses.length - 1));
    const last = uses.at(-1);
    if (last?.loss) this.#count(last.loss.isUnused ? 'unused' : 'cut in use');
    if (end?.by === 'application') this.#count('destroyed');
    if (end?.by === 'pool') this.#count(end.why);
    if (end?.by === 'rule') this.#count(end.rule);
  }

  toString(): string {
    return Object.entries(this.#counts).map(([what, count]) => `${count} ${what}`).join(', '); // prettier-ignore
  }

  #count(what: string, by = 1): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + by;
  }
}
