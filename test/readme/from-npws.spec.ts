import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConsoleLogger, Logger } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  ClientPoolService,
  type ConnectEvent,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
  ServerPoolService,
} from 'nestjs-npws';
import { createMemoryPools, NpwsTestingModule } from 'nestjs-npws/testing';
import { freePort } from '../../sample/parts/free-port.js';
import { boot } from '../support/apps.js';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { until } from '../support/pair.js';
import { portOf } from '../support/raw-joined.js';
import { quickStart } from './from-npws/client.js';
import { talk } from './from-npws/client-pool.js';
import { bad, good, orNull } from './from-npws/closing.js';
import { ErrorMonitor } from './from-npws/error-monitor.js';
import { PoolPerRequestController, SharedPoolController } from './from-npws/handlers.js';
import { shutDown, untilCancelled } from './from-npws/lifetime.js';
import { RoundRobin } from './from-npws/load-balancing.js';
import { manage } from './from-npws/manage.js';
import { logConnections, logStatus, monitorPoolMetrics, watchAdjustments } from './from-npws/monitor.js';
import { PoolManager } from './from-npws/pool-manager.js';
import * as presets from './from-npws/presets.js';
import { ProductionClientModule, ProductionServerModule } from './from-npws/production.js';
import { servers } from './from-npws/security.js';
import { serve } from './from-npws/server-pool.js';
import { modes } from './from-npws/tls-modes.js';

const LISTEN = { host: '127.0.0.1', port: 0 } as const;

describe('docs/from-npws.md', () => {
  it("follows NPWS's README heading by heading", async () => {
    const read = async (file: string): Promise<string[]> => {
      const page = await readFile(new URL(file, import.meta.url), 'utf8');
      return page.replace(/^```.*?^```/gms, '').match(/^#+ .*$/gm) ?? [];
    };
    const [, ...original] = await read('npws-headings.txt');
    const [title, names, ...ours] = await read('../../docs/from-npws.md');
    expect([title, names]).toEqual(['# From NPWS', '## Every name']);
    expect(ours).toEqual(original);
  });
});

describe('the code of docs/from-npws.md', () => {
  const start = process.cwd();
  const lines: string[] = [];
  let folder: string;
  let certificate: KeyPair;

  /** A server whose ID is known, for a client that speaks to it. */
  async function listen(options: object = {}): Promise<ServerPool<PoolConnection>> {
    const server = createServerPool({
      listen: LISTEN,
      tls: certificate,
      maxCapacity: 50,
      drainTimeout: 0,
      ...options,
    });
    await server.start();
    return server;
  }

  /** The examples read their certificates from the folder that they run in, and log. */
  beforeAll(async () => {
    certificate = await createCertificate();
    folder = await mkdtemp(join(tmpdir(), 'npws-'));
    await writeFile(join(folder, 'server.key'), certificate.key);
    for (const file of ['server.crt', 'ca.crt']) await writeFile(join(folder, file), certificate.cert);
    process.chdir(folder);
    const record = (line: unknown): void => void lines.push(String(line));
    Logger.overrideLogger({ log: record, warn: record, error: record, debug: record });
  });

  afterAll(async () => {
    Logger.overrideLogger(new ConsoleLogger());
    process.chdir(start);
    await rm(folder, { recursive: true });
  });

  it('has a client say hello', async () => {
    await using server = await listen();
    const served = server.incomingGet().then(async (connection) => text(connection));
    await quickStart(`localhost:${portOf(server)}`, '00000000');
    expect(await served).toBe('Hello');
  });

  it('has a client and a server talk', async () => {
    const [port, stopped] = [await freePort(), new AbortController()];
    const served = serve('127.0.0.1', port, stopped.signal);
    await using client = createClientPool({ address: `localhost:${port}`, tls: { ca: certificate.cert } });
    await client.start();
    await client.whenReady();
    expect(await talk(client, '00000000')).toBe('Hello, Server!');
    await expect(talk(client, 'A1B2')).rejects.toMatchObject({ code: 'ERR_NPWS_BAD_ID' });
    stopped.abort();
    await served;
    expect(lines).toEqual(expect.arrayContaining(['new connection: 00000000', expect.stringMatching(/^ERR_NPWS_BAD_ID/)]));
  }); // prettier-ignore

  it('manages the health of pools', async () => {
    await using pools = await createMemoryPools();
    const [atServer, atClient] = await manage(pools.client, pools.server);
    expect(atServer?.id).toBe(atClient?.id);
    expect(pools.client.errorCount()).toBe(0);
  });

  it('lets in whom it should', async () => {
    const [any, one, some] = servers(LISTEN, certificate.key, certificate.cert);
    for (const [options, status] of [[any, null], [one, 403], [some, 403]] as const) {
      if (!options) throw new Error('missing');
      await using server = createServerPool(options);
      await server.start();
      await using client = createClientPool({ address: `localhost:${portOf(server)}`, tls: { ca: certificate.cert } });
      await client.start();
      if (status === null) await client.whenReady();
      else expect(await once(client, 'dialError')).toMatchObject([{ status }]);
    }
  }); // prettier-ignore

  it('secures clients in three ways', async () => {
    await using server = await listen();
    const verdicts: boolean[] = [];
    for (const options of modes(`localhost:${portOf(server)}`, certificate.cert)) {
      await using client = createClientPool({ ...options, drainTimeout: 0 });
      client.on('warning', () => undefined);
      await client.start();
      await Promise.race([once(client, 'connect'), once(client, 'dialError')]);
      verdicts.push(client.ready());
    }
    expect(verdicts).toEqual([true, false, true]);
  });

  it('logs what a pool does', async () => {
    await using pools = await createMemoryPools({ client: { minCapacity: 2 } });
    lines.length = 0;
    watchAdjustments(pools.client);
    logConnections(pools.client);
    const [status, timer] = [logStatus(pools.client, 10), monitorPoolMetrics(pools.client)];
    const events = ['adjust', 'disconnect', 'connect'].map((event) => once(pools.client, event));
    pools.client.flush();
    await Promise.all(events);
    await until(pools.client, () => lines.some((line) => line.startsWith('active ')));
    clearInterval(timer);
    status.unsubscribe();
    expect(lines).toEqual(
      expect.arrayContaining([
        'Pool: 2/2 connections (100.0 %), 10 ms interval',
        expect.stringMatching(/^aims at \d+ idle connections, a round every \d+ ms$/),
        expect.stringMatching(/^\w{8} is there, with 127\.0\.0\.1:1$/),
        expect.stringMatching(/^\w{8} is gone while idle: flushed$/),
        expect.stringMatching(/^active \d+, capacity \d+, interval \d+ ms, errors 0$/),
      ]),
    );
  });

  it.each([ErrorMonitor, PoolManager])('flushes and resets above 10 errors: %p', async (monitor) => {
    const module = await Test.createTestingModule({
      imports: [NpwsTestingModule.forRoot()],
      providers: [monitor],
    }).compile();
    await module.init();
    const [pool, watch] = [module.get(ClientPoolService), module.get<ErrorMonitor | PoolManager>(monitor)];
    await pool.whenReady();
    if (watch instanceof PoolManager) {
      const { id } = await module.get(ServerPoolService).incomingGet();
      expect((await watch.get(id)).id).toBe(id);
    }
    const check = (): void => {
      if (watch instanceof ErrorMonitor) watch.check();
      else watch.healthCheck();
    };
    for (let errors = 0; errors < 10; errors++) pool.addError();
    check();
    expect(pool.errorCount()).toBe(10);
    pool.addError();
    check();
    expect([pool.errorCount(), pool.active()]).toEqual([0, 0]);
    await until(pool, () => pool.active() > 0);
    await module.close();
  });

  it('is cancelled', async () => {
    await using server = await listen();
    const options = {
      address: `localhost:${portOf(server)}`,
      tls: { ca: certificate.cert },
      drainTimeout: 0,
    };
    expect(await untilCancelled(options, Promise.resolve())).toBe('closed');
  });

  it('shuts pools down', async () => {
    const pools = await createMemoryPools();
    await shutDown([pools.client, pools.server]);
    expect([pools.client.stats().state, pools.server.stats().state]).toEqual(['closed', 'closed']);
  });

  it('spreads over servers, one of which is gone', async () => {
    await using one = await listen();
    await using two = await listen();
    const addresses = [portOf(one), await freePort(), portOf(two)].map((port) => `localhost:${port}`);
    const options = { tls: { ca: certificate.cert }, minInterval: 10, drainTimeout: 0 };
    await using balancer = new RoundRobin(addresses, options);
    await balancer.start();
    const ports: (number | undefined)[] = [];
    while (new Set(ports).size < 2) ports.push((await balancer.get()).remotePort);
    // From then on each has its turn.
    for (let turn = 0; turn < 4; turn++) ports.push((await balancer.get()).remotePort);
    expect(new Set(ports.slice(-2))).toEqual(new Set([portOf(one), portOf(two)]));
  });

  it('is made of options that are right', async () => {
    const { webService, highTraffic, highThroughput, stable, batch, development } = presets;
    const { aggressive, balanced, conservative } = presets;
    for (const interval of [{}, aggressive, balanced, conservative]) {
      for (const options of [webService, highTraffic, highThroughput, stable, batch, development]) {
        await createClientPool({ ...options, ...interval }).close();
      }
    }
  });

  it('runs in production', async () => {
    const port = String(await freePort());
    const host = '127.0.0.1';
    Object.assign(process.env, { POOL_HOST: host, POOL_PORT: port, CLIENT_IP: host, POOL_ADDRESS: `localhost:${port}` });
    await using server = await boot({ imports: [ProductionServerModule] });
    await using client = await boot({ imports: [ProductionClientModule] });
    await client.client.whenReady();
    const atServer = await server.server.incomingGet();
    const atClient = await client.client.outgoingGet(atServer.id);
    expect(atServer.tls?.protocol).toBe('TLSv1.3');
    for (const connection of [atServer, atClient]) connection.destroy();
    for (const name of ['POOL_HOST', 'POOL_PORT', 'CLIENT_IP', 'POOL_ADDRESS']) Reflect.deleteProperty(process.env, name);
  }); // prettier-ignore

  it('answers from a shared pool, and from one for each request', async () => {
    const greeter =
      (pool: Pick<ServerPoolService, 'outgoingGet'>) =>
      ({ id }: ConnectEvent): void => {
        pool.outgoingGet(id).then(
          (connection) => connection.end('hello'),
          () => undefined,
        );
      };
    await using server = await listen();
    server.on('connect', greeter(server));
    process.env['POOL_ADDRESS'] = `localhost:${portOf(server)}`;
    expect(await new PoolPerRequestController().slow()).toBe('hello');
    Reflect.deleteProperty(process.env, 'POOL_ADDRESS');
    await using booted = await boot({
      imports: [NpwsTestingModule.forRoot()],
      controllers: [SharedPoolController],
    });
    booted.server.on('connect', greeter(booted.server));
    booted.client.flush(); // those that came before anybody greeted
    expect(await (await fetch(`${booted.url}/fast`)).text()).toBe('hello');
  });

  it('ends connections, or does not', async () => {
    await using pools = await createMemoryPools();
    const id = await good(pools.server);
    expect(await text(await pools.client.outgoingGet(id))).toBe('hello');
    await bad(pools.server);
    await until(pools.server, () => pools.server.stats().used === 1);
    expect(await orNull(pools.server)).not.toBeNull();
    await pools.close();
    await expect(orNull(pools.server)).rejects.toMatchObject({ code: 'ERR_NPWS_CLOSED' });
  });
});
