import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, createServer as createTlsServer } from 'node:tls';
import { crc32 } from 'node:zlib';
import type { KeyPair } from '../../support/certificates.js';
import { serve } from '../child.js';
import { quantile } from '../quantile.js';
import { SOURCE } from './payload.js';

// What stands around a tunnel: the private service, one half of a relay, or the visitors.

const HOST = '127.0.0.1';
const END_OF_HEAD = '\r\n\r\n';

/** What the visitors saw. */
interface Visits {
  /** Answers a second. */
  readonly rate: number;
  /** From a request to the end of its answer, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

async function portOf(server: Server): Promise<number> {
  await once(server.listen(0, HOST), 'listening');
  return (server.address() as AddressInfo).port;
}

/** Asks again and again for `bytes` bytes until it is over, each time when the last answer is there, and checks them. */
function visitor(
  socket: Socket,
  bytes: number,
  sum: number,
  isOver: () => boolean,
  times: number[],
): Promise<void> {
  const request = `GET /${bytes} HTTP/1.1\r\nHost: private\r\n\r\n`;
  return new Promise((resolve, reject) => {
    let head = '';
    let received = -1;
    let seen = 0;
    let asked = 0;
    const ask = (): void => {
      if (isOver()) {
        resolve();
        return;
      }
      head = '';
      received = -1;
      seen = 0;
      asked = performance.now();
      socket.write(request);
    };
    const takeBody = (chunk: Buffer): void => {
      received += chunk.length;
      seen = crc32(chunk, seen);
      if (received < bytes) return;
      if (received > bytes || seen !== sum)
        reject(new Error(`${received} bytes came, of ${bytes}, or wrong ones`));
      times.push(performance.now() - asked);
      ask();
    };
    socket.on('data', (chunk: Buffer) => {
      if (received >= 0) {
        takeBody(chunk);
        return;
      }
      head += chunk.toString('latin1');
      const end = head.indexOf(END_OF_HEAD);
      if (end < 0) return;
      received = 0;
      const body = Buffer.from(head.slice(end + END_OF_HEAD.length), 'latin1');
      if (!head.startsWith('HTTP/1.1 200')) reject(new Error(`the answer is ${head.slice(0, 50)}`));
      else takeBody(body);
    });
    socket.once('close', () => {
      reject(new Error('a visitor was cut off'));
    });
    ask();
  });
}

const handlers = {
  /** An HTTP server that answers `/N` with N bytes. Its port. */
  service(): Promise<number> {
    const server = createHttpServer((request, response) => {
      const body = SOURCE.subarray(0, Number(request.url?.slice(1)));
      response.writeHead(200, { 'Content-Length': body.length }).end(body);
    });
    server.keepAliveTimeout = 0;
    return portOf(server);
  },

  /** Carries every connection on to that port. TLS is where it comes in, or where it goes out. Its own port. */
  relay(port: number, tls: (KeyPair & { at: 'entrance' | 'exit' }) | null): Promise<number> {
    const options = { noDelay: true, allowHalfOpen: true };
    const onward = { port, host: HOST, ...options };
    const secureContext = tls ? createSecureContext({ ca: tls.cert }) : undefined;
    const carry = (socket: Socket): void => {
      const next = tls?.at === 'exit' ? connectTls({ ...onward, secureContext }) : connect(onward);
      socket.pipe(next).pipe(socket);
      socket.on('error', () => next.destroy());
      next.on('error', () => socket.destroy());
    };
    if (tls?.at === 'entrance') return portOf(createTlsServer({ ...tls, ...options }, carry));
    return portOf(createServer(options, carry));
  },

  /** That many visitors with connections that stay, for `span` milliseconds. */
  async visit(port: number, visitors: number, bytes: number, span: number): Promise<Visits> {
    const sockets = Array.from({ length: visitors }, () => connect({ port, host: HOST, noDelay: true }));
    for (const socket of sockets) socket.on('error', () => undefined);
    const times: number[] = [];
    const start = performance.now();
    const isOver = (): boolean => performance.now() - start > span;
    const sum = crc32(SOURCE.subarray(0, bytes));
    await Promise.all(sockets.map((socket) => visitor(socket, bytes, sum, isOver, times)));
    const seconds = (performance.now() - start) / 1000;
    for (const socket of sockets) socket.destroy();
    return { rate: times.length / seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  },
};

export type RelayHandlers = typeof handlers;

serve(handlers);
