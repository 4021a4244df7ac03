import type { Socket } from 'node:net';
// Taken when this file is loaded: fake timers of a test framework must not keep an end from its listeners.
import { nextTick } from 'node:process';
import type { Cancel, Clock } from '../core/clock.js';
import { onOneLine } from '../core/one-line.js';
import { reportUncaught } from '../core/uncaught.js';
import { type ByteSource, framesOf, Message, reuse } from './frames.js';
import { EMPTY } from './handshake.js';
import { PooledWebSocket } from './web-socket.js';

/** How long a peer has to answer a close that it may not be reading yet, in milliseconds. */
export const CLOSE_TIMEOUT = 30_000;

/** The same for a connection that nobody holds, in milliseconds: a Go peer may be deaf. */
export const UNUSED_GRACE = 250;

/** How many pongs may wait until they are written out. */
const MOST_PONGS = 60;

/** How a WebSocket ended. */
export interface WireEnd {
  /** The close code; 1006 when there was no close frame. */
  readonly code: number;
  /** What the peer said of it, or what happened; may be empty. */
  readonly reason: string;
  /** Whether the peer closed with 1000 or 1001. */
  readonly inOrder: boolean;
  /** Whether the peer broke a rule. */
  readonly violation: boolean;
  /** What lay beneath, if anything. */
  readonly cause: Error | null;
  /** Whether this end closed or cut it first. */
  readonly ours: boolean;
}

/** Hears what comes over a WebSocket. */
export interface WireListener {
  onMessage(message: Buffer, isBinary: boolean): void;
  onPing(): void;
  onPong(): void;
  /** Nothing more comes. Called once. */
  onEnd(end: WireEnd): void;
  /** The socket is gone too. Called once, after `onEnd`. */
  onGone(): void;
}

/**
 * A WebSocket with its socket: what comes, how it is closed, and how it ended, whatever ended it. Its listeners are there
 * before the first byte can arrive, and nothing that goes wrong escapes.
 */
export class Wire {
  #isPaused = false;
  #isClosing = false;
  #hasEnded = false;
  #closeCode = 1006;
  #socketError: Error | null = null;
  #deadline: Cancel | undefined;
  /** Pongs that are not written out yet. */
  #pongs = 0;
  #unanswered: Buffer | null = null;

  constructor(
    private readonly ws: PooledWebSocket,
    readonly socket: Socket,
    /** Whether it sends as a server does, unmasked, and its peer as a client. */
    private readonly isServer: boolean,
    maxPayload: number,
    private readonly clock: Clock,
    private readonly listener: WireListener,
  ) {
    const receive = (message: Buffer, isBinary: boolean): void => {
      if (this.#hasEnded) return;
      try {
        listener.onMessage(message, isBinary);
      } catch (error) {
        // Who reads has thrown it. What comes behind this message must be read all the same.
        reportUncaught(error);
      }
    };
    ws.on('message', (data, isBinary) => {
      receive(data as Buffer, isBinary);
    });
    ws.split(isServer, maxPayload, (message) => {
      receive(message, true);
    });
    ws.on('ping', (payload) => {
      this.#pong(payload);
      listener.onPing();
    });
    ws.on('pong', () => {
      listener.onPong();
    });
    // `ws` tells of bad input only.
    ws.on('error', (error) => {
      this.fail(this.#closeCode, error.message, { cause: error, violation: true });
    });
    // It keeps to itself what its socket died of.
    socket.on('error', (error) => {
      this.#socketError = error;
    });
    // A peer that reads nothing keeps `ws` waiting for its own bytes to go out: no close frame will come any more.
    socket.on('end', () => {
      this.fail(1006, '');
    });
    ws.on('close', (code, reason) => {
      this.#onGone(code, onOneLine(reason.toString()));
    });
    ws.onPeerClose = (code, reason, isCut) => {
      // Who answers our own may do so anywhere.
      if (isCut && isInOrder(code) && !this.#isClosing)
        this.fail(1006, 'closed in the middle of a message', { violation: true });
      else this.#onPeerClose(code, onOneLine(reason));
    };
  }

  /** Whether it was us who stopped reading. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether it was closed from either side, or has ended. */
  get isClosing(): boolean {
    return this.#isClosing || this.#hasEnded;
  }

  /** Sends one binary message; `done` is called when it is written out, or with an error when it can't be. */
  send(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    this.sendFrom(new Message(bytes), bytes.length, done);
  }

  /** Sends the next `length` bytes of a source in binary messages: reads them at once. `done` as in `send`. */
  sendFrom(source: ByteSource, length: number, done?: (error?: Error | null) => void): void {
    const frames = framesOf(source, length, !this.isServer);
    if (this.ws.readyState !== PooledWebSocket.OPEN) {
      // It has words for why not.
      this.ws.send(EMPTY, done);
      return;
    }
    this.socket.write(frames, (error) => {
      // After an error a write may still be under way.
      if (!error) reuse(frames);
      done?.(error);
    });
  }

  ping(): void {
    this.ws.ping();
  }

  pause(): void {
    this.#isPaused = true;
    this.ws.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.ws.resume();
  }

  /** Closes from this side: all that was sent arrives, then the close frame. After `grace` milliseconds it is cut. */
  close(code: number, reason: string, grace: number): void {
    if (this.isClosing) return;
    this.#isClosing = true;
    this.ws.closeWith(code, reason);
    this.#cutAfter(grace);
  }

  /** Breaks off, as the peer broke a rule, and tells it the close code. */
  refuse(code: number, reason: string): void {
    this.ws.closeWith(code, reason);
    this.fail(code, reason, { violation: true });
  }

  /** The peer has broken off, or must be taken to have done so. */
  fail(
    code: number,
    reason: string,
    { cause = null, violation = false }: { cause?: Error | null; violation?: boolean } = {},
  ): void {
    if (this.#hasEnded) return;
    this.#end({ code, reason, inOrder: false, violation, cause });
    this.#hangUp(UNUSED_GRACE);
    this.socket.end();
  }

  /** Cuts it without a close frame. With a `cause` it has ended for this side at once. */
  cut(cause?: Error): void {
    this.#isClosing = true;
    if (cause) this.#end({ code: 1006, reason: cause.message, inOrder: false, violation: false, cause });
    this.#deadline?.();
    this.ws.terminate();
  }

  /** A close frame has come, and everything before it. `ws` has answered it already. */
  #onPeerClose(code: number, reason: string): void {
    if (isInOrder(code)) {
      this.#end({ code, reason, inOrder: true, violation: false, cause: null });
      this.#hangUp(CLOSE_TIMEOUT);
      // Closing a socket that has bytes unread resets it, and takes our close frame from a peer that is still sending.
      this.socket.destroySoon();
    } else {
      // Bad input closes the same way; the error that tells which follows at once. Who writes meanwhile hears of its failure
      // behind this.
      this.#closeCode = code;
      nextTick(() => {
        this.fail(code, reason);
      });
    }
  }

  /** Answers a ping. Where many answers do not get out, as the peer stalls, only the newest ping will have another. */
  #pong(payload: Buffer): void {
    if (this.#pongs >= MOST_PONGS) {
      this.#unanswered = Buffer.from(payload);
      return;
    }
    this.#pongs++;
    this.ws.pong(payload, undefined, () => {
      this.#pongs--;
      const next = this.#unanswered;
      this.#unanswered = null;
      if (next) this.#pong(next);
    });
  }

  /** Nothing more is to be received: what is still to be sent goes out, then the socket is closed. */
  #hangUp(grace: number): void {
    this.#isClosing = true;
    this.#deadline?.();
    this.#cutAfter(grace);
    this.resume();
  }

  #end(end: Omit<WireEnd, 'ours'>): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.listener.onEnd({ ...end, ours: this.#isClosing });
  }

  #cutAfter(ms: number): void {
    this.#deadline = this.clock.after(ms, () => {
      this.cut();
    });
  }

  #onGone(code: number, reason: string): void {
    // The close frame of a link that was paused is found only now.
    if (isInOrder(code)) this.#end({ code, reason, inOrder: true, violation: false, cause: null });
    else this.fail(code, reason || (this.#socketError?.message ?? ''), { cause: this.#socketError });
    this.#deadline?.();
    this.listener.onGone();
  }
}

/** Why a WebSocket ended, for people. */
export function describeEnd(code: number, reason: string): string {
  return reason === '' ? `close code ${code}` : `${reason} (close code ${code})`;
}

function isInOrder(code: number): boolean {
  return code === 1000 || code === 1001;
}
