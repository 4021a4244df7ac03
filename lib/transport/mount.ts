import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { NpwsListenError } from '../core/errors.js';
import type { Address } from '../core/pool.js';
import type { Mounting, ResolvedServerOptions } from '../core/server-options.js';
import type { Gate, Listen, Listening } from '../core/server-pool.js';
import { addressOf, bracketed } from './address.js';
import type { Refusal } from './admission.js';
import type { PoolConnection } from './connection.js';
import { Entrance } from './entrance.js';
import type { Surroundings } from './surroundings.js';
import { UpgradeSwitch } from './upgrade-switch.js';

const TOO_MANY_HEADERS: Refusal = { status: 431, reason: 'too many headers' };

/** How many headers Node keeps of a request unless `maxHeadersCount` of its server says otherwise. */
const KEPT_HEADERS = 1_000;

/** Finds the HTTP server for a pool (as messages name it) that is mounted on this path. May throw `NpwsListenError`. */
export type FindHttpServer = (pool: string, path: string) => HttpServer;

/** Makes what has a server pool serve one path of somebody else's HTTP server. */
export function createMount(
  options: ResolvedServerOptions,
  { path, server }: Mounting,
  surroundings: Surroundings,
  find?: FindHttpServer,
): Listen<PoolConnection> {
  return (gate) =>
    new Promise((resolve) => {
      const http = server ?? find?.(surroundings.pool, path);
      if (!http) throw new NpwsListenError(`${surroundings.pool}: there is no HTTP server to mount it on`);
      resolve(new Mount(options, path, http, gate, surroundings));
    });
}

/** A pool's path of an HTTP server, from its start to its close. Certificates, deadlines and sockets are that server's. */
class Mount implements Listening {
  readonly #entrance: Entrance;
  readonly #leave: () => void;
  #hasListened: boolean;

  constructor(
    options: ResolvedServerOptions,
    private readonly path: string,
    private readonly http: HttpServer,
    gate: Gate<PoolConnection>,
    surroundings: Surroundings,
  ) {
    this.#entrance = new Entrance(options, gate, surroundings);
    const leave = UpgradeSwitch.of(http).add(path, {
      upgrade: this.#upgrade,
      opened: () => {
        this.#hasListened = true;
        gate.opened();
      },
      closed: () => {
        gate.stopped();
      },
    });
    if (!leave) {
      throw new NpwsListenError(
        `${surroundings.pool}: can't mount on ${path}: another pool is mounted on this path of the same server`,
      );
    }
    this.#leave = leave;
    this.#hasListened = http.listening;
  }

  get url(): string {
    if (!this.address) return this.path;
    const { host, port } = this.address;
    const isTls = 'setSecureContext' in this.http;
    return `${isTls ? 'wss' : 'ws'}://${bracketed(host)}:${port}${this.path}`;
  }

  get address(): Address | null {
    return addressOf(this.http);
  }

  /** A server that has not begun to listen may yet do so. */
  get isOpen(): boolean {
    return this.http.listening || !this.#hasListened;
  }

  close(): Promise<void> {
    this.#leave();
    return Promise.resolve();
  }

  readonly #upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    // Those that Node has dropped may be the ones that tell who asks.
    const kept = this.http.maxHeadersCount ?? KEPT_HEADERS;
    if (kept > 0 && request.rawHeaders.length >= 2 * kept)
      this.#entrance.turnAwayUnread(socket, TOO_MANY_HEADERS);
    else this.#entrance.upgrade(request, socket, head);
  };
}
