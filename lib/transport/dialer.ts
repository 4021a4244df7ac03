import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Dial, DialEvents } from '../core/client-pool.js';
import type { Cancel } from '../core/clock.js';
import { NpwsDialError, type NpwsError, NpwsHandshakeError } from '../core/errors.js';
import type { ResolvedClientOptions } from '../core/client-options.js';
import { onOneLine } from '../core/one-line.js';
import type { Address } from '../core/pool.js';
import { bracketed, remoteOf } from './address.js';
import { adviceOnDial, adviceOnStatus, NO_ANSWER, NO_PEER, sentences } from './advice.js';
import type { ClientTls } from './client-tls.js';
import type { PoolConnection } from './connection.js';
import { OFFER_HEADER, offerOf } from './handshake.js';
import { type LinkTerms, termsOf, WebSocketLink } from './link.js';
import type { Surroundings } from './surroundings.js';
import { reasonOf } from './tls-reason.js';
import { PooledWebSocket } from './web-socket.js';
import { describeEnd } from './wire.js';

/** Opens the TCP connection of a plain ws dial; calls back when it is there. */
export type Connect = (address: Address, connected: () => void) => Socket;

/** Makes what dials for a client pool; without `tls` it speaks plain ws. */
export function createDial(
  options: ResolvedClientOptions,
  tls: ClientTls | null,
  surroundings: Surroundings,
  connectTcp: Connect = connect,
): Dial<PoolConnection> {
  const terms = termsOf('client', options.protocol, options);
  return (events) => {
    const attempt = new DialAttempt(options, tls, terms, events, surroundings, connectTcp);
    return () => {
      attempt.giveUp();
    };
  };
}

/** The URL that a client dials. */
function urlOf({ tlsMode, host, port, path }: ResolvedClientOptions): string {
  return `${tlsMode === 'none' ? 'ws' : 'wss'}://${bracketed(host)}:${port}${path}`;
}

/** What a client dials as messages show it: a query may hold a secret. */
function placeOf(options: ResolvedClientOptions): string {
  return urlOf(options).replace(/\?.*/s, '');
}

/** One dial under one deadline: name, TCP, TLS, upgrade and ID. */
class DialAttempt {
  #stage: 'connecting' | 'upgrading' | 'awaiting the ID' | 'over' = 'connecting';
  #socket: Socket | undefined;
  #ws: PooledWebSocket | undefined;
  readonly #deadline: Cancel;

  constructor(
    private readonly options: ResolvedClientOptions,
    private readonly tls: ClientTls | null,
    private readonly terms: LinkTerms,
    private readonly events: DialEvents<PoolConnection>,
    private readonly surroundings: Surroundings,
    private readonly connectTcp: Connect,
  ) {
    this.#deadline = surroundings.clock.after(options.dialTimeout, () => {
      const what = `: timed out after ${options.dialTimeout} ms while ${this.#stage}`;
      this.#fail(new NpwsDialError(this.#tell(what, NO_ANSWER)));
    });
    try {
      this.#dial();
    } catch (error) {
      queueMicrotask(() => {
        this.#failBecause(error as Error);
      });
    }
  }

  giveUp(): void {
    this.#over();
    this.#ws?.terminate();
    this.#socket?.destroy();
  }

  #dial(): void {
    const { host, path, headers, maxPayload, protocol } = this.options;
    const ws = new PooledWebSocket(urlOf(this.options), {
      // NPWS names the host without its port.
      headers: { Host: bracketed(host), ...headers },
      path,
      maxPayload,
      perMessageDeflate: false,
      autoPong: false, // `Wire` answers
      followRedirects: false,
      createConnection: () => this.#connect(),
      finishRequest: (request) => {
        if (protocol === 2)
          request.setHeader(OFFER_HEADER, offerOf(String(request.getHeader('Sec-WebSocket-Key'))));
        request.end();
      },
    });
    this.#ws = ws;
    ws.on('error', this.#onError).on('unexpected-response', this.#onResponse).on('open', this.#onOpen);
  }

  #connect(): Socket {
    const { host, port } = this.options;
    const connected = (): void => {
      if (this.#stage === 'connecting') this.#stage = 'upgrading';
    };
    this.#socket = this.tls?.connect(connected) ?? this.connectTcp({ host, port }, connected);
    return this.#socket;
  }

  #awaitId(ws: PooledWebSocket): void {
    if (this.#stage === 'over' || !this.#socket) return;
    this.#stage = 'awaiting the ID';
    const link = new WebSocketLink(ws, this.#socket, remoteOf(this.#socket), this.terms, this.surroundings);
    link.keeper = {
      begun: () => undefined,
      returned: () => undefined,
      ended: (_, { code, reason, error }) => {
        const what = ` sent no ID: ${describeEnd(code, reason)}`;
        this.#fail(new NpwsHandshakeError(this.#tell(what, NO_PEER), null, { cause: error }));
      },
      gone: () => undefined,
    };
    link.awaitGreeting(() => {
      if (this.#stage === 'over') return;
      this.#over();
      if (this.#socket instanceof TLSSocket) this.tls?.succeeded(this.#socket);
      // The link outlives this: it shall not keep it.
      ws.off('error', this.#onError).off('unexpected-response', this.#onResponse).off('open', this.#onOpen);
      this.events.arrived(link);
    });
  }

  readonly #onError = (error: Error): void => {
    this.#failBecause(error);
  };

  readonly #onResponse = (request: ClientRequest, response: IncomingMessage): void => {
    const status = response.statusCode ?? 0;
    response.resume();
    request.destroy();
    const what = ` answered ${status} ${onOneLine(response.statusMessage ?? '')}`.trimEnd();
    this.#fail(new NpwsHandshakeError(this.#tell(what, adviceOnStatus(status)), status));
  };

  readonly #onOpen = (): void => {
    if (this.#ws) this.#awaitId(this.#ws);
  };

  #failBecause(cause: Error): void {
    const { path } = this.options;
    // `ws` shows the URL that it was given, whose query may hold a secret.
    const what = `: ${onOneLine(wordsOf(cause).replaceAll(path, path.replace(/\?.*/s, '')))}`;
    const advice = adviceOnDial(cause);
    if (this.#stage === 'connecting' || isOfTls(cause)) {
      this.#fail(new NpwsDialError(this.#tell(what, advice), { cause }));
    } else {
      this.#fail(new NpwsHandshakeError(this.#tell(what, advice || NO_PEER), null, { cause }));
    }
  }

  /** A message: which pool dialled where, what came of it, and what to look at. */
  #tell(what: string, advice: string): string {
    return sentences(`${this.surroundings.pool}: ${placeOf(this.options)}${what}`, advice);
  }

  #fail(error: NpwsError): void {
    if (this.#stage === 'over') return;
    const isAnswered = error instanceof NpwsHandshakeError && error.status !== null;
    if (this.#socket instanceof TLSSocket && !isAnswered) this.tls?.failed(this.#socket);
    this.giveUp();
    this.events.failed(error);
  }

  #over(): void {
    this.#stage = 'over';
    this.#deadline();
  }
}

/** Under TLS 1.3 a server refuses a client's certificate after the client has done its part of the hand-shake. */
function isOfTls({ code = '' }: NodeJS.ErrnoException): boolean {
  return code.startsWith('ERR_SSL_');
}

/** What Node says went wrong; several addresses tried make an error without words. */
function wordsOf(error: Error): string {
  if (error.message !== '') return reasonOf(error);
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return first?.message ?? error.name;
}
