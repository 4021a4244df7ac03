import { describe } from './errors.js';
import { MAX_TIMEOUT } from './waiters.js';

/** What a numeric option takes. */
export interface NumberRule {
  /** Used when the option is omitted. */
  readonly fallback: number;
  /** The smallest number allowed; 1 unless said. */
  readonly min?: number;
  /** The largest number allowed; 2^31 - 1 unless said. */
  readonly max?: number;
  /** Whether 0 means something of its own here. Elsewhere it takes the default, as in NPWS. */
  readonly zero?: boolean;
  /** 'ms' for a time in milliseconds; a whole number otherwise. */
  readonly unit?: 'ms';
  /** What to ask when the number is too small. */
  readonly hint?: string;
}

/** Reads options one by one and notes every problem instead of stopping at the first. */
export class OptionReader {
  readonly #given: Record<string, unknown>;

  constructor(
    private readonly label: string,
    given: unknown,
    known: readonly string[],
    private readonly problems: string[],
  ) {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      this.problem('', 'an object', given);
      this.#given = {};
      return;
    }
    // A copy of its own properties: nothing inherited is read, nothing changed later matters.
    this.#given = Object.assign(Object.create(null) as Record<string, unknown>, given);
    for (const name of Object.keys(given)) {
      if (!known.includes(name) && this.#given[name] !== undefined) {
        this.problems.push(`${label}.${name}: unknown option; known are ${known.join(', ')}`);
      }
    }
  }

  /** Notes a problem with the option `name`. */
  problem(name: string, expected: string, given: unknown, hint = ''): void {
    const where = name === '' ? this.label : `${this.label}.${name}`;
    this.problems.push(`${where}: expected ${expected}, got ${describe(given)}${hint && ` (${hint})`}`);
  }

  value(name: string): unknown {
    return this.#given[name];
  }

  has(name: string): boolean {
    return this.#given[name] !== undefined;
  }

  /** Reads the options within an option, or undefined when there is none. */
  nested(name: string, known: readonly string[]): OptionReader | undefined {
    if (!this.has(name)) return undefined;
    return new OptionReader(`${this.label}.${name}`, this.#given[name], known, this.problems);
  }

  number(name: string, rule: NumberRule): number {
    const { fallback, min = 1, max = MAX_TIMEOUT, zero = false, unit, hint } = rule;
    const value = this.#given[name];
    if (value === undefined || (value === 0 && !zero)) return fallback;
    if (value === 0) return 0;
    if (typeof value === 'number' && value >= min && value <= max && (unit || Number.isInteger(value)))
      return value;
    const kind = unit ? 'milliseconds' : 'a whole number';
    const isSmall = typeof value === 'number' && value > 0 && value < min;
    this.problem(
      name,
      `${kind} from ${min} to ${max}, or ${zero ? '0' : `0 for ${fallback === Infinity ? 'no limit' : `the default ${fallback}`}`}`,
      value,
      isSmall ? hint : '',
    );
    return fallback;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#given[name];
    if (value === undefined) return fallback;
    if (typeof value === 'boolean') return value;
    this.problem(name, 'true or false', value);
    return fallback;
  }

  /** One of a few words. `aliases` maps other spellings to them. */
  choice<T extends string>(
    name: string,
    words: readonly T[],
    fallback: T,
    aliases: Record<string, T> = {},
  ): T {
    const value = this.#given[name];
    if (value === undefined) return fallback;
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    if (typeof value === 'string' && Object.hasOwn(aliases, value)) return aliases[value] as T;
    this.problem(name, [...words, ...Object.keys(aliases)].map((known) => `'${known}'`).join(' or '), value);
    return fallback;
  }

  /** A string that `isValid` accepts, or undefined when there is none. */
  string(name: string, expected: string, isValid: (value: string) => boolean): string | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    if (typeof value === 'string' && isValid(value)) return value;
    // Behind a question mark stand secrets.
    this.problem(name, expected, typeof value === 'string' ? value.replace(/\?.+/s, '?…') : value);
    return undefined;
  }

  /** A list of strings that `isValid` accepts; one string counts as a list of one. Undefined when omitted. */
  strings(
    name: string,
    expected: string,
    isValid: (value: string) => boolean,
  ): readonly string[] | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    const wrong = list.find((item) => typeof item !== 'string' || !isValid(item));
    if (list.length > 0 && wrong === undefined) return Object.freeze([...(list as string[])]);
    this.problem(name, expected, list.length === 0 ? value : wrong);
    return undefined;
  }

  /** A frozen shallow copy of an object, or undefined when there is none. */
  object<T extends object>(name: string, expected: string): Readonly<T> | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return Object.freeze({ ...(value as T) });
    this.problem(name, expected, value);
    return undefined;
  }
}
