import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { observePools } from 'nestjs-npws/opentelemetry';
import { type MeasuredPool, registerPools } from 'nestjs-npws/prometheus';
import { Registry } from 'prom-client';

/** How often the metrics are collected, in milliseconds: oftener than anybody does. */
const PERIOD = 1_000;

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** Has both Prometheus and OpenTelemetry watch a pool, until it closes. */
export function watch(pool: MeasuredPool): void {
  const registry = new Registry();
  registerPools(registry, [pool]);
  const reader = new Reader();
  observePools(new MeterProvider({ readers: [reader] }).getMeter('bench'), [pool]);
  const timer = setInterval(() => {
    void Promise.all([registry.metrics(), reader.collect()]);
  }, PERIOD);
  pool.once('close', () => {
    clearInterval(timer);
  });
}
