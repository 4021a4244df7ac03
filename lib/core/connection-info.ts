import type { Link } from './link.js';
import type { Traffic } from './measures.js';

/** Where a live connection is: as `stats()` counts it; 'returned' while it waits for its next ID. */
export type ConnectionState = 'idle' | 'owed' | 'used' | 'returned';

/** A live connection, for people who look at a pool. */
export interface ConnectionInfo {
  /** The ID of its use, or of its last one. */
  readonly id: string;
  /** 'host:port' of the other end. */
  readonly peer: string;
  /** Where it is. */
  readonly state: ConnectionState;
  /** How long its link (WebSocket) is there, in milliseconds. */
  readonly age: number;
  /** How long an application has held it, in milliseconds; null when none does. */
  readonly usedFor: number | null;
  /** What its socket has carried since its link is there, hand-shake, frames and TLS included, in bytes. */
  readonly bytes: Readonly<Traffic>;
}

/** Tells of a link; `usedSince` is when it was taken, on the pool's clock. */
export function infoOf(
  link: Link<unknown>,
  state: ConnectionState,
  now: number,
  usedSince: number | null = null,
): ConnectionInfo {
  const { id, peer, openedAt, bytes } = link;
  return {
    id,
    peer,
    state,
    age: now - openedAt,
    usedFor: usedSince === null ? null : now - usedSince,
    bytes,
  };
}
