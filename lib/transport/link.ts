import type { Socket } from 'node:net';
import type { Cancel, Clock } from '../core/clock.js';
import { UNUSED } from '../core/closing.js';
import { CONTROL_ID, type ConnectionId, idToBytes } from '../core/connection-id.js';
import { NpwsConnectionUnusedError, NpwsTruncatedError, type PoolRole } from '../core/errors.js';
import type { Link, LinkEnd, LinkKeeper } from '../core/link.js';
import { onOneLine } from '../core/one-line.js';
import type { Remote } from './address.js';
import { CLOSE_TIMEOUT, PoolConnection } from './connection.js';
import { GreetingReader, readName } from './handshake.js';
import { KeepAlive, type KeepAliveRules, TCP_KEEP_ALIVE } from './keep-alive.js';
import type { Surroundings } from './surroundings.js';
import { type Carrier, Use } from './use.js';
import type { PooledWebSocket } from './web-socket.js';

/** How long a peer has to answer the close of a connection that nobody holds, in milliseconds: a Go peer may be deaf. */
const UNUSED_GRACE = 250;

/** A message of protocol 2 that is no data. */
const EMPTY = Buffer.alloc(0);

/** What a link is told of its place and its rules. */
export interface LinkTerms {
  readonly role: PoolRole;
  /** Server: what both speak. Client: what it offers, until the server has answered. */
  readonly protocol: 1 | 2;
  readonly allowHalfOpen: boolean;
  readonly keepAlive: KeepAliveRules;
}

/**
 * One WebSocket from its hand-shake to its close, and the uses that it carries one after another. Its listeners are
 * there before the first byte can arrive, and what goes wrong escapes nowhere (I9, I11, I12).
 */
export class WebSocketLink implements Link<PoolConnection>, Carrier {
  keeper: LinkKeeper<Link<PoolConnection>> | null = null;
  readonly peer: string;
  readonly pool: string;
  readonly clock: Clock;
  readonly #keepAlive: KeepAlive;
  #protocol: 1 | 2;
  #id = CONTROL_ID;
  /** None before the first name and between two. */
  #use: Use | null = null;
  /** Client: takes messages while the next name is awaited. */
  #readNaming: ((message: Buffer) => void) | null = null;
  #bytesBeforeName = -1;
  #isNew = true;
  #isGone = false;
  #isPaused = false;
  #isClosing = false;
  #closeCode = 1006;
  #end: LinkEnd | null = null;
  #socketError: Error | null = null;
  #deadline: Cancel | undefined;

  /** A server calls `name` next; a client calls `awaitGreeting`. */
  constructor(
    private readonly ws: PooledWebSocket,
    readonly socket: Socket,
    readonly remote: Remote,
    private readonly terms: LinkTerms,
    { pool, clock, random }: Surroundings,
  ) {
    this.pool = pool;
    this.clock = clock;
    this.peer = remote.name;
    this.#protocol = terms.protocol;
    this.#keepAlive = new KeepAlive(
      {
        bytesRead: () => socket.bytesRead,
        isPaused: () => this.#isPaused,
        mayBeStuck: () => this.#use?.hasSentData ?? false,
        ping: () => {
          ws.ping();
        },
        lost: () => {
          this.#fail(1006, 'no pong in time', null);
        },
      },
      terms.keepAlive,
      clock,
      random,
    );
    this.#setUpSocket();
    ws.on('message', (data, isBinary) => {
      this.#onMessage(data as Buffer, isBinary);
    });
    ws.on('ping', () => {
      this.#keepAlive.heard();
    });
    ws.on('pong', () => {
      this.#keepAlive.ponged();
    });
    // `ws` tells of bad input only.
    ws.on('error', (error) => {
      this.#fail(this.#closeCode, error.message, error, true);
    });
    // `ws` keeps to itself what its socket died of.
    socket.on('error', (error) => {
      this.#socketError = error;
    });
    // A peer that reads nothing keeps `ws` waiting for its own bytes to go out: no close frame will come any more.
    socket.on('end', () => {
      this.#fail(1006, '', null);
    });
    ws.on('close', (code, reason) => {
      this.#onGone(code, onOneLine(reason.toString()));
    });
    ws.onPeerClose = (code, reason) => {
      this.#onPeerClose(code, onOneLine(reason));
    };
  }

  get id(): ConnectionId {
    return this.#id;
  }

  get protocol(): 1 | 2 {
    return this.#protocol;
  }

  get renewable(): boolean {
    return this.#protocol === 2;
  }

  get allowHalfOpen(): boolean {
    return this.terms.allowHalfOpen;
  }

  get begun(): boolean {
    return this.#use?.begun ?? false;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  name(id: ConnectionId): void {
    this.#beginUse(id);
    // Whatever is here already was sent before the name was known.
    this.#bytesBeforeName = this.socket.bytesRead;
    this.socket.cork();
    if (this.#isNew && this.#protocol === 2) this.ws.send(EMPTY);
    this.ws.send(idToBytes(id));
    this.socket.uncork();
    if (this.#isNew) this.#keepAlive.start(this.#protocol === 2);
    this.#isNew = false;
  }

  /** Client: calls back when the server has sent the first ID. */
  awaitGreeting(named: () => void): void {
    const reader = new GreetingReader(this.#protocol === 2);
    this.#readNaming = (message) => {
      const greeting = reader.read(message);
      if (greeting === null) this.refuse(1002, 'no ID behind the offer of protocol 2');
      if (!greeting) return;
      const { id, protocol, rest } = greeting;
      this.#protocol = protocol;
      this.#readNaming = null;
      this.#beginUse(id);
      this.#keepAlive.start(protocol === 2);
      if (rest.length > 0) this.#use?.receive(rest);
      named();
    };
  }

  giveBack(named: () => void): void {
    this.#readNaming = (message) => {
      const id = readName(message);
      if (id === null) {
        this.refuse(1002, 'no ID for a connection that was given back');
        return;
      }
      this.#readNaming = null;
      this.#beginUse(id);
      named();
    };
    this.ws.send(EMPTY);
  }

  checkOut(): PoolConnection {
    if (!this.#use) throw new Error('this link has no name');
    if (this.#protocol === 1) this.#keepAlive.inUse();
    return new PoolConnection(this.#use);
  }

  send(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    this.ws.send(bytes, done);
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.ws.resume();
  }

  close(code: number, reason: string): void {
    // With this the peer's application knows that nothing of its use was seen here.
    if (this.#protocol === 2 && this.#use) this.#closeWith(code === 1001 ? 1001 : 1000, UNUSED, UNUSED_GRACE);
    else this.#closeWith(code, reason, UNUSED_GRACE);
  }

  finish(): void {
    this.#closeWith(1000, '', CLOSE_TIMEOUT);
  }

  abandon(): void {
    if (this.#isClosing || this.#end) this.resume();
    else this.#terminate();
  }

  cut(cause: Error): void {
    this.#setEnd({ code: 1006, reason: cause.message, clean: false, violation: false, error: cause });
    this.#terminate();
  }

  /** Breaks off a link whose peer broke the rules, telling it the close code. */
  refuse(code: number, reason: string): void {
    this.ws.closeWith(code, reason);
    this.#fail(code, reason, null, true);
  }

  pause(): void {
    this.#isPaused = true;
    this.ws.pause();
  }

  onBegun(): void {
    this.keeper?.begun(this);
  }

  /** A server waits until the client gives the link back. */
  onDone(): void {
    if (this.terms.role === 'client') this.#endUse();
  }

  #onMessage(message: Buffer, isBinary: boolean): void {
    if (this.#end || this.#isCutOff()) return;
    this.#keepAlive.heard();
    if (!isBinary) this.refuse(1003, 'text message');
    else if (this.#readNaming) this.#readNaming(message);
    else if (this.#protocol === 2) this.#onMessageOfTwo(message);
    else if (message.length > 0) this.#deliver(message);
  }

  /** Protocol 2: an empty message is the end of the peer's bytes, and behind both ends gives the link back. */
  #onMessageOfTwo(message: Buffer): void {
    const use = this.#use;
    if (!use || (!use.hasHeard && this.socket.bytesRead === this.#bytesBeforeName)) {
      this.refuse(1002, 'a message before the ID');
    } else if (message.length > 0) {
      if (use.hasAll) this.refuse(1002, 'data after the end');
      else this.#deliver(message);
    } else if (!use.hasAll) {
      use.receiveEnd(null);
      // What may come now is for the link.
      this.resume();
    } else if (this.terms.role === 'server' && use.isFinSent) {
      this.#endUse();
    } else {
      this.refuse(1002, 'an empty message too many');
    }
  }

  #deliver(bytes: Buffer): void {
    if (this.#use && !this.#use.receive(bytes)) this.pause();
  }

  /** Whether nobody will ever read: the use is abandoned, or the pool has closed the link. */
  #isCutOff(): boolean {
    return this.#isClosing && !this.#use?.isRead;
  }

  #beginUse(id: ConnectionId): void {
    this.#id = id;
    this.#use = new Use(id, this);
  }

  /** The use is over at both ends. What is left of it here has nothing to do with the link any more. */
  #endUse(): void {
    const isSocketChanged = this.#use?.close() ?? false;
    this.#use = null;
    if (this.#end || this.#isClosing) return;
    if (isSocketChanged) this.#resetSocket();
    this.keeper?.returned(this);
  }

  /** As it was before an application had it. */
  #resetSocket(): void {
    this.socket.setNoDelay(true);
    this.#setUpSocket();
    this.socket.ref();
  }

  #setUpSocket(): void {
    this.socket.setKeepAlive(true, Math.min(TCP_KEEP_ALIVE, this.terms.keepAlive.period));
  }

  #closeWith(code: number, reason: string, grace: number): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#keepAlive.stop();
    this.ws.closeWith(code, reason);
    // The answer stands behind what nobody will read.
    if (!this.#use?.isRead) this.resume();
    this.#terminateAfter(grace);
  }

  /** A close frame has come, and everything before it. `ws` has answered it already. */
  #onPeerClose(code: number, reason: string): void {
    if (isInOrder(code)) {
      this.#endInOrder(code, reason);
      this.#hangUp();
    } else {
      // Bad input closes the same way; the error that tells which follows at once.
      this.#closeCode = code;
      queueMicrotask(() => {
        this.#fail(code, reason, null);
      });
    }
  }

  #endInOrder(code: number, reason: string): void {
    const error = this.#protocol === 2 ? this.#lossBy(code, reason) : null;
    const clean = error === null || error instanceof NpwsConnectionUnusedError;
    this.#setEnd({ code, reason, clean, violation: false, error });
  }

  /** What a close in good order breaks, if anything: under protocol 2 it is the end of no stream. */
  #lossBy(code: number, reason: string): Error | null {
    const use = this.#use;
    if (!use || use.isComplete || !(use.isTaken || use.begun)) return null;
    if (reason !== UNUSED || use.hasHeard) return this.#truncated(code, reason);
    const what = 'its peer closed it unused: nothing of what was sent reached anybody, so take another one';
    return new NpwsConnectionUnusedError(`connection ${this.#id} of ${this.pool}: ${what}`);
  }

  #truncated(code: number, reason: string, cause?: Error): Error {
    return new NpwsTruncatedError(
      `connection ${this.#id} of ${this.pool} was cut: ${describeEnd(code, reason)}; what came may be incomplete`,
      code,
      cause && { cause },
    );
  }

  /** The peer broke off, or broke a rule. */
  #fail(code: number, reason: string, cause: Error | null, violation = false): void {
    if (this.#end) return;
    const error = this.#truncated(code, reason, cause ?? undefined);
    this.#setEnd({ code, reason, clean: false, violation, error });
    this.#hangUp();
  }

  /** Nothing more is to be received: what is still to be sent goes out, then the socket is closed. */
  #hangUp(): void {
    this.#isClosing = true;
    this.#deadline?.();
    this.#terminateAfter(this.#end?.clean ? CLOSE_TIMEOUT : UNUSED_GRACE);
    this.resume();
    // Closing a socket that has bytes unread resets it, and takes our close frame from a peer that is still sending.
    if (this.#end?.clean) this.socket.destroySoon();
    else this.socket.end();
  }

  #setEnd(end: LinkEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#keepAlive.stop();
    this.#tellUse(end);
    this.keeper?.ended(this, end);
  }

  #tellUse({ code, error }: LinkEnd): void {
    // Under protocol 2 nothing that befalls a link reaches a use that both have ended.
    if (!this.#use || (this.#protocol === 2 && this.#use.isComplete)) return;
    if (error) this.#use.fail(error);
    else if (this.#protocol === 1) this.#use.receiveEnd(code);
  }

  #terminateAfter(ms: number): void {
    this.#deadline = this.clock.after(ms, () => {
      this.#terminate();
    });
  }

  #terminate(): void {
    this.#isClosing = true;
    this.#deadline?.();
    this.#keepAlive.stop();
    this.ws.terminate();
  }

  #onGone(code: number, reason: string): void {
    // The close frame of a link that was paused is found only now.
    if (isInOrder(code)) this.#endInOrder(code, reason);
    else this.#fail(code, reason || (this.#socketError?.message ?? ''), this.#socketError);
    this.#deadline?.();
    this.#isGone = true;
    this.keeper?.gone(this);
  }
}

/** Why a link ended, for people. */
export function describeEnd(code: number, reason: string): string {
  return reason === '' ? `close code ${code}` : `${reason} (close code ${code})`;
}

function isInOrder(code: number): boolean {
  return code === 1000 || code === 1001;
}
