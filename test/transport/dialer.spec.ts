import { once } from 'node:events';
import { createServer } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { type ClientPoolOptions, createClientPool, type NpwsError } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { frameOf } from '../support/raw-frames.js';
import { createRawServerPool } from '../support/raw-joined.js';
import { type RawPeer, RawServer, switching } from '../support/raw-peer.js';

const ID = frameOf(Buffer.alloc(4));

/** How the first dial ends against a server that does this. The socket must be gone soon after. */
async function failureOf(
  answer: (peer: RawPeer) => unknown,
  options: Partial<ClientPoolOptions> = {},
): Promise<NpwsError & { status?: number | null }> {
  await using raw = await createRawServerPool(answer, options);
  const error = await new Promise<NpwsError>((resolve) => raw.pool.once('dialError', resolve));
  expect([raw.pool.active(), raw.pool.stats().lastDialError?.code]).toEqual([0, error.code]);
  await raw.server.peers[0]?.gone;
  return error;
}

/** Answers every request with this head. */
const answering =
  (head: string) =>
  async (peer: RawPeer): Promise<void> => {
    await peer.head();
    peer.write(head);
  };

describe('the request of a dial', () => {
  it('is on the wire what the reference sends', async () => {
    let request = '';
    await using raw = await createRawServerPool(
      async (peer) => {
        request = await peer.accept(ID);
      },
      { path: '/tunnel?x=1', headers: { Authorization: 'Bearer t', 'X-Two': ['a', 'b'] } },
    );
    await raw.pool.whenReady();
    const [start, ...lines] = request.trimEnd().split('\r\n');
    expect(start).toBe('GET /tunnel?x=1 HTTP/1.1');
    expect(lines.map((line) => line.replace(/^(\S+: (?:2 )?)[+/\w]{22}==$/, '$1…')).sort()).toEqual([
      'Authorization: Bearer t',
      'Connection: Upgrade',
      'Host: 127.0.0.1',
      'Npws-Protocol: 2 …',
      'Sec-WebSocket-Key: …',
      'Sec-WebSocket-Version: 13',
      'Upgrade: websocket',
      'X-Two: a',
      'X-Two: b',
    ]);
  });

  it.each([
    ['localhost', 'localhost'],
    ['127.0.0.1', false],
  ])('names the server %s in TLS as %s', async (host, name) => {
    const server = createTlsServer(await createCertificate());
    server.listen(0, host);
    await once(server, 'listening');
    const secured = once(server, 'secureConnection') as Promise<[TLSSocket & { servername: unknown }]>;
    const pool = createClientPool({
      address: `${host}:${(server.address() as { port: number }).port}`,
      tlsMode: 'self-signed',
    });
    await pool.start();
    const [socket] = await secured;
    expect(socket.servername).toBe(name);
    await pool.close();
    socket.destroy();
    server.close();
  });
});

describe('a dial that comes to nothing', () => {
  it.each([
    [403, 'Forbidden'],
    [404, 'Not Found'],
    [503, 'Service Unavailable'],
    [302, 'Found\r\nLocation: http://127.0.0.1:1/'],
    [200, 'OK'],
  ])('because of status %i is told with it, and goes nowhere else', async (status, rest) => {
    const error = await failureOf(answering(`HTTP/1.1 ${status} ${rest}\r\nContent-Length: 0\r\n\r\n`));
    expect([error.code, error.status]).toEqual(['ERR_NPWS_HANDSHAKE', status]);
  });

  it.each([
    ['a wrong Sec-WebSocket-Accept', (request: string) => switching(`${request}x`).toString().replace(/Accept: ./, 'Accept: _')],
    ['a subprotocol', (request: string) => switching(request).toString().replace('\r\n\r\n', '\r\nSec-WebSocket-Protocol: chat\r\n\r\n')],
    ['an extension', (request: string) => switching(request).toString().replace('\r\n\r\n', '\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n')],
    ['no HTTP', () => 'SSH-2.0-OpenSSH_9.9\r\n\r\n'],
    ['an endless head', () => `HTTP/1.1 101 Switching Protocols\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`],
  ])('because the server answers with %s is a failed hand-shake', async (_, head) => {
    const error = await failureOf((peer) => peer.head().then((request) => { peer.write(head(request)); }));
    expect([error.code, error.status]).toEqual(['ERR_NPWS_HANDSHAKE', null]);
    expect((error.cause as Error).message).not.toBe("");
  }); // prettier-ignore

  it('because nobody listens carries the code of Node', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    const pool = createClientPool({ address: `127.0.0.1:${port}`, tlsMode: 'none' });
    const failed = new Promise<NpwsError>((resolve) => pool.once('dialError', resolve));
    await pool.start();
    expect(await failed).toMatchObject({ code: 'ERR_NPWS_DIAL', cause: { code: 'ECONNREFUSED' } });
    expect(pool.errorCount()).toBe(1);
    await pool.close();
  });

  it('because the server hangs up carries the code of Node', async () => {
    const error = await failureOf((peer) => peer.head().then(() => peer.reset()));
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', cause: { code: 'ECONNRESET' } });
  });
});

describe('the one deadline of a dial', () => {
  const drip = (peer: RawPeer, bytes: Buffer): void => {
    let at = 0;
    const timer = setInterval(() => {
      peer.write(bytes.subarray(at, ++at));
    }, 20);
    void peer.gone.then(() => {
      clearInterval(timer);
    });
  };

  it.each<[string, ClientPoolOptions['tlsMode'], string, string, (peer: RawPeer) => unknown]>([
    ['a server that says nothing', 'none', 'ERR_NPWS_DIAL', 'upgrading', () => undefined],
    ['a server that stalls in TLS', 'self-signed', 'ERR_NPWS_DIAL', 'connecting', () => undefined],
    ['a head that drips', 'none', 'ERR_NPWS_DIAL', 'upgrading', (peer) => { drip(peer, Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${'X: y\r\n'.repeat(99)}`)); }],
    ['a 101 without an ID', 'none', 'ERR_NPWS_DIAL', 'awaiting the ID', (peer) => peer.accept()],
    ['an ID that drips', 'none', 'ERR_NPWS_DIAL', 'awaiting the ID', (peer) => peer.accept(frameOf(Buffer.alloc(3)))],
    ['pings instead of an ID', 'none', 'ERR_NPWS_DIAL', 'awaiting the ID', (peer) => peer.accept().then(() => { drip(peer, Buffer.concat(Array.from({ length: 99 }, () => frameOf(Buffer.alloc(0), { opcode: 9 })))); })],
  ])('ends %s', async (_, tlsMode, code, stage, answer) => {
    const since = performance.now();
    const error = await failureOf(answer, { tlsMode, dialTimeout: 250 });
    expect(performance.now() - since).toBeLessThan(2_500);
    expect(error.code).toBe(code);
    expect(error.message).toContain(`timed out after 250 ms while ${stage}`);
  }); // prettier-ignore

  it.each<[string, ClientPoolOptions['tlsMode'], (peer: RawPeer) => unknown]>([
    ['in TLS', 'self-signed', () => undefined],
    ['before the head', 'none', () => undefined],
    ['before the ID', 'none', (peer) => peer.accept()],
  ])('is not needed by a pool that closes while it dials %s: no socket stays', async (_, tlsMode, answer) => {
    await using server = await RawServer.listen(undefined, (peer) => void answer(peer));
    const pool = createClientPool({ address: `127.0.0.1:${server.port}`, tlsMode, minCapacity: 3, maxCapacity: 3 });
    await pool.start();
    for (let i = 0; i < 3; i++) await server.next();
    const since = performance.now();
    await pool.close();
    expect(performance.now() - since).toBeLessThan(2_000);
    for (const peer of server.peers) await peer.gone;
    expect([server.peers.length, server.open, pool.errorCount()]).toEqual([3, 0, 0]);
  }); // prettier-ignore
});
