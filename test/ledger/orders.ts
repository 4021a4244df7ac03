import type { KeyPair } from '../support/certificates.js';
import type { Account } from './exchange.js';

// What the run and its two peers, each a process, tell one another.

/**
 * The pairs of pools that run at once: what they speak, and whose applications take any connection and open a stream. Those
 * of the other end take the same one by its ID. Did both ends take any, they would take the same now and then.
 */
export const LANES = [
  { protocol: 1, taker: 'server' },
  { protocol: 1, taker: 'client' },
  { protocol: 2, taker: 'server' },
  { protocol: 2, taker: 'client' },
] as const;

/** The number of a lane. */
export type Lane = 0 | 1 | 2 | 3;

export const LANE_NUMBERS: readonly [Lane, ...Lane[]] = [0, 1, 2, 3];

/** How a peer begins. */
export interface Setup {
  readonly role: 'client' | 'server';
  /** Where the servers listen (0: anywhere), or what the clients dial, by lane. */
  readonly ports: readonly number[];
  readonly tls: KeyPair;
  readonly seed: number;
  /** What names this peer's letters. */
  readonly writer: number;
}

export type Order =
  /** Somebody has taken a connection at the other end. */
  | { readonly do: 'follow'; readonly lane: Lane; readonly id: string }
  | { readonly do: 'flush'; readonly lane: Lane }
  /** The event loop stands still. */
  | { readonly do: 'event-loop stall'; readonly ms: number }
  /** Nobody reads on a lane. */
  | { readonly do: 'full buffers'; readonly lane: Lane; readonly ms: number }
  /** Takes no more, and tells when all that it has is over. */
  | { readonly do: 'finish' };

/** What a peer has seen of a lane since it last told. */
export interface Sum {
  readonly lane: Lane;
  readonly complete: number;
  readonly messages: number;
  readonly bytes: number;
  /** Streams that ended with an error, and gets that got nothing, by code. */
  readonly errors: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

export type Told =
  | { readonly is: 'ready'; readonly ports: readonly number[] }
  | { readonly is: 'taken'; readonly lane: Lane; readonly id: string }
  | { readonly is: 'sums'; readonly sums: readonly Sum[] }
  /** An order has befallen somebody. */
  | { readonly is: 'befell'; readonly fault: 'flush' | 'full buffers' | 'event-loop stall' }
  | { readonly is: 'finished' };

/** Adds accounts up. */
export class Summing {
  #complete = 0;
  #messages = 0;
  #bytes = 0;
  #errors: Record<string, number> = {};
  #problems: string[] = [];

  constructor(private readonly lane: Lane) {}

  add({ messages, bytes, isComplete, error, problem }: Account): void {
    this.#complete += Number(isComplete);
    this.#messages += messages;
    this.#bytes += bytes;
    if (error) this.fail(error);
    if (problem) this.#problems.push(problem);
  }

  fail(code: string): void {
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
  }

  /** What was added since the last time. */
  take(): Sum {
    const sum = {
      lane: this.lane,
      complete: this.#complete,
      messages: this.#messages,
      bytes: this.#bytes,
      errors: this.#errors,
      problems: this.#problems,
    };
    this.#complete = this.#messages = this.#bytes = 0;
    this.#errors = {};
    this.#problems = [];
    return sum;
  }
}
