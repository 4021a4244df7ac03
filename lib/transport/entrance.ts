import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { ResolvedServerOptions } from '../core/server-options.js';
import type { Gate } from '../core/server-pool.js';
import { type Remote, remoteOf } from './address.js';
import { AddressLimit } from './address-limit.js';
import { Admission, NO_UPGRADE, type Refusal } from './admission.js';
import type { PoolConnection } from './connection.js';
import { isOffered } from './handshake.js';
import { type LinkTerms, termsOf, WebSocketLink } from './link.js';
import type { Surroundings } from './surroundings.js';
import { PooledWebSocket } from './web-socket.js';

const FULL: Refusal = { status: 503, reason: 'pool full', why: 'full' };
const TOO_MANY: Refusal = { status: 429, reason: 'too many connections of this address', why: 'limited' };

/** From a request to a link of the pool, or to an answer that says why not; whoever listens for requests asks here. */
export class Entrance {
  readonly #admission: Admission;
  readonly #webSockets: ReturnType<typeof createWebSocketServer>;
  readonly #perAddress: AddressLimit;
  readonly #terms: Readonly<Record<1 | 2, LinkTerms>>;

  constructor(
    private readonly options: ResolvedServerOptions,
    private readonly gate: Gate<PoolConnection>,
    private readonly surroundings: Surroundings,
  ) {
    this.#admission = new Admission(options);
    this.#webSockets = createWebSocketServer(options.maxPayload);
    this.#perAddress = new AddressLimit(options.maxPerAddress);
    this.#terms = { 1: termsOf('server', 1, options), 2: termsOf('server', 2, options) };
  }

  /** Lets the client in and names its link, or refuses it. `opened` is called when the upgrade is done. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer, opened?: () => void): void {
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
    // The answer and the name, with the empty message before it, go out as one.
    socket.cork();
    this.#webSockets.handleUpgrade(request, socket, head, (ws) => {
      opened?.();
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

  /** Why a request that is no upgrade is refused; counts it. */
  refusalOf(request: IncomingMessage): Refusal {
    const remote = this.#admission.remoteOf(request);
    // A request that could pass but for its Connection header has not asked for an upgrade.
    const refusal = this.#admission.judge(request, remote) ?? NO_UPGRADE;
    this.#note(refusal, remote);
    return refusal;
  }

  /** Refuses whoever sent this request: for what is wrong with it, else for the reason given. */
  turnAway(request: IncomingMessage, refusal: Refusal): void {
    const remote = this.#admission.remoteOf(request);
    this.#refuse(request.socket, remote, this.#admission.judge(request, remote) ?? refusal);
  }

  /** The same for what could not be read as a request. */
  turnAwayUnread(socket: Socket, refusal: Refusal): void {
    const remote = remoteOf(socket);
    this.#refuse(socket, remote, this.#admission.answerTo(remote, refusal));
  }

  #refuse(socket: Socket, remote: Remote, refusal: Refusal): void {
    this.#note(refusal, remote);
    answer(socket, refusal);
  }

  #note({ status, reason, why = 'request' }: Refusal, { name }: Remote): void {
    this.gate.rejected({ why, status, reason, peer: name });
  }
}

/** Answers an upgrade request that is refused, and ends the connection. */
export function answer(socket: Socket, refusal: Refusal): void {
  const headers = Object.entries(headersOf(refusal)).map(([name, value]) => `${name}: ${value}\r\n`);
  const status = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\n`;
  socket.end(`${status}${headers.join('')}\r\n${refusal.reason}`);
  socket.destroySoon();
}

/** What goes with the answer to somebody who is refused. */
export function headersOf({ reason, headers }: Refusal): Record<string, string> {
  return {
    Connection: 'close',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(reason)),
    ...headers,
  };
}

/** Makes WebSockets of upgrade requests. */
function createWebSocketServer(maxPayload: number) {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false, // `Wire` answers
    maxPayload,
    // A Go server chooses no subprotocol, whatever is offered.
    handleProtocols: () => false,
    WebSocket: PooledWebSocket,
  });
}
