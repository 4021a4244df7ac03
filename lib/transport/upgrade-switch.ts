import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { answer } from './entrance.js';

/** Takes over the socket of an upgrade request; `head` is what came right behind it. */
export type TakeUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => void;

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
  readonly #takers = new Map<string, TakeUpgrade>();

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
   * Has `take` take the upgrades on this path until what is returned is called: from then on they are refused, until
   * somebody else adds the path or the server closes. Undefined when somebody has it.
   */
  add(path: string, take: TakeUpgrade): (() => void) | undefined {
    if ((this.#takers.get(path) ?? refuse) !== refuse) return undefined;
    if (this.#takers.size === 0) this.#stepIn();
    this.#takers.set(path, take);
    return () => {
      // Whoever dials while the application shuts down must not come to those who hold it for a second before they end it.
      if (this.#takers.get(path) === take) this.#takers.set(path, refuse);
    };
  }

  #takerOf({ url = '' }: IncomingMessage): TakeUpgrade | undefined {
    return this.#takers.get(url.split('?', 1)[0] ?? '');
  }

  #stepIn(): void {
    const { http } = this;
    // Whatever it is: tracers stand here, too.
    const emit = Object.getOwnPropertyDescriptor(http, 'emit');
    const pass = http.emit.bind(http) as Emit;
    const switched: Emit = (event, ...args) => {
      if (event !== 'upgrade' || this.#takers.size === 0) return pass(event, ...args);
      const [request, , head] = args as [IncomingMessage, unknown, Buffer];
      const take = this.#takerOf(request);
      if (take) take(request, takeOver(request), head);
      else if (http.listenerCount('upgrade') > 1) return pass(event, ...args);
      else serveAsItIs(http, request, head);
      return true;
    };
    http.emit = switched as typeof http.emit;
    // Without a listener Node would see no upgrade in any request.
    http.on('upgrade', wantUpgrades);
    const decide = http.shouldUpgradeCallback;
    const decideFirst = (request: IncomingMessage): boolean =>
      this.#takerOf(request) !== undefined ||
      (http.listenerCount('upgrade') > 1 && decide?.call(http, request) === true);
    if (decide) http.shouldUpgradeCallback = decideFirst;
    http.once('close', () => {
      this.#takers.clear();
      http.off('upgrade', wantUpgrades);
      if (http.shouldUpgradeCallback === decideFirst) http.shouldUpgradeCallback = decide;
      // Who came after us calls us.
      if (http.emit !== switched) return;
      if (emit) Object.defineProperty(http, 'emit', emit);
      else Reflect.deleteProperty(http, 'emit');
    });
  }
}

/** Takes what comes for somebody who is gone. */
function refuse(_request: IncomingMessage, socket: Socket): void {
  answer(socket, { status: 503, reason: 'closed' });
}

function wantUpgrades(): void {
  // Requests are taken before they come here.
}

/** The socket of a request, whose errors are no longer the server's. */
function takeOver({ socket }: IncomingMessage): Socket {
  return socket.on('error', ignore);
}

function ignore(): void {
  // Whoever uses the socket tells of them.
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
