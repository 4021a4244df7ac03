import type { ConnectionId } from './connection-id.js';

/** How a link ended. */
export interface LinkEnd {
  /** The WebSocket close code; 1006 when there was no close frame. */
  readonly code: number;
  /** What the peer said of it, or what happened; may be empty. */
  readonly reason: string;
  /** Whether the peer closed in good order (1000 or 1001). */
  readonly clean: boolean;
  /** What went wrong, when something did. */
  readonly error: Error | null;
}

/** Hears of a link's fate from its naming to its end. */
export interface LinkKeeper<L> {
  /** The peer has begun: the first bytes after the ID are there. Called while the link is not checked out. */
  begun(link: L): void;
  /** Nothing more will be received. Called once. */
  ended(link: L, end: LinkEnd): void;
  /** The socket is gone too. Called once, after `ended`. */
  gone(link: L): void;
}

/**
 * What a pool asks of a connection; the transport keeps this promise. `C` is what an application gets to hold.
 * A link reads at all times, so that its end is noticed, and keeps what comes before check-out for whoever takes it.
 */
export interface Link<C> {
  readonly id: ConnectionId;
  /** 'host:port' of the peer, for logs and events. */
  readonly peer: string;
  /** Whether bytes for the application wait here. */
  readonly begun: boolean;
  /** Whether its socket is gone. What came before may still be checked out. */
  readonly isGone: boolean;
  /** Set by the pool that keeps the link. */
  keeper: LinkKeeper<Link<C>> | null;
  /** Hands the link to an application. Once. */
  checkOut(): C;
  /** Closes a link that nobody holds with a close frame, and cuts it when the peer does not answer soon. */
  close(code: number, reason: string): void;
  /** Cuts the link without a close frame; whoever holds it sees `cause`. */
  cut(cause: Error): void;
}
