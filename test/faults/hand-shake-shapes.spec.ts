import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { ClientPoolOptions, NpwsError, ServerPoolSettings } from 'nestjs-npws';
import { frameOf } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, connectRaw, type RawPeer, switching, upgradeRequest } from '../support/raw-peer.js';

const EVIL = 'Origin: https://evil.example';
const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `X${i}: y`);

const REQUESTS: [string, number, string, ServerPoolSettings][] = [
  ['HTTP/1.0', 426, upgradeRequest([], 'GET / HTTP/1.0').replace('Connection: Upgrade', 'Connection: close'), {}],
  ['HTTP/4.2', 400, upgradeRequest([], 'GET / HTTP/4.2'), {}],
  ["HTTP/2's own beginning", 400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', {}],
  ['HEAD', 405, upgradeRequest([], 'HEAD / HTTP/1.1'), {}],
  ['a method that there is not', 400, upgradeRequest([], 'GRAB / HTTP/1.1'), {}],
  ['no Host', 426, 'GET / HTTP/1.1\r\n\r\n', {}],
  ['no Host, by a wrong address', 403, 'GET / HTTP/1.1\r\n\r\n', { clientIP: '10.9.8.7' }],
  ['a length beside chunks', 400, upgradeRequest(['Content-Length: 3', 'Transfer-Encoding: chunked']), {}],
  ['chunks that are not last', 400, upgradeRequest(['Transfer-Encoding: chunked, identity'], 'POST / HTTP/1.1'), {}],
  ['a body that it announces and does not send', 400, upgradeRequest(['Content-Length: 1000']), {}],
  ['a body that it sends', 400, `${upgradeRequest(['Content-Length: 3'])}abc`, {}],
  ['a body in chunks', 400, `${upgradeRequest(['Transfer-Encoding: chunked'])}3\r\nabc\r\n`, {}],
  ['a body, by a wrong address', 403, upgradeRequest(['Content-Length: 1000']), { clientIP: '10.9.8.7' }],
  ['a space before a colon', 400, upgradeRequest(['X : y']), {}],
  ['a folded header', 400, upgradeRequest(['X: y\r\n folded']), {}],
  ['a line feed within a header', 400, upgradeRequest(['X: a\nOrigin: b']), {}],
  ['a NUL within a header', 400, upgradeRequest(['X: a\0b']), {}],
  ['a key of 15 bytes', 400, upgradeRequest(['Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA']), {}],
  ['two keys', 400, upgradeRequest(['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']), {}],
  ['version 13 twice', 400, upgradeRequest(['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 13']), {}],
  ['version 013', 400, upgradeRequest(['Sec-WebSocket-Version: 013']), {}],
  ['an upgrade to two at once', 426, upgradeRequest(['Upgrade: websocket, h2c']), {}],
  ['a path of 20 KiB', 431, upgradeRequest([], `GET /${'x'.repeat(20_000)} HTTP/1.1`), {}],
  ['a header of 16 KiB', 431, upgradeRequest([`X: ${'x'.repeat(16 * 1024)}`]), {}],
  ['4,000 headers', 431, upgradeRequest(many(4_000)), {}],
  ['a GET before its upgrade', 426, `GET / HTTP/1.1\r\nHost: x\r\n\r\n${upgradeRequest()}`, {}],
  ['an upgrade within the body of a POST', 405, `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n${upgradeRequest()}`, {}],
  ['an Origin behind 1,500 headers', 403, upgradeRequest([...many(1_500), EVIL]), { allowedOrigins: 'https://good.example' }],
  ['an Origin in capitals', 403, upgradeRequest([EVIL.toUpperCase()]), { allowedOrigins: 'https://evil.example' }],
  ['two Origins, one of which is allowed', 403, upgradeRequest(['Origin: https://good.example, https://evil.example']), { allowedOrigins: 'https://good.example' }],
]; // prettier-ignore

describe('a request of a strange shape', () => {
  it.each(REQUESTS)('(%s) is answered with %i, once, and the pool is well', async (_, status, request, options) => {
    await using pool = await startServer(options);
    const stranger = await connectRaw(portOf(pool));
    stranger.write(request);
    const answer = (await stranger.rest()).toString('latin1');
    expect(answer.match(/^HTTP\/1.1 \d+/gm)).toEqual([`HTTP/1.1 ${status}`]);
    expect(answer).not.toContain('101');
    expect([pool.stats().rejected, pool.stats().connecting, pool.active(), pool.errorCount()]).toEqual([1, 0, 0, 0]);
    stranger.socket.destroy();
    if (options.clientIP ?? options.allowedOrigins) return;
    const { peer } = await connectNamed(portOf(pool));
    peer.socket.destroy();
  }); // prettier-ignore

  it.each([
    ['2,000 headers', upgradeRequest(Array.from({ length: 2_000 }, () => 'X: y'))],
    ['headers of 15 KiB', upgradeRequest([`X: ${'x'.repeat(15_000)}`])],
    ['headers named as what every object has', upgradeRequest(['__proto__: x', 'constructor: y', 'toString: z', 'hasOwnProperty: 1'])],
    ['an upgrade in capitals among others', upgradeRequest(['Upgrade: WEBSOCKET', 'Connection: keep-alive, UPGRADE'])],
    ['a body of no length', upgradeRequest(['Content-Length: 0'])],
    ['an absolute path', upgradeRequest([], 'GET http://127.0.0.1/ HTTP/1.1')],
    ['a key that it will not get back as a header', upgradeRequest(['Cookie: a=b', 'Expect: 100-continue'])],
  ])('(%s) that asks for what it may have gets it', async (_, request) => {
    await using pool = await startServer();
    const peer = await connectRaw(portOf(pool));
    peer.write(request);
    expect(await peer.head()).toMatch(/^HTTP\/1.1 101 /);
    expect((await peer.frame()).payload).toHaveLength(4);
    peer.socket.destroy();
  }); // prettier-ignore

  it('pollutes no prototype', async () => {
    await using pool = await startServer();
    const peer = await connectRaw(portOf(pool));
    peer.write(upgradeRequest(['__proto__: polluted', 'constructor: polluted']));
    await peer.head();
    expect(JSON.stringify([{}, Object.keys(Object.prototype)])).not.toContain('polluted');
    peer.socket.destroy();
  });
});

interface Answered {
  error: (NpwsError & { status?: number | null }) | null;
  dials: number;
}

/** How the first dial ends against a server that answers so. The socket must be gone afterwards. */
async function dialled(
  answer: (peer: RawPeer, request: string) => unknown,
  options: Partial<ClientPoolOptions> = {},
): Promise<Answered> {
  await using raw = await createRawServerPool(
    (peer) => peer.head().then((request) => answer(peer, request)),
    {
      dialTimeout: 1_000,
      maxBackoff: 60_000,
      ...options,
    },
  );
  const error = await Promise.race([
    new Promise<NpwsError>((resolve) => raw.pool.once('dialError', resolve)),
    raw.pool.whenReady().then(() => null),
  ]);
  if (error) await raw.server.peers[0]?.gone;
  return { error, dials: raw.server.peers.length };
}

const ID = frameOf(Buffer.from('0a0b0c0d', 'hex'));
const changed = (find: string | RegExp, replace: string) => (request: string): string =>
  switching(request).toString('latin1').replace(find, replace); // prettier-ignore

const ANSWERS: [string, number | null, (request: string) => string][] = [
  ['an accept for another key', null, changed(/Accept: .*/, 'Accept: dGhlIHNhbXBsZSBub25jZQAAAAA=')],
  ['no accept', null, changed(/Sec-WebSocket-Accept/, 'X-Accept')],
  ['no Upgrade', 101, changed('Upgrade: websocket\r\n', '')],
  ['another Upgrade', null, changed('Upgrade: websocket', 'Upgrade: h2c')],
  ['an extension that nobody offered', null, changed(/\r\n\r\n/, '\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n')],
  ['a subprotocol that nobody asked for', null, changed(/\r\n\r\n/, '\r\nSec-WebSocket-Protocol: chat\r\n\r\n')],
  ['HTTP/3.7', null, changed('HTTP/1.1', 'HTTP/3.7')],
  ['a status that is none', null, changed('101', 'abc')],
  ['a head of 20 KiB', null, changed(/\r\n\r\n/, `\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)],
  ['garbage', null, () => '\x16\x03\x01\0\0\r\n\r\n'],
  ['200 and an endless body', 200, () => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n${'x'.repeat(0x4000)}\r\n`],
  ['401', 401, () => 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n'],
  ['407', 407, () => 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'],
  ['500 without an end', 500, () => 'HTTP/1.1 500 Oops\r\n\r\nwait for it'],
]; // prettier-ignore

describe('an answer of a strange shape', () => {
  it.each(ANSWERS)('(%s) fails the dial with status %p', async (_, status, answer) => {
    const { error } = await dialled((peer, request) => {
      peer.write(answer(request), ID);
    });
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', status });
  });

  it.each([
    ['after a 100', (request: string) => `HTTP/1.1 100 Continue\r\n\r\n${switching(request).toString('latin1')}`],
    ['with headers named as what every object has', changed(/\r\n\r\n/, '\r\n__proto__: x\r\nconstructor: y\r\n\r\n')],
    ['in capitals', changed('Upgrade: websocket', 'UPGRADE: WebSocket')],
    ['behind 2,000 headers', changed(/\r\n\r\n/, `${'\r\nX: y'.repeat(2_000)}\r\n\r\n`)],
  ])('(%s) that is proper all the same is taken', async (_, answer) => {
    const { error } = await dialled((peer, request) => {
      peer.write(Buffer.from(answer(request), 'latin1'), ID);
    });
    expect(error).toBeNull();
  }); // prettier-ignore

  it.each([301, 302, 303, 307, 308])('(a redirect with %i) is followed nowhere', async (status) => {
    let visits = 0;
    const elsewhere = createServer((socket) => {
      visits++;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const { port } = elsewhere.address() as { port: number };
    const { error, dials } = await dialled((peer) => {
      peer.write(
        `HTTP/1.1 ${status} Moved\r\nLocation: http://127.0.0.1:${port}/\r\nContent-Length: 0\r\n\r\n`,
      );
    });
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', status });
    expect([visits, dials]).toEqual([0, 1]);
    elsewhere.close();
  });

  it.each(['before the head ends', 'in the body of a refusal'])('that never stops %s is given up at once, with next to nothing read', async (where) => {
    let socket: RawPeer['socket'] | undefined;
    const { error } = await dialled((peer) => {
      ({ socket } = peer);
      peer.write(where === 'before the head ends' ? 'HTTP/1.1 101 Switching Protocols\r\nX: ' : 'HTTP/1.1 403 Forbidden\r\nContent-Length: 99999999999\r\n\r\n');
      const flood = (): void => {
        while (!peer.socket.destroyed && peer.socket.write(Buffer.alloc(65_536, 'x')));
      };
      peer.socket.on('drain', flood);
      flood();
    });
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE' });
    // What the kernel holds for a connection on the loopback is the most that can go out.
    expect(socket?.bytesWritten).toBeLessThan(16 << 20);
  }); // prettier-ignore
});
