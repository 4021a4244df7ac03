import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { type Frame, frameOf, parseFrame, PING } from './raw-frames.js';
import { reset } from './reset.js';

/** One end of a TCP or TLS connection that sends exactly the bytes it is told to and keeps what it gets. */
export class RawPeer {
  /** Resolves when the socket is gone, with the error that took it or null. */
  readonly gone: Promise<Error | null>;
  #bytes: Buffer[] = [];
  #hasEnded = false;
  #wake: () => void = () => undefined;

  constructor(
    readonly socket: Socket,
    private readonly isClient: boolean,
    private readonly tcp = socket,
  ) {
    let failure: Error | null = null;
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('data', (bytes: Buffer) => {
      this.#bytes.push(bytes);
      this.#wake();
    });
    this.gone = new Promise((resolve) => {
      const end = (): void => {
        this.#hasEnded = true;
        this.#wake();
      };
      socket.once('end', end);
      socket.once('close', () => {
        end();
        resolve(failure);
      });
    });
  }

  /** The bytes up to the first blank line, which go. */
  async head(): Promise<string> {
    const end = await this.#until((bytes) => {
      const at = bytes.indexOf('\r\n\r\n');
      return at < 0 ? undefined : at + 4;
    });
    return this.#take(end).toString('latin1');
  }

  /** The next frame that is no ping: when one comes is up to the clock. Rejects when the connection ends first. */
  frame(): Promise<Frame> {
    return this.#frameThat(({ opcode }) => opcode !== PING);
  }

  /** The next frame of this kind; others go. */
  frameOfKind(opcode: number): Promise<Frame> {
    return this.#frameThat((frame) => frame.opcode === opcode);
  }

  /** Everything that comes until the far end ends. */
  async rest(): Promise<Buffer> {
    await this.#until(() => (this.#hasEnded ? true : undefined));
    return Buffer.concat(this.#bytes);
  }

  /** Writes all parts at once: one segment if they are short. */
  write(...parts: (string | Uint8Array)[]): void {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** Sends one frame, masked as its role demands. */
  send(payload: Uint8Array, options: { opcode?: number; fin?: boolean } = {}): void {
    this.socket.write(frameOf(payload, { ...options, masked: this.isClient }));
  }

  /** Reads the request and answers 101; `more` follows in the same write. */
  async accept(...more: Uint8Array[]): Promise<string> {
    const request = await this.head();
    this.write(switching(request), ...more);
    return request;
  }

  /** Asks for the upgrade and reads the head of the answer. */
  async upgrade(lines: string[] = []): Promise<string> {
    this.write(upgradeRequest(lines));
    return this.head();
  }

  /** Ends the connection with a TCP reset, under TLS too. */
  async reset(): Promise<void> {
    reset(this.tcp);
    this.socket.destroy();
    await this.gone;
  }

  async #frameThat(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const frame = await this.#until(parseFrame);
      this.#take(frame.size);
      if (fits(frame)) return frame;
    }
  }

  async #until<T>(look: (bytes: Buffer) => T | undefined): Promise<T> {
    for (;;) {
      if (this.#bytes.length > 1) this.#bytes = [Buffer.concat(this.#bytes)];
      const found = look(this.#bytes[0] ?? Buffer.alloc(0));
      if (found !== undefined) return found;
      if (this.#hasEnded) throw new Error('the connection ended first');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #take(length: number): Buffer {
    const all = Buffer.concat(this.#bytes);
    this.#bytes = [all.subarray(length)];
    return all.subarray(0, length);
  }
}

/** A server that accepts and does nothing by itself. `await using` drops everything. */
export class RawServer implements AsyncDisposable {
  /** All that were ever accepted, in order. */
  readonly peers: RawPeer[] = [];
  readonly #server: Server;
  #taken = 0;
  #wake: () => void = () => undefined;

  private constructor(
    tls: TlsOptions | undefined,
    private readonly onPeer: ((peer: RawPeer) => unknown) | undefined,
  ) {
    const accept = (socket: Socket): void => {
      const peer = new RawPeer(socket, false);
      this.peers.push(peer);
      // A client that hangs up in mid-answer is for the test to notice, not for the server.
      void Promise.resolve(this.onPeer?.(peer)).catch(() => undefined);
      this.#wake();
    };
    this.#server = tls ? createTlsServer(tls, accept) : createServer(accept);
  }

  /** Listens on a free port. `onPeer` is called for each connection, at once. */
  static async listen(tls?: TlsOptions, onPeer?: (peer: RawPeer) => unknown): Promise<RawServer> {
    const server = new RawServer(tls, onPeer);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** How many connections are open. */
  get open(): number {
    return this.peers.filter(({ socket }) => !socket.closed).length;
  }

  /** The next connection that `next` has not returned yet. */
  async next(): Promise<RawPeer> {
    for (;;) {
      const peer = this.peers[this.#taken];
      if (peer) {
        this.#taken++;
        return peer;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.peers) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Connects to a port of this machine, without a word yet. */
export async function connectRaw(
  port: number,
  { tls = false, host = '127.0.0.1' }: { tls?: boolean; host?: string } = {},
): Promise<RawPeer> {
  const tcp = connect({ host, port });
  const socket = tls ? connectTls({ socket: tcp, rejectUnauthorized: false }) : tcp;
  const peer = new RawPeer(socket, true, tcp);
  await once(socket, tls ? 'secureConnect' : 'connect');
  return peer;
}

/** A client that has been named: what a server pool counts as a connection. */
export async function connectNamed(
  port: number,
  options: { tls?: boolean } = {},
): Promise<{ peer: RawPeer; id: string }> {
  const peer = await connectRaw(port, options);
  await peer.upgrade();
  const { payload } = await peer.frame();
  return { peer, id: payload.toString('hex') };
}

/** A proper request for the upgrade; `lines` are added, or replace the default line of the same name. */
export function upgradeRequest(lines: string[] = [], start = 'GET / HTTP/1.1'): string {
  const defaults = [
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
  ];
  const nameOf = (line: string): string => line.split(':', 1)[0]?.toLowerCase() ?? '';
  const replaced = lines.map(nameOf);
  const kept = defaults.filter((line) => !replaced.includes(nameOf(line)));
  return [start, ...kept, ...lines.filter((line) => line.includes(': ')), '', ''].join('\r\n');
}

/** The 101 that answers a request. */
export function switching(request: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(request)}\r\n\r\n`,
  );
}

/** The Sec-WebSocket-Accept that a request's key asks for (RFC 6455, section 4.2.2). */
export function acceptOf(request: string): string {
  const [, key = ''] = /^sec-websocket-key: *(\S+)/im.exec(request) ?? [];
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
