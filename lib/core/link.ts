import type { ConnectionId } from './connection-id.js';
import type { Traffic } from './measures.js';

/** How a link ended. */
export interface LinkEnd {
  /** The WebSocket close code; 1006 when there was no close frame. */
  readonly code: number;
  /** What the peer said of it, or what happened; may be empty. */
  readonly reason: string;
  /** Whether it was closed in good order (1000 or 1001), and not in the middle of a use of protocol 2. */
  readonly clean: boolean;
  /** Whether the peer had said all, by the rules: what waits here for its reader is complete. */
  readonly whole: boolean;
  /** Whether the peer broke a rule of the protocol. */
  readonly violation: boolean;
  /** Whether this end closed or cut it first. */
  readonly ours: boolean;
  /** What went wrong, when something did. */
  readonly error: Error | null;
}

/** Hears of a link's fate from its first name to its end. */
export interface LinkKeeper<L> {
  /** The peer has begun to write, or said all. Called while the link is not checked out. */
  begun(link: L): void;
  /** Its use is over at both ends. It waits for another name, or to be closed. */
  returned(link: L): void;
  /** Nothing more will be received. Called once. */
  ended(link: L, end: LinkEnd): void;
  /** The socket is gone too. Called once, after `ended`. */
  gone(link: L): void;
}

/**
 * What a pool asks of a connection to its peer; the transport keeps this promise. A link serves one use after another
 * (protocol 2), or a single one (protocol 1). `C` is what an application gets to hold: one use. A link reads at all
 * times, so that its end is noticed, and keeps what comes before check-out for whoever takes it.
 */
export interface Link<C> {
  /** The name of its use, or of the last one. */
  readonly id: ConnectionId;
  /** 'host:port' of the peer, for logs and events. */
  readonly peer: string;
  /** When it was set up, on the pool's clock. */
  readonly openedAt: number;
  /** What its socket has carried. */
  readonly bytes: Readonly<Traffic>;
  /** Whether it can serve again after a use, and be closed while idle without a loss (protocol 2). */
  readonly renewable: boolean;
  /** Whether bytes, or the end of them, wait here for the application. */
  readonly begun: boolean;
  /** Whether the peer has said anything in its use. */
  readonly heard: boolean;
  /** Whether its socket is gone. What came before may still be checked out. */
  readonly isGone: boolean;
  /** Set by the pool that keeps the link. */
  keeper: LinkKeeper<Link<C>> | null;
  /** Server: sends the link a name; with it a use begins. */
  name(id: ConnectionId): void;
  /** Client: gives a returned link back to the server and calls back when that has named it anew. */
  giveBack(named: () => void): void;
  /** Hands the use to an application. Once for each name. */
  checkOut(): C;
  /** Closes a link that nobody holds with a close frame, and cuts it when the peer does not answer soon. */
  close(code: number, reason: string): void;
  /** Cuts the link without a close frame; whoever holds it sees `cause`. */
  cut(cause: Error): void;
}
