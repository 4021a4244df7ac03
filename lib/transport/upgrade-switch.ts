import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { answer } from './entrance.js';
import { ignore, socketOf } from './upgrade-socket.js';

/** Whoever has a path of a server. */
export interface PathHolder {
  /** Takes over the socket of an upgrade request; `head` is what came right behind it. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** The server listens. */
  opened(): void;
  /** The server is closed: nothing comes any more. */
  closed(): void;
}

/** From Node 24.9 on a server decides by this, for each request, whether it is an upgrade. */
type DecidingServer = HttpServer & {
  shouldUpgradeCallback?: ((request: IncomingMessage) => boolean) | undefined;
};

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/** The switch of each server that has one. */
const switches = new WeakMap<HttpServer, UpgradeSwitch>();

/**
 * Brings the upgrade requests of an HTTP server to whoever has their path, and leaves all others to those who heard of
 * them before. A listener can't do that: Nest's adapters, and most others, end what they do not know. So it stands
 * before the listeners, in the server's `emit`.
 */
export class UpgradeSwitch {
  readonly #holders = new Map<string, PathHolder>();

  private constructor(private readonly http: DecidingServer) {}

  /** The one of this server. */
  static of(http: HttpServer): UpgradeSwitch {
    const known = switches.get(http);
    if (known) return known;
    const made = new UpgradeSwitch(http);
    switches.set(http, made);
    return made;
  }

  /**
   * Gives a path to `holder` until what is returned is called: from then on its upgrades are refused, until somebody else
   * adds the path or the server closes. Undefined when somebody has it.
   */
  add(path: string, holder: PathHolder): (() => void) | undefined {
    if ((this.#holders.get(path) ?? NOBODY) !== NOBODY) return undefined;
    if (this.#holders.size === 0) this.#stepIn();
    this.#holders.set(path, holder);
    return () => {
      // Whoever dials while the application shuts down must not come to those who hold it for a second before they end it.
      if (this.#holders.get(path) === holder) this.#holders.set(path, NOBODY);
    };
  }

  #holderOf({ url = '' }: IncomingMessage): PathHolder | undefined {
    return this.#holders.get(url.split('?', 1)[0] ?? '');
  }

  #stepIn(): void {
    const { http } = this;
    // Whatever it is: tracers stand here, too.
    const emit = Object.getOwnPropertyDescriptor(http, 'emit');
    const pass = http.emit.bind(http) as Emit;
    const switched: Emit = (event, ...args) => {
      if (event !== 'upgrade' || this.#holders.size === 0) return pass(event, ...args);
      const [request, stream, head] = args as [IncomingMessage, Duplex, Buffer];
      const holder = this.#holderOf(request);
      const socket = socketOf(request, stream);
      // From here on its errors are no longer the server's.
      if (holder) holder.upgrade(request, socket.on('error', ignore), head);
      else if (http.listenerCount('upgrade') > 1) return pass(event, ...args);
      else serveAsItIs(http, request, head);
      return true;
    };
    http.emit = switched as typeof http.emit;
    // Without a listener Node would see no upgrade in any request.
    http.on('upgrade', wantUpgrades);
    const decide = http.shouldUpgradeCallback;
    const decideFirst = (request: IncomingMessage): boolean =>
      this.#holderOf(request) !== undefined ||
      (http.listenerCount('upgrade') > 1 && decide?.call(http, request) === true);
    if (decide) http.shouldUpgradeCallback = decideFirst;
    const open = (): void => {
      for (const holder of this.#holders.values()) holder.opened();
    };
    const close = (): void => {
      // It may have begun anew before this was told.
      if (http.listening) return;
      http.off('close', close).off('listening', open);
      const holders = [...this.#holders.values()];
      this.#holders.clear();
      http.off('upgrade', wantUpgrades);
      if (http.shouldUpgradeCallback === decideFirst) http.shouldUpgradeCallback = decide;
      // Else somebody came after us, who calls us.
      if (http.emit === switched) {
        if (emit) Object.defineProperty(http, 'emit', emit);
        else Reflect.deleteProperty(http, 'emit');
      }
      for (const holder of holders) holder.closed();
    };
    http.on('close', close).on('listening', open);
  }
}

/** Has the path of somebody who is gone. */
const NOBODY: PathHolder = {
  upgrade(_request, socket) {
    answer(socket, { status: 503, reason: 'closed' });
  },
  opened() {
    // Nobody is told.
  },
  closed() {
    // Nobody is told.
  },
};

function wantUpgrades(): void {
  // Requests are taken before they come here.
}

/**
 * Where a server can't decide beforehand: has it take a request for one that asks for no upgrade, as it does while nobody listens for any: Java's HTTP
 * client, for one, offers HTTP/2 (`h2c`) with each.
 */
function serveAsItIs(http: HttpServer, request: IncomingMessage, head: Buffer): void {
  const { method = '', url = '', httpVersion, rawHeaders, socket } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!/^(upgrade|connection|http2-settings)$/i.test(name))
      lines.push(`${name}: ${rawHeaders[at + 1] ?? ''}`);
  }
  if (/\bclose\b/i.test(request.headers.connection ?? '')) lines.push('Connection: close');
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  http.emit('setSecureContext' in http ? 'secureConnection' : 'connection', socket);
}
