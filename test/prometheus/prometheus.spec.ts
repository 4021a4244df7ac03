import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Header, Inject, Module } from '@nestjs/common';
import { NpwsModule, type ServerPoolService } from 'nestjs-npws';
import { type AnyRegistry, NpwsPrometheusModule, registerPools } from 'nestjs-npws/prometheus';
import { createMemoryPools } from 'nestjs-npws/testing';
import { Counter, Registry } from 'prom-client';
import { boot, LOCAL, quickClient } from '../support/apps.js';
import { createPair, takeBoth, until } from '../support/pair.js';

/** The value of a series in a scrape, or undefined when it is not there. */
function valueIn(scrape: string, series: string): number | undefined {
  const line = scrape.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Names of metrics that a scrape has series of. */
function namesIn(scrape: string): string[] {
  return [
    ...new Set([...scrape.matchAll(/^(npws_\w+?)(?:_bucket|_sum|_count)?\{/gm)].map(([, name = '']) => name)),
  ];
}

const CLIENT = 'pool="default",role="client"';
const SERVER = 'pool="default",role="server"';

describe('a scrape of Prometheus', () => {
  it('tells what stats() tells, of each pool by name and role', async () => {
    const registry = new Registry();
    await using pair = await createPair({ client: { minCapacity: 4, maxCapacity: 4 } });
    registerPools(registry, [pair.client, pair.server]);
    const { atServer, atClient } = await takeBoth(pair);
    atServer.end(Buffer.alloc(100_000));
    atClient.end();
    await Promise.all([buffer(atClient), buffer(atServer)]);
    await until(pair.client, () => pair.client.stats().used === 0);
    const { server } = pair;
    await expect(server.outgoingGet('ffffffff', 0)).rejects.toThrow('within 0 ms');
    server.addError();
    server.resetError();

    const scrape = await registry.metrics();
    const stats = server.stats();
    expect(valueIn(scrape, `npws_connections{${SERVER},state="idle"}`)).toBe(stats.active);
    expect(valueIn(scrape, `npws_connections{${SERVER},state="used"}`)).toBe(stats.used);
    expect(valueIn(scrape, `npws_connections{${CLIENT},state="idle"}`)).toBe(pair.client.active());
    expect(valueIn(scrape, `npws_connection_capacity{${CLIENT}}`)).toBe(4);
    expect(valueIn(scrape, `npws_connection_min{${CLIENT}}`)).toBe(4);
    expect(valueIn(scrape, `npws_connection_max{${SERVER}}`)).toBe(100);
    expect(valueIn(scrape, `npws_dial_interval_seconds{${CLIENT}}`)).toBe(pair.client.interval() / 1_000);
    expect(valueIn(scrape, `npws_takes_total{${SERVER},outcome="immediate"}`)).toBe(1);
    expect(valueIn(scrape, `npws_takes_total{${SERVER},outcome="timeout"}`)).toBe(1);
    expect(valueIn(scrape, `npws_io_bytes_total{${SERVER},direction="sent"}`)).toBe(100_000);
    expect(valueIn(scrape, `npws_io_bytes_total{${CLIENT},direction="received"}`)).toBe(100_000);
    expect(valueIn(scrape, `npws_errors_total{${SERVER}}`)).toBe(1);
    expect(valueIn(scrape, `npws_connection_wait_time_seconds_count{${SERVER}}`)).toBe(1);
    expect(valueIn(scrape, `npws_connection_wait_time_seconds_bucket{${SERVER},le="+Inf"}`)).toBe(1);
    expect(valueIn(scrape, `npws_connection_create_time_seconds_count{${CLIENT}}`)).toBe(stats.opened);
    const sum = valueIn(scrape, `npws_connection_use_time_seconds_sum{${CLIENT}}`);
    expect(sum).toBeCloseTo(pair.client.stats().times.use.sum / 1_000, 9);
    expect(sum).toBeGreaterThan(0);
  });

  it('has every metric under the name that is documented, and no ID or address in any label', async () => {
    const registry = new Registry();
    await using pair = await createPair();
    registerPools(registry, [pair.client]);
    const { atServer } = await takeBoth(pair);
    const scrape = await registry.metrics();
    expect(namesIn(scrape)).toEqual([
      'npws_connections', 'npws_connection_capacity', 'npws_connection_min', 'npws_connection_max',
      'npws_connection_pending_requests', 'npws_dial_interval_seconds', 'npws_connections_opened_total',
      'npws_connections_closed_total', 'npws_connections_reused_total', 'npws_takes_total', 'npws_dial_failures_total',
      'npws_upgrade_rejections_total', 'npws_io_bytes_total', 'npws_errors_total', 'npws_connection_wait_time_seconds',
      'npws_connection_create_time_seconds', 'npws_connection_use_time_seconds', 'npws_connection_ping_time_seconds',
    ]); // prettier-ignore
    // A time may read 0.0000000012.
    const labels = scrape.replaceAll(/ \S+$/gm, '');
    expect(labels).not.toContain(atServer.id);
    expect(labels).not.toContain('127.0.0.1');
    atServer.destroy();
  });

  it('tells no more of a pool that is closed', async () => {
    const registry = new Registry();
    await using pools = await createMemoryPools();
    registerPools(registry, [pools.client, pools.server]);
    expect(await registry.metrics()).toContain(`{${CLIENT},`);
    await pools.client.close();
    const scrape = await registry.metrics();
    expect(scrape).not.toContain(`{${CLIENT}`);
    expect(scrape).toContain(`{${SERVER}`);
    await pools.server.close();
    registerPools(registry, [pools.client]);
    expect(namesIn(await registry.metrics())).toEqual([]);
  });

  it('adds up pools of one name and role, and takes each but once', async () => {
    const registry = new Registry();
    await using one = await createPair({ client: { minCapacity: 2, maxCapacity: 2 } });
    await using other = await createPair({ client: { minCapacity: 3, maxCapacity: 3 } });
    registerPools(registry, [one.client]);
    registerPools(registry, [one.client, other.client]);
    const scrape = await registry.metrics();
    expect(valueIn(scrape, `npws_connections{${CLIENT},state="idle"}`)).toBe(5);
    expect(valueIn(scrape, `npws_connection_create_time_seconds_count{${CLIENT}}`)).toBe(5);
    expect(valueIn(scrape, `npws_connection_create_time_seconds_bucket{${CLIENT},le="100"}`)).toBe(5);
    expect(
      scrape.split('\n').filter((line) => line.startsWith(`npws_connection_capacity{${CLIENT}}`)),
    ).toHaveLength(1);
  });

  it('comes back when the registry was cleared, and does not mind a reset', async () => {
    const registry = new Registry();
    await using pools = await createMemoryPools();
    registerPools(registry, [pools.client]);
    registry.clear();
    registerPools(registry, [pools.client]);
    registry.resetMetrics();
    expect(valueIn(await registry.metrics(), `npws_connection_capacity{${CLIENT}}`)).toBe(
      pools.client.capacity(),
    );
  });

  it('is proper OpenMetrics too, again and again', async () => {
    const registry: AnyRegistry = new Registry();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    await using pools = await createMemoryPools();
    registerPools(registry, [pools.client]);
    for (let scrapes = 0; scrapes < 2; scrapes++) {
      const scrape = await registry.metrics();
      expect(scrape).toContain('# TYPE npws_takes counter');
      expect(valueIn(scrape, `npws_takes_total{${CLIENT},outcome="waited"}`)).toBe(0);
    }
    registerPools(registry, [pools.server]);
  });

  it('never replaces what somebody else has under its names', () => {
    const registry = new Registry();
    new Counter({ name: 'npws_errors_total', help: 'mine', registers: [registry] });
    expect(() => {
      registerPools(registry, []);
    }).toThrow("the registry has a metric named 'npws_errors_total' already, which is not of nestjs-npws");
    expect(registry.getMetricsAsArray()).toHaveLength(1);
  });
});

const REGISTRY = Symbol('REGISTRY');

@Module({ providers: [{ provide: REGISTRY, useFactory: () => new Registry() }], exports: [REGISTRY] })
class RegistryModule {}

@Controller()
class MetricsController {
  constructor(@Inject(REGISTRY) private readonly registry: Registry) {}

  @Get('metrics')
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  scrape(): Promise<string> {
    return this.registry.metrics();
  }
}

describe('the module for Prometheus', () => {
  it('finds every pool of the application, those of several modules with their names', async () => {
    await using booted = await boot({
      imports: [
        NpwsModule.forRoot({ server: { listen: LOCAL } }),
        NpwsModule.forRoot({ name: 'edge', server: { listen: LOCAL }, client: quickClient(1) }),
        RegistryModule,
        NpwsPrometheusModule.forRootAsync({
          imports: [RegistryModule],
          inject: [REGISTRY],
          useFactory: (registry: Registry) => ({ registry }),
        }),
      ],
      controllers: [MetricsController],
    });
    const response = await fetch(`${booted.url}/metrics`);
    const scrape = await response.text();
    const capacities = scrape.split('\n').filter((line) => line.startsWith('npws_connection_max{'));
    expect(capacities).toEqual([
      'npws_connection_max{pool="default",role="server"} 1',
      'npws_connection_max{pool="edge",role="client"} 2',
      'npws_connection_max{pool="edge",role="server"} 1',
    ]);
    const registry = booted.app.get<Registry>(REGISTRY, { strict: false });
    await booted.app.close();
    expect(namesIn(await registry.metrics())).toEqual([]);
  });

  it('uses the registry of prom-client unless it is given one', async () => {
    const { register } = await import('prom-client');
    const booted = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL } }), NpwsPrometheusModule.forRoot()],
    });
    expect(await register.metrics()).toContain('npws_connection_max{pool="default",role="server"} 1');
    const pool: ServerPoolService = booted.server;
    await booted.app.close();
    expect(pool.stats()?.state).toBe('closed');
    register.clear();
  });
});
