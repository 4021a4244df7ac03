import type { KeyPair } from '../support/certificates.js';
import type { Vitals } from './vitals.js';

// What the run and its two peers, each a process, tell one another.

/**
 * The pairs of pools, and at which end applications take any connection; those of the other end take the same one by its
 * ID. Each version of the protocol is used in one direction.
 */
export const LANES = [
  { protocol: 1, taker: 'server' },
  { protocol: 2, taker: 'client' },
] as const;

/** The number of a lane. */
export type Lane = 0 | 1;

/** How a peer begins. */
export interface Setup {
  readonly role: 'client' | 'server';
  /** Which lanes there are. */
  readonly lanes: readonly Lane[];
  /** What the clients dial, by lane; of no matter to a server. */
  readonly ports: readonly number[];
  readonly tls: KeyPair;
  readonly seed: number;
  /** Uses a second, on each lane. */
  readonly rate: number;
  /** Whether to leak, so that the run has something to find. */
  readonly leaks: boolean;
}

export type Order =
  /** Begins to make uses. */
  | { readonly do: 'load' }
  /** Makes no more. */
  | { readonly do: 'rest' }
  /** Somebody has taken a connection at the other end. */
  | { readonly do: 'follow'; readonly lane: Lane; readonly id: string }
  /** Tells how it is. */
  | { readonly do: 'look' }
  /** Closes its pools, and ends when nothing keeps it. */
  | { readonly do: 'close' };

/** How a peer is, and what it has done since its start. */
export interface Look {
  /** Uses that it began: took a connection, or was told to follow. */
  readonly begun: number;
  /** Those of them that were whole, and over, at this end. */
  readonly whole: number;
  readonly failed: number;
  /** Connections that are idle. */
  readonly idle: number;
  /** What keeps it from being at rest with full pools, or null. */
  readonly busy: string | null;
  /** What failed since the last look; not all, if it is much. */
  readonly problems: readonly string[];
  readonly vitals: Vitals;
}

export type Told =
  | { readonly is: 'ready'; readonly ports: readonly number[] }
  | { readonly is: 'taken'; readonly lane: Lane; readonly id: string }
  | { readonly is: 'look'; readonly look: Look }
  /** The pools are closed; what they counted that should not be. */
  | { readonly is: 'closed'; readonly problems: readonly string[] };
