import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import { NpwsModule } from 'nestjs-npws';
import { NpwsOpenTelemetryModule, observePools } from 'nestjs-npws/opentelemetry';
import { createMemoryPools } from 'nestjs-npws/testing';
import { boot, LOCAL } from '../support/apps.js';
import { createPair, takeBoth, until } from '../support/pair.js';

/** Collects when it is asked. */
class Reader extends MetricReader {
  /** The data points of each metric by name. */
  async read(): Promise<Map<string, DataPoint<unknown>[]>> {
    const { resourceMetrics, errors } = await this.collect();
    expect(errors).toEqual([]);
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]));
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

function createProvider(temporality = AggregationTemporality.CUMULATIVE): {
  provider: MeterProvider;
  reader: Reader;
} {
  const reader = new Reader({ aggregationTemporalitySelector: () => temporality });
  return { provider: new MeterProvider({ readers: [reader] }), reader };
}

/** The value of the point with these attributes. */
function valueOf(points: DataPoint<unknown>[] | undefined, attributes: Record<string, string>): unknown {
  return points?.find((point) => JSON.stringify(point.attributes) === JSON.stringify(attributes))?.value;
}

const CLIENT = { pool: 'default', role: 'client' };
const SERVER = { pool: 'default', role: 'server' };

describe('the metrics of OpenTelemetry', () => {
  it('tell what stats() tells, times in seconds', async () => {
    const { provider, reader } = createProvider();
    await using pair = await createPair({ client: { minCapacity: 4, maxCapacity: 4 } });
    const meter = provider.getMeter('test');
    observePools(meter, [pair.client]);
    observePools(meter, [pair.server, pair.client]);
    const { atServer, atClient } = await takeBoth(pair);
    atServer.end(Buffer.alloc(100_000));
    atClient.end();
    await Promise.all([buffer(atClient), buffer(atServer)]);
    await until(pair.client, () => pair.client.stats().used === 0);

    const metrics = await reader.read();
    const { active, opened, times } = pair.client.stats();
    expect(valueOf(metrics.get('npws.connection.count'), { ...CLIENT, state: 'idle' })).toBe(active);
    expect(valueOf(metrics.get('npws.connection.capacity'), CLIENT)).toBe(4);
    expect(valueOf(metrics.get('npws.connection.opened'), CLIENT)).toBe(opened);
    expect(valueOf(metrics.get('npws.take.count'), { ...SERVER, outcome: 'immediate' })).toBe(1);
    expect(valueOf(metrics.get('npws.io'), { ...SERVER, direction: 'sent' })).toBe(100_000);
    const use = valueOf(metrics.get('npws.connection.use_time'), CLIENT) as Histogram;
    expect(use.count).toBe(1);
    expect(use.sum).toBeCloseTo(times.use.sum / 1_000, 9);
    expect(use.buckets.boundaries[0]).toBe(0.0001);
    expect([...metrics.keys()]).toEqual([
      'npws.connection.count', 'npws.connection.capacity', 'npws.connection.min', 'npws.connection.max',
      'npws.connection.pending_requests', 'npws.dial.interval', 'npws.connection.opened', 'npws.connection.closed',
      'npws.connection.reused', 'npws.take.count', 'npws.dial.failures', 'npws.upgrade.rejections', 'npws.io',
      'npws.errors', 'npws.connection.wait_time', 'npws.connection.use_time',
    ]); // prettier-ignore
    await provider.shutdown();
  });

  it('tell no more of a pool that is closed', async () => {
    // With the other temporality the SDK goes on telling what it was told last.
    const { provider, reader } = createProvider(AggregationTemporality.DELTA);
    await using pools = await createMemoryPools();
    observePools(provider.getMeter('test'), [pools.client, pools.server]);
    await pools.client.close();
    expect(valueOf((await reader.read()).get('npws.connection.max'), CLIENT)).toBeUndefined();
    expect(valueOf((await reader.read()).get('npws.connection.max'), SERVER)).toBe(
      pools.server.stats().maxCapacity,
    );
    expect(pools.client.listenerCount('timed')).toBe(0);
    await pools.server.close();
    expect((await reader.read()).get('npws.connection.max')).toBeUndefined();
    await provider.shutdown();
  });

  it('come of every pool of an application, by the provider given', async () => {
    const { provider, reader } = createProvider();
    await using booted = await boot({
      imports: [
        NpwsModule.forRoot({ name: 'a', server: { listen: LOCAL } }),
        NpwsModule.forRoot({ name: 'b', server: { listen: LOCAL, maxCapacity: 7 } }),
        NpwsOpenTelemetryModule.forRoot({ meterProvider: provider }),
      ],
    });
    const metrics = await reader.read();
    expect(valueOf(metrics.get('npws.connection.max'), { pool: 'a', role: 'server' })).toBe(1);
    expect(valueOf(metrics.get('npws.connection.max'), { pool: 'b', role: 'server' })).toBe(7);
    await booted.app.close();
    await provider.shutdown();
  });

  it('go nowhere while OpenTelemetry is not set up', async () => {
    await using booted = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL } }), NpwsOpenTelemetryModule.forRoot()],
    });
    expect(booted.server.ready()).toBe(true);
  });
});
