import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { NpwsModule, type PoolService } from 'nestjs-npws';
import { boot, type BootedApp, LOCAL, PLATFORMS, quickClient } from '../support/apps.js';
import { until } from '../support/pair.js';
import { CLOSE, closeCodeOf } from '../support/raw-frames.js';
import { connectNamed, connectRaw } from '../support/raw-peer.js';

/** Far below what a hang takes, far above what a slow machine needs, in milliseconds. */
const SOON = 4_000;

/** How a process ended, all that it printed, and what its pools said of their end. */
interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
  readonly lines: readonly string[];
}

async function timed(action: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

describe.each(PLATFORMS)('the shutdown of an application on %s', (platform) => {
  function server(drainTimeout: number): Promise<BootedApp> {
    return boot(
      { imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 20, drainTimeout } })] },
      { platform },
    );
  }

  function client(port: number, drainTimeout: number): Promise<BootedApp> {
    return boot(
      { imports: [NpwsModule.forRoot({ client: quickClient(port, { drainTimeout }) })] },
      { platform },
    );
  }

  it('says goodbye to idle connections with 1001 and takes no time', async () => {
    const far = await server(60_000);
    const near = await client(far.poolPort, 60_000);
    await until(near.client, () => near.client.active() === 2);
    const { peer } = await connectNamed(far.poolPort);
    const goodbye = peer.frameOfKind(CLOSE).then((frame) => {
      peer.socket.end();
      return closeCodeOf(frame);
    });
    expect(await timed(() => far.app.close())).toBeLessThan(SOON);
    expect(await goodbye).toBe(1001);
    expect(await timed(() => near.app.close())).toBeLessThan(SOON);
    expect([far.server, near.client].map((pool) => pool.stats()?.state)).toEqual(['closed', 'closed']);
  });

  it('lets a stream in use finish, while gets and new dials are refused', async () => {
    await using far = await server(60_000);
    await using near = await client(far.poolPort, 0);
    const atServer = await far.server.incomingGet();
    const atClient = await near.client.outgoingGet(atServer.id);
    const waiting = far.server.outgoingGet('ffffffff', Infinity).catch((error: unknown) => error);

    const draining = new Promise<void>((resolve) => far.server.once('drain', resolve));
    const closed = far.app.close();
    await draining;
    expect(await waiting).toMatchObject({ code: 'ERR_NPWS_DRAINING' });
    await expect(far.server.incomingGet()).rejects.toMatchObject({ code: 'ERR_NPWS_DRAINING' });
    const late = await connectRaw(far.poolPort);
    expect(await late.upgrade()).toMatch(/^HTTP\/1.1 503 /);
    expect((await fetch(far.url, { headers: { connection: 'close' } })).status).toBe(404);

    atServer.end('the last words');
    expect(await text(atClient)).toBe('the last words');
    await closed;
    expect(far.server.stats()).toMatchObject({ state: 'closed', used: 0, active: 0 });
  });

  it.each(['server', 'client'] as const)(
    'cuts a stream that does not finish, when the %s goes, so that both readers see an error',
    async (role) => {
      await using far = await server(100);
      await using near = await client(far.poolPort, 100);
      const atServer = await far.server.incomingGet();
      const atClient = await near.client.outgoingGet(atServer.id);
      const failures = [atServer, atClient].map(async (connection) => {
        const [error] = (await once(connection.resume(), 'error')) as [Error];
        return error;
      });
      const going = role === 'server' ? far : near;
      expect(await timed(() => going.app.close())).toBeLessThan(SOON);
      for (const error of await Promise.all(failures)) {
        expect(error).toHaveProperty('code', expect.stringMatching(/^ERR_NPWS_(TRUNCATED|CLOSED)$/));
      }
    },
  );

  it('does not hang on deaf peers, idle or in use', async () => {
    const far = await server(100);
    const idle = await connectNamed(far.poolPort);
    const used = await connectNamed(far.poolPort);
    for (const { peer } of [idle, used]) peer.socket.pause();
    const held = await far.server.outgoingGet(used.id);
    held.write(Buffer.alloc(8 * 1024 * 1024));
    expect(await timed(() => far.app.close())).toBeLessThan(SOON);
    expect(held.destroyed).toBe(true);
    for (const { peer } of [idle, used]) peer.socket.destroy();
  });

  it('closes the pools before the HTTP server', async () => {
    const far = await server(1_000);
    const http = far.app.getHttpServer() as { listening: boolean };
    const order: string[] = [];
    for (const event of ['drain', 'close'] as const) {
      far.server.once(event, () => order.push(`${event}, HTTP ${http.listening ? 'up' : 'down'}`));
    }
    await far.app.close();
    expect(order).toEqual(['drain, HTTP up', 'close, HTTP up']);
    expect(http.listening).toBe(false);
  });

  it('may be asked for twice, at once and again', async () => {
    const far = await server(100);
    await Promise.all([far.app.close(), far.app.close()]);
    await far.app.close();
    expect(far.logger.poolLines.filter((line) => line.endsWith('closed'))).toHaveLength(1);
  });

  it('leaves nothing to do for a pool that the application has closed before', async () => {
    const far = await server(100);
    const first = far.server.close();
    expect(far.server.close()).toBe(first);
    await first;
    await far.app.close();
    expect(far.server.stats()?.state).toBe('closed');
  });
});

describe('a pool of an application', () => {
  it('is closed at the end of an await using block', async () => {
    await using booted = await boot({ imports: [NpwsModule.forRoot({ server: { listen: LOCAL } })] });
    {
      await using pool: PoolService = booted.server;
      expect(pool.ready()).toBe(true);
    }
    expect(booted.server.stats()?.state).toBe('closed');
  });
});

describe('a process with shutdown hooks', () => {
  const CLOSED = ['ClientPool closed', 'ClientPool draining', 'ServerPool closed', 'ServerPool draining'];

  /** Starts an application, has it signalled when it is there, and tells how it ended and what the pools said of it. */
  async function ended(modes: readonly string[], signals: readonly NodeJS.Signals[]): Promise<Ended> {
    const program = fileURLToPath(new URL('../support/signalled-app.ts', import.meta.url));
    const child = fork(program, modes, {
      execArgv: ['--import', '@swc-node/register/esm-register'],
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const output = Promise.all([child.stdout, child.stderr].map((stream) => text(stream as Readable)));
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    await once(child, 'message');
    for (const signal of signals) {
      child.kill(signal);
      await Promise.race([once(child, 'message'), exited]); // it has heard it
    }
    const [code, signal] = await exited;
    const said = (await output).join('');
    const lines = [...said.matchAll(/\[(ClientPool|ServerPool):default\] (draining|closed)/g)];
    return { code, signal, said, lines: lines.map(([, pool = '', what = '']) => `${pool} ${what}`).sort() };
  }

  it.each([
    ['dies of the signal as Nest has it', [], { code: null, signal: 'SIGTERM' }],
    ['exits with 0 when Nest is told to', ['exit'], { code: 0, signal: null }],
    ['does so under load', ['exit', 'load'], { code: 0, signal: null }],
  ])('drains and closes at SIGTERM, then %s', async (_, modes, end) => {
    expect(await ended(modes, ['SIGTERM'])).toMatchObject({ ...end, lines: CLOSED });
  });

  it('closes once when the signal comes twice', async () => {
    const end = await ended(['exit'], ['SIGTERM', 'SIGTERM']);
    expect(end).toMatchObject({ code: 0, signal: null, lines: CLOSED });
  });

  it('ends by itself once it has closed its application, whatever went on', async () => {
    expect(await ended(['close', 'load'], [])).toMatchObject({ code: 0, signal: null, lines: CLOSED });
  });

  it('closes all the same when a hook of the application throws', async () => {
    const end = await ended(['exit', 'destroy'], ['SIGTERM']);
    expect(end).toMatchObject({ code: 0, signal: null, lines: CLOSED });
    expect(end.said).toContain('this hook fails');
  });

  it('ends by itself when the start failed halfway and the application is closed', async () => {
    expect(await ended(['init'], [])).toMatchObject({ code: 0, signal: null, lines: CLOSED });
  });
});
