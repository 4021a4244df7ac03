import type { Timed } from '../core/measures.js';
import type { PoolStats } from '../core/stats.js';

/** A number to export, with the value of its own label if it has one. */
export type Reading = readonly [value: number, label?: string];

/** What exporters tell of every pool. Names and units are OpenTelemetry's; `inPrometheus` is what Prometheus makes of them. */
export interface Instrument {
  readonly name: string;
  readonly inPrometheus: string;
  /** A gauge goes up and down, a counter only up. */
  readonly kind: 'gauge' | 'counter';
  /** UCUM, as OpenTelemetry wants it. */
  readonly unit: string;
  readonly description: string;
  /** The label that tells its readings apart, besides `pool` and `role`. */
  readonly label?: string;
  read(stats: PoolStats): readonly Reading[];
}

/** A histogram that exporters tell of every pool, in seconds. */
export interface TimeInstrument {
  readonly name: string;
  readonly inPrometheus: string;
  readonly description: string;
  readonly what: Timed;
}

function byLabel(counts: Readonly<Record<string, number>>): Reading[] {
  return Object.entries(counts).map(([label, count]) => [count, label]);
}

export const INSTRUMENTS: readonly Instrument[] = [
  {
    name: 'npws.connection.count',
    inPrometheus: 'npws_connections',
    kind: 'gauge',
    unit: '{connection}',
    description:
      'Connections by state: idle, owed (their peer has begun, nobody has taken them yet), used, connecting.',
    label: 'state',
    read: ({ active, owed, used, connecting }) => byLabel({ idle: active, owed, used, connecting }),
  },
  {
    name: 'npws.connection.capacity',
    inPrometheus: 'npws_connection_capacity',
    kind: 'gauge',
    unit: '{connection}',
    description: 'How many idle connections a client aims at; the maximum of a server.',
    read: ({ capacity }) => [[capacity]],
  },
  {
    name: 'npws.connection.min',
    inPrometheus: 'npws_connection_min',
    kind: 'gauge',
    unit: '{connection}',
    description: 'The least that the capacity may be.',
    read: ({ minCapacity }) => [[minCapacity]],
  },
  {
    name: 'npws.connection.max',
    inPrometheus: 'npws_connection_max',
    kind: 'gauge',
    unit: '{connection}',
    description: 'The most connections that may be idle.',
    read: ({ maxCapacity }) => [[maxCapacity]],
  },
  {
    name: 'npws.connection.pending_requests',
    inPrometheus: 'npws_connection_pending_requests',
    kind: 'gauge',
    unit: '{request}',
    description: 'Gets that wait for a connection.',
    read: ({ waiting }) => [[waiting]],
  },
  {
    name: 'npws.dial.interval',
    inPrometheus: 'npws_dial_interval_seconds',
    kind: 'gauge',
    unit: 's',
    description: 'The pause between two rounds of dialling; 0 for a server.',
    read: ({ interval }) => [[interval / 1_000]],
  },
  {
    name: 'npws.connection.opened',
    inPrometheus: 'npws_connections_opened_total',
    kind: 'counter',
    unit: '{connection}',
    description: 'Links (WebSockets) that were set up.',
    read: ({ opened }) => [[opened]],
  },
  {
    name: 'npws.connection.closed',
    inPrometheus: 'npws_connections_closed_total',
    kind: 'counter',
    unit: '{connection}',
    description: 'Links that were closed, by reason.',
    label: 'reason',
    read: ({ closed }) => byLabel(closed),
  },
  {
    name: 'npws.connection.reused',
    inPrometheus: 'npws_connections_reused_total',
    kind: 'counter',
    unit: '{connection}',
    description: 'How often a link came back from a use and served again, without a hand-shake.',
    read: ({ reused }) => [[reused]],
  },
  {
    name: 'npws.take.count',
    inPrometheus: 'npws_takes_total',
    kind: 'counter',
    unit: '{request}',
    description: 'Gets, by outcome: immediate, waited, timeout, aborted, refused.',
    label: 'outcome',
    read: ({ takes }) => byLabel(takes),
  },
  {
    name: 'npws.dial.failures',
    inPrometheus: 'npws_dial_failures_total',
    kind: 'counter',
    unit: '{dial}',
    description: 'Dials that failed, by reason.',
    label: 'reason',
    read: ({ dialFailures }) => byLabel(dialFailures),
  },
  {
    name: 'npws.upgrade.rejections',
    inPrometheus: 'npws_upgrade_rejections_total',
    kind: 'counter',
    unit: '{request}',
    description: 'Strangers refused before the upgrade, by reason.',
    label: 'reason',
    read: ({ rejections }) => byLabel(rejections),
  },
  {
    name: 'npws.io',
    inPrometheus: 'npws_io_bytes_total',
    kind: 'counter',
    unit: 'By',
    description: 'Payload of connections in use, by direction: received, sent.',
    label: 'direction',
    read: ({ bytes: { received, sent } }) => byLabel({ received, sent }),
  },
  {
    name: 'npws.errors',
    inPrometheus: 'npws_errors_total',
    kind: 'counter',
    unit: '{error}',
    description: 'What the application added and what failed of our own: dials, hand-shakes, the listener.',
    read: ({ errorsEver }) => [[errorsEver]],
  },
];

export const TIME_INSTRUMENTS: readonly TimeInstrument[] = [
  {
    name: 'npws.connection.wait_time',
    inPrometheus: 'npws_connection_wait_time_seconds',
    description: 'How long gets waited for their connection, those that had it at once included.',
    what: 'wait',
  },
  {
    name: 'npws.connection.create_time',
    inPrometheus: 'npws_connection_create_time_seconds',
    description: 'How long dials took that succeeded, from the name of the host to the first ID.',
    what: 'dial',
  },
  {
    name: 'npws.connection.use_time',
    inPrometheus: 'npws_connection_use_time_seconds',
    description: 'How long connections were in use.',
    what: 'use',
  },
  {
    name: 'npws.connection.ping_time',
    inPrometheus: 'npws_connection_ping_time_seconds',
    description: 'How long pongs took to come back.',
    what: 'ping',
  },
];
