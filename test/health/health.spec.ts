import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, type ModuleMetadata, Query } from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { NpwsModule } from 'nestjs-npws';
import { NpwsHealthIndicator, NpwsHealthModule } from 'nestjs-npws/health';
import { freePort } from '../../sample/parts/free-port.js';
import { boot, type BootedApp, listenAnywhere, LOCAL, PLATFORMS, quickClient } from '../support/apps.js';
import { until } from '../support/pair.js';
import { connectRaw } from '../support/raw-peer.js';

@Controller('health')
class HealthController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(NpwsHealthIndicator) private readonly pools: NpwsHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check(@Query('name') name?: string): Promise<HealthCheckResult> {
    return this.health.check([() => this.pools.check('pools', name)]);
  }
}

function bootHealthy(
  pools: ModuleMetadata['imports'] = [],
  platform: (typeof PLATFORMS)[number] = 'express',
): Promise<BootedApp> {
  return boot(
    {
      imports: [...pools, NpwsHealthModule, TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
    },
    { platform },
  );
}

interface Answer {
  code: number;
  pools: unknown;
}

/** The status of `/health` and what it says of the pools. */
async function healthOf({ url }: BootedApp, query = ''): Promise<Answer> {
  const response = await fetch(`${url}/health${query}`, { headers: { connection: 'close' } });
  const { details } = (await response.json()) as HealthCheckResult;
  return { code: response.status, pools: details['pools'] };
}

describe.each(PLATFORMS)('/health on %s', (platform) => {
  it('is 200 with the numbers of both roles while they are fit to serve', async () => {
    const { listener, port } = await listenAnywhere();
    const client = quickClient(port, { minInterval: 100, maxInterval: 100 });
    const pools = NpwsModule.forRoot({ server: { listener, maxCapacity: 10 }, client });
    await using booted = await bootHealthy([pools], platform);
    await until(booted.client, () => booted.client.active() === 2);
    await until(booted.server, () => booted.server.active() === 2);
    booted.server.addError();
    expect(await healthOf(booted)).toEqual({
      code: 200,
      pools: {
        status: 'up',
        client: {
          role: 'client',
          state: 'running',
          active: 2,
          capacity: 2,
          interval: 100,
          used: 0,
          waiting: 0,
          opened: 2,
          reused: 0,
          closed: {},
          errors: 0,
          reason: null,
        },
        server: {
          role: 'server',
          state: 'running',
          active: 2,
          capacity: 10,
          interval: 0,
          used: 0,
          waiting: 0,
          opened: 2,
          reused: 0,
          closed: {},
          errors: 1,
          reason: null,
        },
      },
    });
  });

  it('is 503 while a server drains, and says so', async () => {
    const booted = await bootHealthy(
      [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 10, drainTimeout: 60_000 } })],
      platform,
    );
    await using near = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(booted.poolPort) })],
    });
    const held = await booted.server.incomingGet();
    const draining = new Promise<void>((resolve) => booted.server.once('drain', resolve));
    const closed = booted.app.close();
    await draining;
    expect(await healthOf(booted)).toMatchObject({
      code: 503,
      pools: { status: 'down', server: { state: 'draining', reason: 'draining' } },
    });
    held.destroy();
    await closed;
    expect(near.client.stats()?.state).toBe('running');
  });
});

describe('/health', () => {
  it('leaves out a role that is not configured', async () => {
    await using booted = await bootHealthy([NpwsModule.forRoot({ server: { listen: LOCAL } })]);
    const { code, pools } = await healthOf(booted);
    expect(code).toBe(200);
    expect(Object.keys(pools as object).sort()).toEqual(['server', 'status']);
  });

  it('is 503 when a pool is closed', async () => {
    await using booted = await bootHealthy([NpwsModule.forRoot({ server: { listen: LOCAL } })]);
    await booted.server.close();
    expect(await healthOf(booted)).toMatchObject({
      code: 503,
      pools: { status: 'down', server: { state: 'closed', reason: 'closed' } },
    });
  });

  it('is 503 until a server listens, and again when its listener stops', async () => {
    const { listener } = await listenAnywhere();
    await using booted = await bootHealthy([NpwsModule.forRoot({ server: { listener, autoStart: false } })]);
    const down = { code: 503, pools: { status: 'down', server: { reason: 'not listening' } } };
    expect(await healthOf(booted)).toMatchObject(down);
    await booted.server.start();
    expect(await healthOf(booted)).toMatchObject({ code: 200 });
    listener.close();
    await once(listener, 'close');
    await until(booted.server, () => !booted.server.ready());
    expect(await healthOf(booted)).toMatchObject(down);
  });

  it('is 503 while the only server of a client is down, and 200 when it is back', async () => {
    const port = await freePort();
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ client: quickClient(port, { maxBackoff: 100 }) }),
    ]);
    await until(booted.client, () => booted.client.errorCount() > 0);
    expect(await healthOf(booted)).toMatchObject({
      code: 503,
      pools: {
        status: 'down',
        client: { active: 0, reason: expect.stringContaining('ECONNREFUSED') },
      },
    });
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: { host: '127.0.0.1', port }, maxCapacity: 9 } })],
    });
    await booted.client.whenReady();
    expect(far.server.ready()).toBe(true);
    const { code, pools } = await healthOf(booted);
    expect(code).toBe(200);
    // The errors of the outage are told, but keep nothing down.
    expect((pools as { client: { errors: number } }).client.errors).toBeGreaterThan(0);
  });

  it('stays 200 for a client that uses all its connections while new dials fail', async () => {
    const far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 1 } })],
    });
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ client: quickClient(far.poolPort, { minCapacity: 1, maxCapacity: 1 }) }),
    ]);
    const held = await booted.client.incomingGet();
    const atServer = await far.server.outgoingGet(held.id);
    const draining = far.app.close();
    await until(booted.client, () => booted.client.stats()?.lastDialError !== null);
    expect(booted.client.stats()).toMatchObject({ used: 1 });
    expect(await healthOf(booted)).toMatchObject({ code: 200 });
    atServer.destroy();
    await draining;
  });

  it('is 503 when there are more errors than maxErrors allows, until they are reset', async () => {
    await using booted = await bootHealthy([NpwsModule.forRoot({ server: { listen: LOCAL, maxErrors: 1 } })]);
    booted.server.addError();
    expect(await healthOf(booted)).toMatchObject({ code: 200 });
    booted.server.addError(new Error('one too many'));
    expect(await healthOf(booted)).toMatchObject({
      code: 503,
      pools: { status: 'down', server: { errors: 2, reason: '2 errors, more than maxErrors (1)' } },
    });
    booted.server.resetError();
    expect(await healthOf(booted)).toMatchObject({ code: 200 });
  });

  it('is not moved by strangers that are refused', async () => {
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ server: { listen: LOCAL, clientIP: '192.0.2.1', maxErrors: 0 } }),
    ]);
    const stranger = await connectRaw(booted.poolPort);
    expect(await stranger.upgrade()).toMatch(/^HTTP\/1.1 403 /);
    expect(booted.server.stats()).toMatchObject({ rejected: 1, errors: 0 });
    expect(await healthOf(booted)).toMatchObject({ code: 200 });
  });

  it('tells named pools apart', async () => {
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ name: 'well', server: { listen: LOCAL, maxCapacity: 3 } }),
      NpwsModule.forRoot({ name: 'ill', server: { listen: LOCAL, autoStart: false } }),
    ]);
    expect(await healthOf(booted, '?name=well')).toMatchObject({
      code: 200,
      pools: { status: 'degraded', server: { capacity: 3, reason: 'no client is connected' } },
    });
    expect(await healthOf(booted, '?name=ill')).toMatchObject({ code: 503, pools: { status: 'down' } });
  });

  it('is degraded, but 200, while a server has no client', async () => {
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 9 } }),
    ]);
    expect(await healthOf(booted)).toMatchObject({
      code: 200,
      pools: { status: 'degraded', server: { reason: 'no client is connected' } },
    });
    await using near = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(booted.poolPort) })],
    });
    await near.client.whenReady();
    await until(booted.server, () => booted.server.active() > 0);
    expect(await healthOf(booted)).toMatchObject({
      code: 200,
      pools: { status: 'up', server: { reason: null } },
    });
  });

  it.each([
    [{ minIdle: 3 }, '2 idle, less than minIdle (3)'],
    [{ maxErrors: 0 }, '1 errors, more than maxErrors (0)'],
    [{ maxPending: 0 }, '1 are waiting, more than maxPending (0)'],
  ])('is 503 when less is there than readiness asks for: %j', async (readiness, reason) => {
    const { listener, port } = await listenAnywhere();
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ server: { listener, maxCapacity: 10 }, client: quickClient(port) }),
    ]);
    const { client } = booted;
    await until(client, () => client.active() === 2);
    const indicator = booted.app.get(NpwsHealthIndicator);
    client.addError();
    const waiting = client.outgoingGet('ffffffff', 60_000).catch((error: unknown) => error);
    const check = indicator.check('pools', { ...readiness, role: 'client' });
    expect(check).toMatchObject({ pools: { status: 'down', client: { reason } } });
    expect(check.pools).not.toHaveProperty('server');
    const limits = { minIdle: 2, maxErrors: 1, maxPending: 1, role: 'client' } as const;
    expect(indicator.check('pools', limits)).toMatchObject({ pools: { status: 'up' } });
    await booted.app.close();
    expect(await waiting).toMatchObject({ code: 'ERR_NPWS_DRAINING' });
  });

  it('refuses limits that are none', async () => {
    await using booted = await bootHealthy([NpwsModule.forRoot({ server: { listen: LOCAL } })]);
    const indicator = booted.app.get(NpwsHealthIndicator);
    expect(() => indicator.check('pools', { minIdle: -1 })).toThrow(
      'readiness.minIdle: expected a whole number',
    );
    expect(() => indicator.check('pools', { minIdel: 1 } as never)).toThrow(
      'readiness.minIdel: unknown option',
    );
  });

  it('tells of liveness what a restart would mend, and nothing of the far side', async () => {
    const { listener } = await listenAnywhere();
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ server: { listener }, client: quickClient(await freePort()) }),
    ]);
    const indicator = booted.app.get(NpwsHealthIndicator);
    await until(booted.client, () => booted.client.errorCount() > 0);
    expect(indicator.check('pools')).toMatchObject({ pools: { status: 'down' } });
    const states = { client: { state: 'running' }, server: { state: 'running' } };
    expect(indicator.live('pools')).toEqual({ pools: { status: 'up', ...states } });
    listener.close();
    await until(booted.server, () => !booted.server.ready());
    expect(indicator.live('pools')).toEqual({ pools: { status: 'down', ...states } });
    await booted.app.close();
    expect(indicator.live('pools')).toMatchObject({ pools: { status: 'up', server: { state: 'closed' } } });
    expect(indicator.live('pools', 'nobody')).toMatchObject({ pools: { status: 'down' } });
  });

  it.each([
    ['a name that nobody registered', '?name=nobody', 'nobody'],
    ['the unnamed pools when there are only named ones', '', 'default'],
    ['a module with neither role', '?name=empty', 'empty'],
  ])('is down, and throws nothing, for %s', async (_, query, name) => {
    await using booted = await bootHealthy([
      NpwsModule.forRoot({ name: 'other', server: { listen: LOCAL } }),
      NpwsModule.forRoot({ name: 'empty' }),
    ]);
    expect(await healthOf(booted, query)).toEqual({
      code: 503,
      pools: { status: 'down', message: `no pool is configured under the name '${name}'` },
    });
  });
});
