import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { createCertificate } from '../support/certificates.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, connectRaw, upgradeRequest } from '../support/raw-peer.js';

describe('a stranger that resets its TLS connection', () => {
  it.each([
    ['is refused', upgradeRequest(['Origin: http://evil.example'])],
    ['asks for CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n'],
    ['is let in', upgradeRequest()],
    ['sends garbage', '\x00\x01\x02garbage\r\n\r\n'],
    ['asks without upgrade', 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'],
  ])('as it %s crashes nothing', async (_, request) => {
    await using pool = await startServer({ tls: await createCertificate() });
    for (let i = 0; i < 20; i++) {
      const stranger = await connectRaw(portOf(pool), { tls: true });
      await new Promise((resolve) => stranger.socket.write(request, resolve));
      await stranger.reset();
    }
    const { peer } = await connectNamed(portOf(pool), { tls: true });
    peer.socket.destroy();
    expect(pool.errorCount()).toBe(0);
  });
});

describe('a stranger that takes its time', () => {
  it.each<[string, boolean, boolean, string]>([
    ['is silent', false, false, ''],
    ['is silent before TLS', true, false, ''],
    ['is silent in TLS', true, true, ''],
    ['drips its request', false, false, upgradeRequest().repeat(5)],
    ['drips its request in TLS', true, true, upgradeRequest().repeat(5)],
    ['drips garbage for TLS', true, false, '\x16\x03\x01\x02\x00\x01'.padEnd(400, '\x00')],
  ])('as it %s is dropped at handshakeTimeout and counted once', async (_, tls, secure, drips) => {
    await using pool = await startServer({
      handshakeTimeout: 200,
      ...(tls ? { tls: await createCertificate() } : {}),
    });
    const since = performance.now();
    const stranger = await connectRaw(portOf(pool), { tls: secure });
    let at = 0;
    const dripping = setInterval(() => {
      if (at < drips.length) stranger.write(drips.slice(at, ++at));
    }, 10);
    await stranger.gone;
    clearInterval(dripping);
    const took = performance.now() - since;
    expect(took).toBeGreaterThan(150);
    // Dripping for as long as it likes would take seconds.
    expect(took).toBeLessThan(2_000);
    expect([pool.stats().rejected, pool.stats().connecting, pool.errorCount()]).toEqual([1, 0, 0]);
  });

  it('is counted once, too, when many are dropped in one go', async () => {
    await using pool = await startServer({ handshakeTimeout: 500, tls: await createCertificate() });
    const strangers = await Promise.all(Array.from({ length: 100 }, () => connectRaw(portOf(pool))));
    const { peer } = await connectNamed(portOf(pool), { tls: true });
    // All are accepted by now. A busy process comes to their deadlines at once.
    const since = performance.now();
    while (performance.now() - since < 600);
    await Promise.all(strangers.map(({ gone }) => gone));
    // What is told late is told before this one.
    (await connectRaw(portOf(pool))).socket.end();
    await once(pool, 'reject');
    peer.socket.destroy();
    expect(pool.stats().rejections).toMatchObject({ timeout: strangers.length, tls: 1 });
  });

  it('does not slow those who do not: 300 hold on, 20 connect', async () => {
    await using pool = await startServer({ maxCapacity: 20 });
    const held = await Promise.all(Array.from({ length: 300 }, () => connectRaw(portOf(pool))));
    const since = performance.now();
    const good = await Promise.all(Array.from({ length: 20 }, () => connectNamed(portOf(pool))));
    // Far less than the deadline that the others sit out.
    expect(performance.now() - since).toBeLessThan(5_000);
    expect(pool.active()).toBe(20);
    // Closing drops those who hold on as well.
    await pool.close();
    for (const peer of held) await peer.gone;
    for (const { peer } of good) peer.socket.destroy();
  });

  it('and leaves by itself is no error of ours, and told by its address', async () => {
    await using pool = await startServer({ tls: await createCertificate() });
    const stranger = await connectRaw(portOf(pool));
    const { localPort = 0 } = stranger.socket;
    stranger.socket.end();
    const [rejected] = (await once(pool, 'reject')) as unknown[];
    expect(rejected).toMatchObject({ why: 'tls', peer: `127.0.0.1:${localPort}` });
    await stranger.gone;
    const { peer } = await connectNamed(portOf(pool), { tls: true });
    peer.socket.destroy();
    expect(pool.errorCount()).toBe(0);
  });
});
