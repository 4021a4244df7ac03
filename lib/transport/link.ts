import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.js';
import { UNUSED } from '../core/closing.js';
import { CONTROL_ID, type ConnectionId, idToBytes } from '../core/connection-id.js';
import {
  NpwsClosedError,
  NpwsConnectionUnusedError,
  NpwsTruncatedError,
  type PoolRole,
} from '../core/errors.js';
import type { Link, LinkKeeper } from '../core/link.js';
import type { Measures, Traffic } from '../core/measures.js';
import type { ResolvedPoolOptions } from '../core/pool-options.js';
import type { Remote } from './address.js';
import { PoolConnection } from './connection.js';
import type { ByteSource } from './frames.js';
import { EMPTY, GreetingReader, readName } from './handshake.js';
import { KeepAlive, type KeepAliveRules, TCP_KEEP_ALIVE, type Watched } from './keep-alive.js';
import type { Surroundings } from './surroundings.js';
import { type Carrier, Use } from './use.js';
import type { PooledWebSocket } from './web-socket.js';
import { CLOSE_TIMEOUT, describeEnd, UNUSED_GRACE, Wire, type WireEnd, type WireListener } from './wire.js';

/** What a link is told of its place and its rules. */
export interface LinkTerms {
  readonly role: PoolRole;
  /** Server: what both speak. Client: what it offers, until the server has answered. */
  readonly protocol: 1 | 2;
  readonly allowHalfOpen: boolean;
  /** The longest message that the peer may send, in bytes. */
  readonly maxPayload: number;
  readonly keepAlive: KeepAliveRules;
}

/** The terms of a link that speaks, or offers, this protocol, by its pool's options. */
export function termsOf(
  role: PoolRole,
  protocol: 1 | 2,
  { allowHalfOpen, maxPayload, keepAlive, ping }: ResolvedPoolOptions,
): LinkTerms {
  return { role, protocol, allowHalfOpen, maxPayload, keepAlive: { period: keepAlive, mode: ping } };
}

/**
 * One WebSocket from its hand-shake to its close, and the uses that it carries, one after another (protocol 2) or a single
 * one (protocol 1). What comes goes to the use that bears the link's name at that moment (I9).
 */
export class WebSocketLink implements Link<PoolConnection>, Carrier, WireListener, Watched {
  keeper: LinkKeeper<Link<PoolConnection>> | null = null;
  readonly peer: string;
  readonly pool: string;
  readonly clock: Clock;
  readonly openedAt: number;
  readonly #wire: Wire;
  readonly #keepAlive: KeepAlive;
  readonly #measures: Measures;
  #protocol: 1 | 2;
  #id = CONTROL_ID;
  #isNew = true;
  #isGone = false;
  /** None before the first name and between two. */
  #use: Use | null = null;
  /** Whether what we sent in the last use may still wait for its reader. */
  #mayBeUnread = false;
  /** Client: takes messages while the next name is awaited. */
  #readNaming: ((message: Buffer) => void) | null = null;
  /** Server: how much had come when the link was named. */
  #bytesBeforeName = -1;

  /** A server calls `name` next; a client calls `awaitGreeting`. */
  constructor(
    ws: PooledWebSocket,
    readonly socket: Socket,
    readonly remote: Remote,
    private readonly terms: LinkTerms,
    { pool, clock, random, measures }: Surroundings,
  ) {
    this.#measures = measures;
    this.pool = pool;
    this.clock = clock;
    this.openedAt = clock.now();
    this.peer = remote.name;
    this.#protocol = terms.protocol;
    // It hears both itself: with listeners of their own, an idle link would take another KiB.
    this.#wire = new Wire(ws, socket, terms.role === 'server', terms.maxPayload, clock, this);
    this.#keepAlive = new KeepAlive(this, terms.keepAlive, clock, random);
    this.#keepTcpAlive();
  }

  get id(): ConnectionId {
    return this.#id;
  }

  get protocol(): 1 | 2 {
    return this.#protocol;
  }

  get bytes(): Traffic {
    return { received: this.socket.bytesRead, sent: this.socket.bytesWritten };
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

  get heard(): boolean {
    return this.#use?.hasHeard ?? false;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  name(id: ConnectionId): void {
    this.#beginUse(id);
    // Whatever is here already was sent before the name was known.
    this.#bytesBeforeName = this.socket.bytesRead;
    if (this.#isNew && this.#protocol === 2) this.#wire.send(EMPTY);
    this.#wire.send(idToBytes(id));
    if (this.#isNew) this.#keepAlive.start(this.#protocol === 2);
    this.#isNew = false;
  }

  /** Client: calls back when the server has sent the first ID. */
  awaitGreeting(named: () => void): void {
    const reader = new GreetingReader(this.#protocol === 2);
    this.#readNaming = (message) => {
      const greeting = reader.read(message);
      if (greeting === null) this.#wire.refuse(1002, 'no ID behind the offer of protocol 2');
      if (!greeting) return;
      const { id, protocol, rest } = greeting;
      this.#protocol = protocol;
      this.#readNaming = null;
      this.#beginUse(id);
      this.#keepAlive.start(protocol === 2);
      if (rest.length > 0) this.#deliver(rest);
      named();
    };
  }

  giveBack(named: () => void): void {
    this.#readNaming = (message) => {
      const id = readName(message);
      if (id === null) {
        this.#wire.refuse(1002, 'no ID for a connection that was given back');
        return;
      }
      this.#readNaming = null;
      this.#beginUse(id);
      named();
    };
    this.#wire.send(EMPTY);
  }

  checkOut(): PoolConnection {
    if (!this.#use) throw new Error('this link has no name');
    if (this.#protocol === 1) this.#keepAlive.inUse();
    return new PoolConnection(this.#use);
  }

  send(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    this.#wire.send(bytes, done);
  }

  sendFrom(source: ByteSource, length: number, done: (error?: Error | null) => void): void {
    this.#measures.traffic.sent += length;
    this.#wire.sendFrom(source, length, done);
  }

  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }

  close(code: number, reason: string): void {
    // With this a peer of this package knows that nothing of its use was seen here. A name may be on its way.
    const isUnseen = this.#protocol === 2 ? (this.#use ?? this.#readNaming) : !this.begun;
    if (isUnseen) this.#close(code === 1001 ? 1001 : 1000, UNUSED, UNUSED_GRACE);
    else this.#close(code, reason, UNUSED_GRACE);
  }

  finish(): void {
    this.#close(1000, '', CLOSE_TIMEOUT);
  }

  abandon(): void {
    if (this.#wire.isClosing) this.resume();
    else this.cut();
  }

  cut(cause?: Error): void {
    this.#keepAlive.stop();
    this.#wire.cut(cause);
  }

  onBegun(): void {
    this.keeper?.begun(this);
  }

  /** A server waits until the client gives the link back. */
  onDone(): void {
    if (this.terms.role === 'client') this.#endUse();
  }

  onMessage(message: Buffer, isBinary: boolean): void {
    // Nobody will ever read: the use is abandoned, or the pool has closed the link.
    if (this.#wire.isClosing && !this.#use?.isRead) return;
    this.#keepAlive.heard();
    if (!isBinary) this.#wire.refuse(1003, 'text message');
    else if (this.#readNaming) this.#readNaming(message);
    else if (this.#protocol === 2) this.#onMessageOfTwo(message);
    else if (message.length > 0) this.#deliver(message);
  }

  onPing(): void {
    this.#keepAlive.heard();
  }

  onPong(): void {
    this.#keepAlive.ponged();
  }

  onEnd({ code, reason, inOrder, violation, ours, cause }: WireEnd): void {
    this.#keepAlive.stop();
    const error = inOrder ? this.#lossBy(code, reason) : this.#errorOf(code, reason, cause);
    this.#tellUse(code, error);
    const clean = inOrder && (error === null || error instanceof NpwsConnectionUnusedError);
    const whole = !violation && (this.#use?.hasAll ?? false);
    this.keeper?.ended(this, { code, reason, clean, whole, violation, ours, error });
  }

  onGone(): void {
    this.#isGone = true;
    this.keeper?.gone(this);
  }

  bytesRead(): number {
    return this.socket.bytesRead;
  }

  isPaused(): boolean {
    return this.#wire.isPaused;
  }

  mayBeStuck(): boolean {
    return this.#use?.hasSentData ?? this.#mayBeUnread;
  }

  ping(): void {
    this.#wire.ping();
  }

  pinged(since: number): void {
    this.#measures.timed('ping', since, this.clock.now());
  }

  lost(): void {
    this.#wire.fail(1006, 'no pong in time');
  }

  /** Protocol 2: an empty message is the end of the peer's bytes; another one, behind both ends, gives the link back. */
  #onMessageOfTwo(message: Buffer): void {
    const use = this.#use;
    if (!use || (!use.hasHeard && this.socket.bytesRead === this.#bytesBeforeName)) {
      this.#wire.refuse(1002, 'a message before the ID');
    } else if (message.length > 0) {
      if (use.hasAll) this.#wire.refuse(1002, 'data after the end');
      else this.#deliver(message);
    } else if (!use.hasAll) {
      use.receiveEnd(null);
      // What may come now is for the link.
      this.resume();
    } else if (this.terms.role === 'server' && use.isFinSent) {
      this.#endUse();
    } else {
      this.#wire.refuse(1002, 'an empty message too many');
    }
  }

  #deliver(bytes: Buffer): void {
    this.#measures.traffic.received += bytes.length;
    if (this.#use && !this.#use.receive(bytes)) this.pause();
  }

  #beginUse(id: ConnectionId): void {
    this.#id = id;
    this.#use = new Use(id, this);
  }

  /** The use is over at both ends. What is left of it here has nothing to do with the link any more. */
  #endUse(): void {
    const isSocketChanged = this.#use?.close() ?? false;
    this.#mayBeUnread = this.#use?.hasSentData ?? false;
    this.#use = null;
    if (this.#wire.isClosing) return;
    if (isSocketChanged) this.#resetSocket();
    this.keeper?.returned(this);
  }

  /** As it was before an application had it. */
  #resetSocket(): void {
    this.socket.setNoDelay(true);
    this.#keepTcpAlive();
    this.socket.ref();
  }

  #keepTcpAlive(): void {
    this.socket.setKeepAlive(true, Math.min(TCP_KEEP_ALIVE, this.terms.keepAlive.period));
  }

  #close(code: number, reason: string, grace: number): void {
    this.#keepAlive.stop();
    this.#wire.close(code, reason, grace);
    // The answer stands behind what nobody will read.
    if (!this.#use?.isRead) this.resume();
  }

  #tellUse(code: number, error: Error | null): void {
    // Under protocol 2 nothing that befalls a link reaches a use that both have ended.
    if (!this.#use || (this.#protocol === 2 && this.#use.isComplete)) return;
    if (error) this.#use.fail(error);
    else if (this.#protocol === 1) this.#use.receiveEnd(code);
  }

  /** What a close in good order breaks, if anything: under protocol 2 all that is not complete, under 1 what was unused. */
  #lossBy(code: number, reason: string): Error | null {
    const use = this.#use;
    if (!use || use.isComplete || !(use.isTaken || use.begun)) return null;
    if (reason !== UNUSED || use.hasHeard)
      return this.#protocol === 1 ? null : this.#errorOf(code, reason, null);
    const what = 'its peer closed it unused: nothing of what was sent reached anybody, so take another one';
    return new NpwsConnectionUnusedError(`connection ${this.#id} of ${this.pool}: ${what}`);
  }

  #errorOf(code: number, reason: string, cause: Error | null): Error {
    // The pool's own words, when it was the pool that cut it.
    if (cause instanceof NpwsClosedError) return cause;
    return new NpwsTruncatedError(
      `connection ${this.#id} of ${this.pool} was cut: ${describeEnd(code, reason)}; what came may be incomplete`,
      code,
      cause ? { cause } : undefined,
    );
  }
}
