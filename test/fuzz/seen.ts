import type { PoolConnection } from 'nestjs-npws';
import type { Moment } from './link-model.js';

/** What came of one use. */
export interface SeenUse {
  /** The name that the library's pool gave it. */
  readonly id: string;
  connection: PoolConnection | null;
  /** Whether the application has asked for it. */
  isAskedFor: boolean;
  /** How much had been sent when the application asked for it in vain. */
  missedAt: number | null;
  readonly read: Buffer[];
  ended: boolean;
  error: (Error & { code?: string; closeCode?: number }) | null;
  /** What the application has written. */
  written: Buffer;
  /** Whether it reads whatever comes. */
  isReading: boolean;
}

/** What came of a script. */
export interface Seen {
  /** What the peer has sent. */
  sent: Buffer;
  /** What the peer got. */
  output: Buffer;
  /** What was named, in order: under protocol 1 it is one use at most. */
  readonly uses: SeenUse[];
  /** What happened when. Bytes are counted from the first of the peer. */
  readonly log: Moment[];
}

export function blankSeen(sent: Buffer): Seen {
  return { sent, output: Buffer.alloc(0), uses: [], log: [] };
}

export function blankUse(id: string): SeenUse {
  return { id, connection: null, isAskedFor: false, missedAt: null, read: [], ended: false, error: null, written: Buffer.alloc(0), isReading: false };
} // prettier-ignore
