import { describe, expect, it } from '@jest/globals';
import type { ServerPoolSettings } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { portOf, type ServerOverrides, startServer } from '../support/raw-joined.js';
import { connectNamed, connectRaw, upgradeRequest } from '../support/raw-peer.js';

const NOBODY = '10.9.8.7';
const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
const PLAIN_GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

const REFUSALS: [string, number, string, ServerPoolSettings][] = [
  ['a wrong address', 403, upgradeRequest(), { clientIP: NOBODY }],
  ['a wrong address that asks for CONNECT', 403, 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', { clientIP: NOBODY }],
  ['a wrong address without upgrade', 403, PLAIN_GET, { clientIP: NOBODY }],
  ['an unknown Origin', 403, upgradeRequest(['Origin: https://evil.example']), { allowedOrigins: 'https://good.example' }],
  ['any Origin when none is allowed', 403, upgradeRequest(['Origin: null']), {}],
  ['a GET without upgrade', 426, PLAIN_GET, {}],
  ['HTTP/1.0', 426, upgradeRequest([], 'GET / HTTP/1.0'), {}],
  ['HTTP/2.0', 426, upgradeRequest([], 'GET / HTTP/2.0'), {}],
  ['another upgrade', 426, upgradeRequest(['Upgrade: h2c']), {}],
  ['a POST', 405, POST, {}],
  ['a POST with upgrade', 405, upgradeRequest([], 'POST / HTTP/1.1'), {}],
  ['CONNECT', 405, 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', {}],
  ['another path', 404, upgradeRequest([], 'GET /other HTTP/1.1'), { path: '/tunnel' }],
  ['version 8', 400, upgradeRequest(['Sec-WebSocket-Version: 8']), {}],
  ['version 14', 400, upgradeRequest(['Sec-WebSocket-Version: 14']), {}],
  ['no version', 400, upgradeRequest(['Sec-WebSocket-Version']), {}],
  ['a bad key', 400, upgradeRequest(['Sec-WebSocket-Key: short']), {}],
  ['no key', 400, upgradeRequest(['Sec-WebSocket-Key']), {}],
  ['garbage', 400, '\x16garbage\r\n\r\n', {}],
  ['a malformed header', 400, 'GET / HTTP/1.1\r\nno colon\r\n\r\n', {}],
  ['two lengths', 400, 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', {}],
  ['headers of 20 KiB', 431, upgradeRequest([`X: ${'x'.repeat(20_000)}`]), {}],
]; // prettier-ignore

describe.each([false, true])('a stranger is told (tls: %s)', (tls) => {
  it.each(REFUSALS)('because of %s: %i', async (_, status, request, options) => {
    await using pool = await startServer({ ...options, ...(tls ? { tls: await createCertificate() } : {}) });
    const stranger = await connectRaw(portOf(pool), { tls });
    stranger.write(request);
    expect((await stranger.head()).split(' ')[1]).toBe(String(status));
    stranger.socket.destroy();
    const { rejected, connecting, active } = pool.stats();
    expect([rejected, connecting, active, pool.errorCount()]).toEqual([1, 0, 0, 0]);
  });
});

describe('who is let in', () => {
  it.each<[string, ServerOverrides, string]>([
    ['an allowed Origin', { allowedOrigins: ['https://a.example', 'https://b.example'] }, upgradeRequest(['Origin: https://b.example'])],
    ['any path', {}, upgradeRequest([], 'GET /what/ever?q=1 HTTP/1.1')],
    ['the path with a query', { path: '/tunnel' }, upgradeRequest([], 'GET /tunnel?q=1 HTTP/1.1')],
    ['an address of a list', { clientIP: [NOBODY, '127.0.0.1'] }, upgradeRequest()],
    ['an address of a range', { clientIP: '127.0.0.0/8' }, upgradeRequest()],
    ['an IPv4 client of a dual-stack listener', { clientIP: '127.0.0.0/8', listen: { host: '::', port: 0 } }, upgradeRequest()],
    ['an IPv4 client of a range written as mapped', { clientIP: '::ffff:127.0.0.0/104', listen: { host: '::', port: 0 } }, upgradeRequest()],
    ['a header named __proto__', {}, upgradeRequest(['__proto__: x'])],
    ['an offer of subprotocols and extensions, none of which is taken', {}, upgradeRequest(['Sec-WebSocket-Protocol: a, b', 'Sec-WebSocket-Extensions: permessage-deflate'])],
    ['a client behind a proxy that lies', { clientIP: '127.0.0.1' }, upgradeRequest([`X-Forwarded-For: ${NOBODY}`])],
  ])('%s', async (_, options, request) => {
    await using pool = await startServer(options);
    const peer = await connectRaw(portOf(pool));
    peer.write(request);
    const head = await peer.head();
    expect(head).toMatch(/^HTTP\/1.1 101 /);
    expect(head).not.toMatch(/protocol:|extensions/i);
    expect((await peer.frame()).payload.toString('hex')).toBe('00000000');
    expect(pool.active()).toBe(1);
    peer.socket.destroy();
  }); // prettier-ignore
});

describe('a full pool', () => {
  it('answers 503 before the 101, but 403 to a stranger', async () => {
    await using pool = await startServer({ maxCapacity: 1, allowedOrigins: 'https://a.example' });
    const { peer } = await connectNamed(portOf(pool));
    const second = await connectRaw(portOf(pool));
    expect(await second.upgrade()).toMatch(/^HTTP\/1.1 503 /);
    const stranger = await connectRaw(portOf(pool));
    expect(await stranger.upgrade(['Origin: https://evil.example'])).toMatch(/^HTTP\/1.1 403 /);
    expect([pool.active(), pool.stats().rejected, pool.errorCount()]).toEqual([1, 2, 0]);
    for (const { socket } of [peer, second, stranger]) socket.destroy();
  });

  it('answers 403 to a wrong address', async () => {
    await using pool = await startServer({ maxCapacity: 1, clientIP: '127.0.0.1', listen: { host: '::', port: 0 } });
    const { peer } = await connectNamed(portOf(pool));
    const stranger = await connectRaw(portOf(pool), { host: '::1' });
    expect(await stranger.upgrade()).toMatch(/^HTTP\/1.1 403 /);
    for (const { socket } of [peer, stranger]) socket.destroy();
  }); // prettier-ignore

  it('never takes more than its capacity of ten times as many, nor names one that it drops', async () => {
    await using pool = await startServer({ maxCapacity: 20 });
    let highest = 0;
    pool.on('change', () => {
      highest = Math.max(highest, pool.active() + pool.stats().connecting);
    });
    const peers = await Promise.all(Array.from({ length: 200 }, () => connectRaw(portOf(pool))));
    const heads = await Promise.all(peers.map((peer) => peer.upgrade()));
    const named = peers.filter((_, i) => heads[i]?.startsWith('HTTP/1.1 101'));
    expect([named.length, heads.filter((head) => head.startsWith('HTTP/1.1 503')).length]).toEqual([20, 180]);
    expect([highest, pool.active()]).toEqual([20, 20]);
    for (const peer of named) {
      const id = (await peer.frame()).payload.toString('hex');
      (await pool.outgoingGet(id, 0)).end('yours');
      expect((await peer.frame()).payload.toString()).toBe('yours');
    }
    for (const { socket } of peers) socket.destroy();
  });
});
