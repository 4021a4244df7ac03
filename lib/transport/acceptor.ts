import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { Cancel } from '../core/clock.js';
import { NpwsListenError } from '../core/errors.js';
import type { ResolvedServerOptions } from '../core/server-options.js';
import type { Gate, Listen, Listening } from '../core/server-pool.js';
import { bracketed, type Remote, remoteOf } from './address.js';
import { AddressLimit } from './address-limit.js';
import { adviceOnListen, sentences } from './advice.js';
import { Admission, NO_UPGRADE, type Refusal } from './admission.js';
import type { PoolConnection } from './connection.js';
import { isOffered } from './handshake.js';
import { type LinkTerms, termsOf, WebSocketLink } from './link.js';
import type { Surroundings } from './surroundings.js';
import { refusalOf, type ServerTls } from './server-tls.js';
import { PooledWebSocket } from './web-socket.js';

const FULL: Refusal = { status: 503, reason: 'pool full' };
const TOO_MANY: Refusal = { status: 429, reason: 'too many connections of this address' };
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
  readonly #webSockets: ReturnType<typeof createWebSocketServer>;
  readonly #admission: Admission;
  readonly #perAddress: AddressLimit;
  /** By the addresses of both ends. */
  readonly #pending = new Map<string, Pending>();
  readonly #dropped = new Set<string>();
  readonly #terms: Readonly<Record<1 | 2, LinkTerms>>;
  #isClosing = false;

  constructor(
    private readonly options: ResolvedServerOptions,
    private readonly tls: TlsServer | null,
    private readonly gate: Gate<PoolConnection>,
    private readonly surroundings: Surroundings,
  ) {
    this.#listener = options.listener ?? createServer();
    this.#admission = new Admission(options);
    this.#perAddress = new AddressLimit(options.maxPerAddress);
    this.#terms = { 1: termsOf('server', 1, options), 2: termsOf('server', 2, options) };
    this.#http = this.#createHttp();
    this.#webSockets = createWebSocketServer(options.maxPayload);
  }

  get url(): string {
    const { host, port } = this.address;
    return `${this.tls ? 'wss' : 'ws'}://${bracketed(host)}:${port}`;
  }

  get address(): { host: string; port: number } {
    const address = this.#listener.address();
    return address && typeof address === 'object'
      ? { host: address.address, port: address.port }
      : { host: '', port: 0 };
  }

  async listen(): Promise<void> {
    const { listen, handshakeTimeout } = this.options;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error): void => {
        cancel();
        this.#listener.off('listening', settle).off('error', settle);
        if (error) reject(this.#failure(`${this.#where()}: ${error.message}`, error));
        else resolve();
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
    this.#listener.on('connection', this.#onConnection).on('error', this.#onError).on('close', this.#onClose);
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
      // A request that could pass but for its Connection header has not asked for an upgrade.
      const remote = this.#admission.remoteOf(request);
      const refusal = this.#admission.judge(request, remote) ?? NO_UPGRADE;
      this.#note(refusal, remote);
      response.writeHead(refusal.status, headersOf(refusal)).end(refusal.reason);
      answered.add(request.socket);
    };
    http.on('request', refuse).on('checkContinue', refuse).on('checkExpectation', refuse);
    http.on('upgrade', (request, stream, head) => {
      // For a request with a body, Node 26 hands out a stand-in that fails as its socket does.
      const { socket } = request;
      if (stream !== socket) stream.on('error', ignore);
      if (answered.has(socket)) socket.destroySoon();
      else this.#upgrade(request, socket, head);
    });
    http.on('connect', (request) => {
      const remote = this.#admission.remoteOf(request);
      this.#refuse(request.socket, remote, this.#admission.judge(request, remote) ?? BAD_REQUEST);
    });
    http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const isTooLong = error.code === 'HPE_HEADER_OVERFLOW';
      if (socket.writable && error.code !== 'ECONNRESET') {
        const remote = remoteOf(socket as Socket);
        const refusal = isTooLong ? HEADERS_TOO_LONG : BAD_REQUEST;
        this.#refuse(socket as Socket, remote, this.#admission.answerTo(remote, refusal));
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
    // One that we dropped is counted already.
    if (!this.#dropped.delete(wayOf(socket))) {
      this.gate.rejected(0, refusalOf(error, socket), remoteOf(socket).name);
    }
    socket.destroy();
  };

  readonly #onError = (cause: Error): void => {
    this.gate.failed(this.#failure(`the listener failed: ${cause.message}`, cause));
  };

  readonly #onClose = (): void => {
    if (this.#isClosing) return;
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
    const key = wayOf(socket);
    this.gate.rejected(status, reason, remoteOf(socket).name);
    this.#dropped.add(key);
    this.#settle(key);
    // The error of a TLS socket comes at its close at the latest.
    socket.once('close', () => setImmediate(() => this.#dropped.delete(key)));
    socket.destroy();
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const remote = this.#admission.remoteOf(request);
    const hasRoom = this.#perAddress.hasRoomFor(remote.address);
    const refusal = this.#admission.judge(request, remote) ?? (hasRoom ? null : TOO_MANY);
    if (refusal) {
      this.#refuse(socket, remote, refusal);
      return;
    }
    const slot = this.gate.reserve();
    if (!slot) {
      this.#refuse(socket, remote, FULL);
      return;
    }
    const key = wayOf(socket);
    // The answer and the name, with the empty message before it, go out as one.
    socket.cork();
    this.#webSockets.handleUpgrade(request, socket, head, (ws) => {
      this.#settle(key);
      const protocol = this.options.protocol === 2 && isOffered(request.headers) ? 2 : 1;
      const link = new WebSocketLink(ws, socket, remote, this.#terms[protocol], this.surroundings);
      this.#perAddress.add(socket, remote.address);
      link.name(slot.id);
      // Before anybody hears of it, who may close it.
      socket.uncork();
      slot.fill(link);
    });
    // Or what `ws` has to say instead.
    socket.uncork();
    // Either the slot is filled by now, or `ws` has turned the client away.
    slot.release();
  }

  #refuse(socket: Socket, remote: Remote, refusal: Refusal): void {
    this.#note(refusal, remote);
    const headers = Object.entries(headersOf(refusal)).map(([name, value]) => `${name}: ${value}\r\n`);
    const status = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\n`;
    socket.end(`${status}${headers.join('')}\r\n${refusal.reason}`);
    socket.destroySoon();
  }

  #note({ status, reason }: Refusal, { name }: Remote): void {
    this.gate.rejected(status, reason, name);
  }
}

/** For errors that whoever uses the socket tells of; before that, nobody needs to know. */
function ignore(): void {
  // Nothing to do.
}

/** Makes WebSockets of upgrade requests. */
function createWebSocketServer(maxPayload: number) {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
    // A Go server chooses no subprotocol, whatever is offered.
    handleProtocols: () => false,
    WebSocket: PooledWebSocket,
  });
}

function headersOf({ reason, headers }: Refusal): Record<string, string> {
  return {
    Connection: 'close',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(reason)),
    ...headers,
  };
}

/** A TCP connection's two ends: no other has the same as long as it lives. */
function wayOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ''}|${socket.remotePort ?? 0}|${socket.localAddress ?? ''}`;
}
