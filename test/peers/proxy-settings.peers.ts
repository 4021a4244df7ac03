import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { createClientPool } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectRaw, type RawPeer, RawServer } from '../support/raw-peer.js';
import { describeWith } from './find-program.js';
import { KINDS, type Proxy, type ProxyKind, startProxy } from './proxy.js';

const PONG = 0xa;

/** A proxy with raw servers behind it. */
interface RawProxied extends AsyncDisposable {
  proxy: Proxy;
  plain: RawServer;
  secure: RawServer;
}

async function openRaw(kind: ProxyKind, idle?: string): Promise<RawProxied> {
  const certificate = await createCertificate();
  const plain = await RawServer.listen();
  const secure = await RawServer.listen(certificate);
  const proxy = await startProxy(kind, { plain: plain.port, secure: secure.port, certificate, idle });
  return {
    proxy,
    plain,
    secure,
    async [Symbol.asyncDispose]() {
      await Promise.all([plain, secure, proxy].map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

describeWith(...KINDS)('a proxy with the documented settings', () => {
  it.each<[ProxyKind, string, RegExp]>([
    ['nginx', 'its own target as Host', /^Host: 127\.0\.0\.1:\d+\r$/im],
    ['haproxy', "the client's Host", /^Host: pool\.example\r$/im],
  ])('passes on (%s) %s, and adds the address to X-Forwarded-For', async (kind, _, host) => {
    await using raw = await openRaw(kind);
    const client = await connectRaw(raw.proxy.ended, { tls: true });
    const answer = client.upgrade(['Host: pool.example', 'X-Forwarded-For: 192.0.2.7']);
    const server = await raw.plain.next();
    const request = await server.accept();
    expect(await answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(request).toMatch(host);
    expect(request).toMatch(/^GET \/ HTTP\/1\.1\r$/m);
    expect(request).toMatch(/^Connection: upgrade\r$/im);
    expect(request).toMatch(/^Upgrade: websocket\r$/im);
    const forwarded = [...request.matchAll(/^X-Forwarded-For: (.*)\r$/gim)].map(([, value]) => value);
    expect(forwarded.join(', ')).toBe('192.0.2.7, 127.0.0.1');
    client.socket.destroy();
  });

  // Pongs that nobody asked for are answered by nothing, so bytes go one way only.
  it.each(KINDS)(
    'keeps a connection while bytes go one way, whichever (%s)',
    async (kind) => {
      await using raw = await openRaw(kind, '5s');
      const cases = [raw.plain, raw.secure].flatMap((server) =>
        ['client', 'server', 'nobody'].map((who) => ({ server, who })),
      );
      const peers: { client: RawPeer; sender: RawPeer | undefined }[] = [];
      for (const { server, who } of cases) {
        const port = server === raw.plain ? raw.proxy.ended : raw.proxy.passed;
        const client = await connectRaw(port, { tls: true });
        const answer = client.upgrade();
        const far = await server.next();
        await far.accept();
        await answer;
        peers.push({ client, sender: who === 'client' ? client : who === 'server' ? far : undefined });
      }
      const timer = setInterval(() => {
        for (const { sender } of peers) sender?.send(Buffer.alloc(0), { opcode: PONG });
      }, 2_000);
      await sleep(12_000);
      clearInterval(timer);
      expect(peers.map(({ client }) => client.socket.readableEnded || client.socket.destroyed)).toEqual(
        cases.map(({ who }) => who === 'nobody'),
      );
      for (const { client } of peers) client.socket.destroy();
    },
    60_000,
  );

  it.each<[string, string, object]>([
    ['proxy_set_header Upgrade $http_upgrade;', '', { code: 'ERR_NPWS_HANDSHAKE', status: 426 }],
    ['proxy_set_header Connection upgrade;', '', { code: 'ERR_NPWS_HANDSHAKE', status: 426 }],
    ['proxy_http_version 1.1;', '', { code: 'ERR_NPWS_HANDSHAKE', status: 426 }],
    ['ssl_protocols TLSv1.3;', 'ssl_protocols TLSv1.2;', { code: 'ERR_NPWS_DIAL' }],
  ])('needs (nginx) %s', async (line, instead, expected) => {
    const certificate = await createCertificate();
    await using server = await startServer();
    const ports = { plain: portOf(server), secure: portOf(server) };
    const edit = (config: string): string => config.replace(line, instead);
    await using proxy = await startProxy('nginx', { ...ports, certificate, edit });
    await using client = createClientPool({
      address: `127.0.0.1:${proxy.ended}`,
      tls: { ca: certificate.cert },
    });
    const failure = new Promise((resolve) => client.once('dialError', resolve));
    await client.start();
    expect(await failure).toMatchObject(expected);
  });
});
