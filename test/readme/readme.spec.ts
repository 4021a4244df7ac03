import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Logger, Module, type Type } from '@nestjs/common';
import { ClientPoolService, createClientPool, createServerPool } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { createPair, takeBoth } from '../support/pair.js';
import { outcomeOf } from '../support/raw-bytes.js';
import { ClientAppModule } from './client-app.js';
import { getWithRetry } from './errors.js';
import { HealthModule } from './health.js';
import { bootstrap } from './main.js';
import { rehearse } from './memory.js';
import { Offices, OfficesModule } from './named.js';
import { pinnedClient, productionServer } from './production-tls.js';
import { renew, serverWithFiles } from './renewal.js';
import { ServerAppModule } from './server-app.js';
import { join as joinSocket, overHttp, overTls } from './streams.js';
import { exchange } from './without-nest.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Lines without the indentation that all of them share. */
function dedent(text: string): string {
  const lines = text.split('\n');
  const margins = lines.filter((line) => line.trim()).map((line) => line.length - line.trimStart().length);
  return lines.map((line) => line.slice(Math.min(...margins))).join('\n');
}

async function regions(file: string): Promise<Map<string, string>> {
  const text = await readFile(join(ROOT, file), 'utf8');
  const found = text.matchAll(/(?:\/\/|#) #region (\S+)\n(.*?)\n *(?:\/\/|#) #endregion/gs);
  return new Map([...found].map(([, name = '', body = '']) => [name, dedent(body)]));
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  const headings = page.match(/^#+ .*$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replace(/ /g, '-'),
  );
}

/** What people read: the README, the guides, and a page for each sample. */
async function pages(): Promise<string[]> {
  const [guides, samples] = await Promise.all(
    ['docs', 'sample'].map((folder) => readdir(join(ROOT, folder))),
  );
  return [
    'README.md',
    'CONTRIBUTING.md',
    ...(guides ?? []).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
    ...(samples ?? []).filter((name) => /^\d/.test(name)).map((name) => `sample/${name}/README.md`),
  ];
}

describe("the README's code", () => {
  const apps: INestApplication[] = [];

  async function boot(module: Type): Promise<INestApplication> {
    const app = await bootstrap(module, 0);
    apps.push(app);
    return app;
  }

  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()));
  });

  Logger.overrideLogger(false);

  it.each([
    ['README.md', 7],
    ['docs/from-npws.md', 23],
    ['docs/operations.md', 5],
    ['docs/proxies.md', 4],
    ['docs/reference.md', 1],
    ['docs/security.md', 4],
    ['docs/testing.md', 2],
    ['docs/tunnels.md', 5],
  ])('in %s is the code that is run here, to the letter', async (page, least) => {
    const content = await readFile(join(ROOT, page), 'utf8');
    const blocks = [
      ...content.matchAll(/(?:<!-- (\S+)#(\S+) -->\n)?```(?:ts|nginx|haproxy|yaml)\n(.*?)\n```/gs),
    ];
    expect(blocks.length).toBeGreaterThanOrEqual(least);
    for (const [, file = 'a file named above the block', region = '', body] of blocks) {
      expect({ file, region, body }).toEqual({ file, region, body: (await regions(file)).get(region) });
    }
  });

  it('shows how applications set up Jest, which are those that the packed package is tried in', async () => {
    const content = await readFile(join(ROOT, 'docs/testing.md'), 'utf8');
    const blocks = [...content.matchAll(/<!-- (\S+\.json) -->\n```json\n(.*?)\n```/gs)];
    expect(blocks).toHaveLength(2);
    for (const [, file = '', body = ''] of blocks) {
      const { jest } = JSON.parse(await readFile(join(ROOT, file), 'utf8')) as { jest: object };
      expect(jest).toMatchObject(JSON.parse(`{${body}}`) as object);
    }
  });

  it('is all there is, but for shell and pictures', async () => {
    for (const page of await pages()) {
      const content = await readFile(join(ROOT, page), 'utf8');
      const named = content.match(/^<!-- \S+(#\S+|\.json) -->\n```(ts|nginx|haproxy|yaml|json)$/gm) ?? [];
      const all = content.match(/^```\w+$/gm) ?? [];
      const shell = content.match(/^```sh$/gm) ?? [];
      expect({ page, blocks: all.length - shell.length }).toEqual({ page, blocks: named.length });
    }
  });

  it('stands among links that lead somewhere', async () => {
    for (const page of await pages()) {
      const content = await readFile(join(ROOT, page), 'utf8');
      const links = [...content.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
      for (const [, path = '', anchor] of links) {
        const target = path === '' ? page : join(dirname(page), path);
        const there = await readFile(join(ROOT, target), 'utf8').catch(() => `(no ${target})`);
        expect({ page, target, there }).not.toEqual({ page, target, there: `(no ${target})` });
        if (anchor !== undefined)
          expect({ page, target, anchors: anchorsOf(there) }).toEqual({
            page,
            target,
            anchors: expect.arrayContaining([anchor]),
          });
      }
    }
  });

  it('has two apps talk through the pools, and tells their health', async () => {
    const { key, cert } = await createCertificate();
    const folder = await mkdtemp(join(tmpdir(), 'npws-'));
    const start = process.cwd();
    await writeFile(join(folder, 'server.key'), key);
    await writeFile(join(folder, 'server.crt'), cert);
    const probe = createServerPool({ listen: { port: 0 } });
    await probe.start();
    process.env['POOL_PORT'] = String(probe.address()?.port);
    await probe.close();
    process.chdir(folder);
    try {
      @Module({ imports: [ServerAppModule, HealthModule] })
      class ServerSide {}
      const server = await boot(ServerSide);
      const client = await boot(ClientAppModule);
      await client.get(ClientPoolService).whenReady();
      const url = (await server.getUrl()).replace('[::1]', 'localhost');
      const ask = async (): Promise<string> => {
        for (;;) {
          const response = await fetch(`${url}/ask?q=why`);
          const answer = await response.text();
          if (response.status !== 503) return answer;
        }
      };
      expect(await ask()).toBe('you asked: why\n');
      expect((await fetch(`${url}/health`)).status).toBe(200);
      // The next client finds its way too.
      await client.close();
      await boot(ClientAppModule);
      expect(await ask()).toBe('you asked: why\n');
    } finally {
      process.chdir(start);
      delete process.env['POOL_PORT'];
      await rm(folder, { recursive: true });
    }
  });

  it('injects pools by name', async () => {
    const { berlin, tokyo } = (await boot(OfficesModule)).get(Offices);
    expect([berlin.name, tokyo.name]).toEqual(['berlin', 'tokyo']);
    expect(berlin.ready() && tokyo.ready()).toBe(true);
  });

  it('works without Nest', async () => {
    expect(await exchange(await createCertificate())).toEqual(['hello']);
  });

  it('rehearses a cut and a time-out in memory', async () => {
    expect(await rehearse()).toMatchObject([{ code: 'ERR_NPWS_TRUNCATED' }, { code: 'ERR_NPWS_TIMEOUT' }]);
  });

  it('speaks HTTP and TLS over connections, and joins them to sockets', async () => {
    const { key, cert } = await createCertificate();
    await using pair = await createPair({ tls: true });
    const http = createHttpServer((_, response) => response.end('hello'));
    expect(await overHttp(await takeBoth(pair), http)).toBe('hello');

    const tls = createTlsServer({ key, cert }, (socket) => socket.end('secret'));
    expect(await text(overTls(await takeBoth(pair), tls, cert))).toBe('secret');

    const { atServer, atClient } = await takeBoth(pair);
    const joined: Promise<void>[] = [];
    const entrance = createServer({ allowHalfOpen: true }, (socket) =>
      joined.push(joinSocket(socket, atServer)),
    );
    await once(entrance.listen(0, '127.0.0.1'), 'listening');
    const visitor = connect((entrance.address() as AddressInfo).port, '127.0.0.1');
    visitor.write('question');
    expect(String((await once(atClient, 'data'))[0])).toBe('question');
    atClient.end('answer');
    expect(await text(visitor)).toBe('answer');
    await Promise.all(joined);
    entrance.close();
  });

  it.each([
    ['in the middle of an answer', false, 'ECONNRESET'],
    ['right behind a whole one', true, undefined],
  ])('closes a joined socket if its connection is cut %s', async (_, isWhole, code) => {
    await using pair = await createPair({ server: { drainTimeout: 0 }, client: { drainTimeout: 0 } });
    const { atServer, atClient } = await takeBoth(pair);
    const entrance = createServer({ allowHalfOpen: true });
    await once(entrance.listen(0, '127.0.0.1'), 'listening');
    const seen = outcomeOf(connect((entrance.address() as AddressInfo).port, '127.0.0.1'));
    const [socket] = (await once(entrance, 'connection')) as [Socket];
    const closed = once(socket, 'close');
    const joined = joinSocket(socket, atServer);
    const heard = once(atServer, 'data');
    atClient.write('answer');
    await heard;
    if (isWhole) await once(atClient.end(), 'finish');
    atClient.destroy();
    await expect(joined).rejects.toMatchObject({ code: 'ERR_NPWS_TRUNCATED' });
    await closed;
    const { ended, error } = await seen;
    expect([ended, error?.code]).toEqual([isWhole, code]);
    entrance.close();
  });

  it('tries again after a time-out and counts it', async () => {
    await using pair = await createPair();
    const { id } = await pair.server.incomingGet();
    const connection = await getWithRetry(pair.client, id, 2);
    expect(connection.id).toBe(id);
    connection.destroy();
    await expect(getWithRetry(pair.client, 'nonsense', 2)).rejects.toMatchObject({ code: 'ERR_NPWS_BAD_ID' });
  });

  it('serves the production TLS settings', async () => {
    const { key, cert } = await createCertificate();
    await using server = createServerPool(productionServer(key, cert));
    await server.start();
    const address = `localhost:${server.address()?.port ?? 0}`;
    await using client = createClientPool({ address, tls: { ca: cert } });
    await client.start();
    await client.whenReady(5_000);
    const connection = await client.incomingGet();
    expect(connection.tls).toMatchObject({ protocol: 'TLSv1.3', authorized: true });
    connection.destroy();
  });

  it('pins a self-signed certificate, reads it from files, and renews it', async () => {
    const { key, cert } = await createCertificate();
    const folder = await mkdtemp(join(tmpdir(), 'npws-'));
    await writeFile(join(folder, 'tls.key'), key);
    await writeFile(join(folder, 'tls.crt'), cert);
    await using server = createServerPool(serverWithFiles(folder));
    await rm(folder, { recursive: true });
    await server.start();
    const address = `localhost:${server.address()?.port ?? 0}`;
    await using client = createClientPool(pinnedClient(address, cert));
    await client.start();
    await client.whenReady(5_000);
    const renewed = await createCertificate();
    renew(server, client, { ...renewed, ca: renewed.cert });
    await client.close();
    await using trusting = createClientPool({ address, tls: { ca: renewed.cert } });
    await trusting.start();
    await trusting.whenReady(5_000);
  });
});
