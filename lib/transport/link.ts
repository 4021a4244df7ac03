import type { Socket } from 'node:net';
import type { Cancel, Clock } from '../core/clock.js';
import { CONTROL_ID, type ConnectionId } from '../core/connection-id.js';
import { NpwsTruncatedError } from '../core/errors.js';
import type { Link, LinkEnd, LinkKeeper } from '../core/link.js';
import { onOneLine } from '../core/one-line.js';
import type { Remote } from './address.js';
import { Backlog } from './backlog.js';
import { CLOSE_TIMEOUT, type ConnectionLink, type LinkReader, PoolConnection } from './connection.js';
import { IdReader } from './handshake.js';
import { KeepAlive, type KeepAliveRules, TCP_KEEP_ALIVE } from './keep-alive.js';
import type { Surroundings } from './surroundings.js';
import type { PooledWebSocket } from './web-socket.js';

/** How long a peer has to answer the close of a connection that nobody holds, in milliseconds: a Go peer may be deaf. */
const UNUSED_GRACE = 250;

/** How many bytes that came before check-out are kept before the peer is made to wait. */
const EARLY_LIMIT = 64 * 1024;

/**
 * One WebSocket from its hand-shake to its close. Its listeners are there before the first byte can arrive: what
 * comes before check-out is kept, in order and bounded, and what goes wrong escapes nowhere (I9, I11, I12).
 */
export class WebSocketLink implements Link<PoolConnection>, ConnectionLink {
  keeper: LinkKeeper<Link<PoolConnection>> | null = null;
  readonly peer: string;
  readonly pool: string;
  readonly clock: Clock;
  #id: ConnectionId;
  #naming: { reader: IdReader; named: () => void } | null = null;
  readonly #early = new Backlog();
  readonly #keepAlive: KeepAlive;
  #reader: LinkReader | null = null;
  #end: LinkEnd | null = null;
  #isGone = false;
  #isPaused = false;
  #isClosing = false;
  #closeCode = 1006;
  #socketError: Error | null = null;
  #deadline: Cancel | undefined;

  /** A server passes the ID; a client calls `awaitId`. */
  constructor(
    private readonly ws: PooledWebSocket,
    readonly socket: Socket,
    readonly remote: Remote,
    id: ConnectionId | null,
    rules: KeepAliveRules,
    { pool, clock, random }: Surroundings,
  ) {
    this.pool = pool;
    this.clock = clock;
    this.#id = id ?? CONTROL_ID;
    this.peer = remote.name;
    this.#keepAlive = new KeepAlive(
      {
        bytesRead: () => socket.bytesRead,
        isPaused: () => this.#isPaused,
        ping: () => {
          ws.ping();
        },
        lost: () => {
          this.#fail(1006, 'no pong in time', null);
        },
      },
      rules,
      clock,
      random,
    );
    socket.setKeepAlive(true, Math.min(TCP_KEEP_ALIVE, rules.period));
    ws.on('message', (data, isBinary) => {
      this.#onMessage(data as Buffer, isBinary);
    });
    ws.on('ping', () => {
      this.#keepAlive.heard();
    });
    ws.on('pong', () => {
      this.#keepAlive.ponged();
    });
    ws.on('error', (error) => {
      this.#fail(this.#closeCode, error.message, error);
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

  get begun(): boolean {
    return this.#early.length > 0;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Begins to watch over the link while it is idle. */
  watch(): void {
    this.#keepAlive.start();
  }

  /** Calls back when the peer has sent the ID. */
  awaitId(named: () => void): void {
    this.#naming = { reader: new IdReader(), named };
  }

  checkOut(): PoolConnection {
    this.#keepAlive.inUse();
    return new PoolConnection(this);
  }

  attach(reader: LinkReader): void {
    this.#reader = reader;
    let wantsMore = true;
    for (const bytes of this.#early.takeAll()) wantsMore = reader.receive(bytes);
    if (this.#end) reader.ended(this.#end);
    else if (wantsMore) this.resume();
    else this.#pause();
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
    this.#closeWith(code, reason, UNUSED_GRACE);
  }

  finish(): void {
    this.#closeWith(1000, '', CLOSE_TIMEOUT);
  }

  abandon(): void {
    this.#reader = null;
    if (this.#isClosing || this.#end) this.resume();
    else this.#terminate();
  }

  cut(cause: Error): void {
    this.#setEnd({ code: 1006, reason: cause.message, clean: false, error: cause });
    this.#terminate();
  }

  /** Breaks off a link whose peer broke the rules, telling it the close code. */
  refuse(code: number, reason: string): void {
    this.ws.closeWith(code, reason);
    this.#fail(code, reason, null);
  }

  #onMessage(message: Buffer, isBinary: boolean): void {
    if (this.#end || this.#isCutOff()) return;
    this.#keepAlive.heard();
    if (!isBinary) {
      this.refuse(1003, 'text message');
      return;
    }
    if (!this.#naming) {
      this.#deliver(message);
      return;
    }
    const greeting = this.#naming.reader.read(message);
    if (!greeting) return;
    const { named } = this.#naming;
    this.#naming = null;
    this.#id = greeting.id;
    if (greeting.rest.length > 0) this.#keep(greeting.rest);
    named();
  }

  /** Whether nobody will ever read: the use is abandoned, or the pool has closed the link. */
  #isCutOff(): boolean {
    return this.#isClosing && !this.#reader;
  }

  #deliver(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#reader) {
      if (!this.#reader.receive(bytes)) this.#pause();
      return;
    }
    const isFirst = this.#early.length === 0;
    this.#keep(bytes);
    if (isFirst) this.keeper?.begun(this);
  }

  #keep(bytes: Buffer): void {
    this.#early.add(bytes);
    if (this.#early.length >= EARLY_LIMIT) this.#pause();
  }

  #pause(): void {
    this.#isPaused = true;
    this.ws.pause();
  }

  #closeWith(code: number, reason: string, grace: number): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#keepAlive.stop();
    this.ws.closeWith(code, reason);
    // The answer stands behind what nobody will read.
    if (!this.#reader) this.resume();
    this.#terminateAfter(grace);
  }

  /** A close frame has come, and everything before it. `ws` has answered it already. */
  #onPeerClose(code: number, reason: string): void {
    if (code === 1000 || code === 1001) {
      this.#setEnd({ code, reason, clean: true, error: null });
      this.#hangUp();
    } else {
      // Bad input closes the same way; the error that tells which follows at once.
      this.#closeCode = code;
      queueMicrotask(() => {
        this.#fail(code, reason, null);
      });
    }
  }

  /** The peer broke off, or broke a rule. */
  #fail(code: number, reason: string, cause: Error | null): void {
    if (this.#end) return;
    const error = new NpwsTruncatedError(
      `connection ${this.#id} of ${this.pool} was cut: ${describeEnd(code, reason)}; what came may be incomplete`,
      code,
      cause ? { cause } : undefined,
    );
    this.#setEnd({ code, reason, clean: false, error });
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
    this.#reader?.ended(end);
    this.keeper?.ended(this, end);
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
    if (code === 1000 || code === 1001) this.#setEnd({ code, reason, clean: true, error: null });
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
