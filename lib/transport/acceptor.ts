import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import type { Cancel } from '../core/clock.js';
import { NpwsListenError } from '../core/errors.js';
import type { Address } from '../core/pool.js';
import type { ResolvedServerOptions } from '../core/server-options.js';
import type { Gate, Listen, Listening } from '../core/server-pool.js';
import { addressOf, bracketed, remoteOf } from './address.js';
import { adviceOnListen, sentences } from './advice.js';
import type { Refusal } from './admission.js';
import type { PoolConnection } from './connection.js';
import { Entrance, headersOf } from './entrance.js';
import type { Surroundings } from './surroundings.js';
import { refusalOf, type ServerTls } from './server-tls.js';
import { ignore, socketOf } from './upgrade-socket.js';

const BAD_REQUEST: Refusal = { status: 400, reason: 'bad request' };
const HEADERS_TOO_LONG: Refusal = { status: 431, reason: 'headers too long' };

/** Makes what listens for a server pool; without `tls` it speaks plain ws. */
export function createListen(
  options: ResolvedServerOptions,
  tls: ServerTls | null,
  surroundings: Surroundings,
): Listen<PoolConnection> {
  return async (gate) => {
    const acceptor = new Acceptor(options, tls?.server ?? null, gate, surroundings);
    await acceptor.listen();
    return acceptor;
  };
}

/** A connection on its way to the upgrade. */
interface Pending {
  /** What its stage works with. */
  socket: Socket;
  /** Takes back the deadline of its stage. */
  cancel: Cancel;
  /** Takes back what waits for its close. */
  readonly forget: () => void;
}

/** Listens, lets in whom it should, and names them. Each stage before the pool has one deadline of its own. */
class Acceptor implements Listening {
  readonly #listener: Server;
  readonly #http: HttpServer;
  readonly #entrance: Entrance;
  /** By the addresses of both ends. */
  readonly #pending = new Map<string, Pending>();
  /** Those that were given up, and counted. */
  readonly #dropped = new WeakSet<Socket>();
  #isClosing = false;

  constructor(
    private readonly options: ResolvedServerOptions,
    private readonly tls: TlsServer | null,
    private readonly gate: Gate<PoolConnection>,
    private readonly surroundings: Surroundings,
  ) {
    this.#listener = options.listener ?? createServer();
    this.#entrance = new Entrance(options, gate, surroundings);
    this.#http = this.#createHttp();
  }

  get url(): string {
    const { host, port } = this.address ?? { host: '', port: 0 };
    return `${this.tls ? 'wss' : 'ws'}://${bracketed(host)}:${port}`;
  }

  get address(): Address | null {
    return addressOf(this.#listener);
  }

  get isOpen(): boolean {
    return this.#listener.listening;
  }

  async listen(): Promise<void> {
    const { listen, handshakeTimeout } = this.options;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error): void => {
        cancel();
        this.#listener.off('listening', settle).off('error', settle);
        if (!error) {
          resolve();
          return;
        }
        // One of our own may still look up its host: nobody shall hear of it any more.
        if (listen) this.#listener.on('error', ignore).close();
        reject(this.#failure(`${this.#where()}: ${error.message}`, error));
      };
      const cancel = this.surroundings.clock.after(handshakeTimeout, () => {
        settle(new Error(`it does not listen after ${handshakeTimeout} ms (handshakeTimeout)`));
      });
      this.#listener.once('error', settle);
      if (this.#listener.listening) settle();
      else this.#listener.once('listening', settle);
      if (listen) this.#listener.listen(listen.port, listen.host);
    });
    if (typeof this.#listener.address() === 'string') {
      throw this.#failure(`${this.#where()}: it is a Unix socket, but clients need a host and a port`);
    }
    this.tls?.on('secureConnection', this.#onSecure).on('tlsClientError', this.#onTlsError);
    this.#listener
      .on('connection', this.#onConnection)
      .on('listening', this.#onListening)
      .on('error', this.#onError)
      .on('close', this.#onClose);
  }

  close(): Promise<void> {
    this.#isClosing = true;
    for (const { socket } of this.#pending.values()) socket.destroy();
    return new Promise((resolve) => {
      this.#listener.close(() => {
        this.#detach();
        resolve();
      });
    });
  }

  /** Another acceptor may take over the listener. */
  #detach(): void {
    this.tls?.off('secureConnection', this.#onSecure).off('tlsClientError', this.#onTlsError);
    this.#listener
      .off('connection', this.#onConnection)
      .off('listening', this.#onListening)
      .off('error', this.#onError)
      .off('close', this.#onClose);
  }

  #failure(what: string, cause?: Error): NpwsListenError {
    const advice = cause ? adviceOnListen(cause) : '';
    return new NpwsListenError(`${this.surroundings.pool}: ${sentences(what, advice)}`, cause && { cause });
  }

  #where(): string {
    const { listen } = this.options;
    return listen
      ? `can't listen on ${bracketed(listen.host ?? '*')}:${listen.port}`
      : "can't use the listener";
  }

  /** Only parses: sockets are handed to it, so its own time-outs never run and `#expect` sets deadlines. */
  #createHttp(): HttpServer {
    const http = createHttpServer({
      requestTimeout: 0,
      headersTimeout: 0,
      keepAliveTimeout: 0,
      // Node's own answer would come before ours, and count nobody.
      requireHostHeader: false,
    });
    // Node drops the headers behind the first 1,000, and who is judged by them. Their size stays limited (16 KiB).
    http.maxHeadersCount = 0;
    /** Sockets that have had their answer: what was sent right behind the request is not served. */
    const answered = new WeakSet<Duplex>();
    const refuse = (request: IncomingMessage, response: ServerResponse): void => {
      const refusal = this.#entrance.refusalOf(request);
      response.writeHead(refusal.status, headersOf(refusal)).end(refusal.reason);
      answered.add(request.socket);
    };
    http.on('request', refuse).on('checkContinue', refuse).on('checkExpectation', refuse);
    http.on('upgrade', (request, stream, head) => {
      const socket = socketOf(request, stream);
      if (answered.has(socket)) {
        socket.destroySoon();
        return;
      }
      const key = wayOf(socket);
      this.#entrance.upgrade(request, socket, head, () => {
        this.#settle(key);
      });
    });
    http.on('connect', (request) => {
      this.#entrance.turnAway(request, BAD_REQUEST);
    });
    http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const isTooLong = error.code === 'HPE_HEADER_OVERFLOW';
      if (socket.writable && error.code !== 'ECONNRESET') {
        this.#entrance.turnAwayUnread(socket as Socket, isTooLong ? HEADERS_TOO_LONG : BAD_REQUEST);
      } else socket.destroy();
    });
    return http;
  }

  readonly #onConnection = (socket: Socket): void => {
    socket.on('error', ignore);
    if (this.#isClosing) {
      socket.destroy();
      return;
    }
    // The oldest goes: a client is through in no time, a stranger who holds places is not.
    const [oldest] = this.#pending.size >= this.options.maxHandshakes ? this.#pending.values() : [];
    if (oldest) this.#drop(oldest.socket, 0, 'too many hand-shakes at once');
    socket.setNoDelay();
    this.#expect(socket);
    (this.tls ?? this.#http).emit('connection', socket);
  };

  readonly #onSecure = (socket: Socket): void => {
    this.#expectMore(socket);
    this.#http.emit('connection', socket);
  };

  readonly #onTlsError = (error: Error, socket: TLSSocket): void => {
    const tcp = beneath(socket);
    if (!this.#dropped.has(tcp)) {
      const reason = refusalOf(error, socket);
      this.gate.rejected({ why: 'tls', status: 0, reason, peer: remoteOf(tcp).name });
    }
    socket.destroy();
  };

  readonly #onError = (cause: Error): void => {
    this.gate.failed(this.#failure(`the listener failed: ${cause.message}`, cause));
  };

  readonly #onListening = (): void => {
    this.gate.opened();
  };

  readonly #onClose = (): void => {
    // It may have begun anew before this was told.
    if (this.#isClosing || this.isOpen) return;
    this.#detach();
    this.gate.stopped();
  };

  /** Sets the deadline for the first stage of a connection. */
  #expect(socket: Socket): void {
    const key = wayOf(socket);
    // One of the same addresses is dead, and its close is yet to come.
    this.#settle(key);
    const closed = (): void => {
      this.#settle(key);
    };
    socket.on('close', closed);
    const forget = (): void => {
      socket.off('close', closed);
    };
    this.#pending.set(key, { socket, cancel: this.#deadlineOf(socket), forget });
  }

  /** The same for the stage behind TLS, whose socket has the addresses of that of TCP, and takes it along when it goes. */
  #expectMore(socket: Socket): void {
    const pending = this.#pending.get(wayOf(socket));
    if (!pending) {
      this.#expect(socket);
      return;
    }
    pending.cancel();
    pending.socket = socket;
    pending.cancel = this.#deadlineOf(socket);
  }

  #deadlineOf(socket: Socket): Cancel {
    return this.surroundings.clock.after(this.options.handshakeTimeout, () => {
      this.#drop(socket, 408, 'hand-shake timed out');
    });
  }

  /** A connection is no longer on its way: nothing of the wait for it is left. */
  #settle(key: string): void {
    const pending = this.#pending.get(key);
    pending?.cancel();
    pending?.forget();
    this.#pending.delete(key);
  }

  /** Gives up a socket on its way to the upgrade. */
  #drop(socket: Socket, status: number, reason: string): void {
    this.gate.rejected({ why: 'timeout', status, reason, peer: remoteOf(socket).name });
    this.#dropped.add(socket);
    this.#settle(wayOf(socket));
    socket.destroy();
  }
}

/**
 * The TCP socket beneath one of TLS. When a hand-shake fails because it was closed, only this one still knows its addresses.
 * Node has no public name for it.
 */
function beneath(socket: TLSSocket & { readonly _parent?: Socket }): Socket {
  return socket._parent ?? socket;
}

/** A TCP connection's two ends: no other has the same as long as it lives. */
function wayOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ''}|${socket.remotePort ?? 0}|${socket.localAddress ?? ''}`;
}
