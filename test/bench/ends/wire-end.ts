import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyPair } from '../../support/certificates.js';
import { serve } from '../child.js';
import { quantile } from '../quantile.js';
import { type ClientEnd, KINDS, type ServerEnd } from './kinds.js';
import { receive, send } from './payload.js';

// One end of connections of some kind, in a process of its own: opens them, carries bytes over them, times.

let server: ServerEnd | undefined;
let client: ClientEnd | undefined;
let taken: Duplex[] = [];

const handlers = {
  async listen(
    kind: keyof typeof KINDS,
    tls: KeyPair,
    capacity: number,
    keepAlive?: number,
  ): Promise<number> {
    server = await KINDS[kind].listen(tls, capacity, keepAlive);
    return server.port;
  },

  dial(kind: keyof typeof KINDS, port: number, ca: string, capacity: number, keepAlive?: number): void {
    client = KINDS[kind].dial(port, ca, capacity, keepAlive);
  },

  /** Dials until so many are idle. */
  async fill(count: number): Promise<void> {
    await client?.fill(count);
  },

  async holds(count: number): Promise<void> {
    await server?.holds(count);
  },

  /** Server: takes any. Their names, and the microseconds that one took. */
  async next(count: number): Promise<{ ids: string[]; each: number }> {
    const ids: string[] = [];
    taken = [];
    const start = performance.now();
    for (let i = 0; server && i < count; i++) {
      const { id, stream } = await server.next();
      ids.push(id);
      taken.push(stream);
    }
    return { ids, each: ((performance.now() - start) * 1000) / count };
  },

  /** Client: takes those. The microseconds that one took. */
  async take(ids: readonly string[]): Promise<number> {
    taken = [];
    const start = performance.now();
    for (const id of ids) if (client) taken.push(await client.take(id));
    return ((performance.now() - start) * 1000) / ids.length;
  },

  /** Sends or receives on each of those that were taken. When each began to send, or had all. */
  carry(ways: readonly ('send' | 'receive')[], bytes: number, size: number, sum: number): Promise<number[]> {
    return Promise.all(
      ways.map((way, i) => {
        const stream = taken[i] as Duplex;
        return way === 'send' ? send(stream, bytes, size) : receive(stream, bytes, sum);
      }),
    );
  },

  /** Sends back whatever comes on the first one. */
  echo(): void {
    const [stream] = taken;
    stream?.on('data', (chunk: Buffer) => stream.write(chunk));
  },

  /** Round trips on the first one: p50 and p99 in microseconds. */
  async trips(bytes: number, times: number): Promise<{ p50: number; p99: number }> {
    const [stream] = taken as [Duplex];
    const message = Buffer.alloc(bytes, 'x');
    let missing = 0;
    let back: () => void = () => undefined;
    stream.on('data', (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing === 0) back();
    });
    const spans: number[] = [];
    for (let trip = 0; trip < times; trip++) {
      const start = performance.now();
      missing = bytes;
      stream.write(message);
      await new Promise<void>((resolve) => (back = resolve));
      spans.push((performance.now() - start) * 1000);
    }
    return { p50: quantile(spans, 0.5), p99: quantile(spans, 0.99) };
  },

  /** Does nothing for a while; the p99 of how late its event loop was meanwhile, in milliseconds. */
  async delay(span: number): Promise<number> {
    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    await sleep(span);
    histogram.disable();
    // What it measures includes its own resolution.
    return histogram.percentile(99) / 1e6 - 1;
  },

  /** Drops what was taken, and with it all that is idle. */
  async close(): Promise<void> {
    for (const stream of taken) stream.destroy();
    taken = [];
    await Promise.all([client?.close(), server?.close()]);
    client = server = undefined;
  },
};

export type WireHandlers = typeof handlers;

serve(handlers);
