import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { createClientPool, createServerPool } from 'nestjs-npws';
import { createCertificate } from '../../support/certificates.js';
import { createPair, takeBoth, until } from '../../support/pair.js';
import { upgradeRequest } from '../../support/raw-peer.js';
import { serve } from '../child.js';
import { quantile } from '../quantile.js';

// Works with both ends in one process: how long something takes, or what it holds.

const HOST = '127.0.0.1';

/** How a connection comes about, and how long until it is of use. */
const OPENINGS = {
  pool: async (port: number, ca: string) => {
    await using client = createClientPool({ address: `${HOST}:${port}`, tls: { ca } });
    await client.start();
    await client.whenReady();
  },
  tls: async (port: number, ca: string) => {
    const socket = connectTls({ port, host: HOST, ca, minVersion: 'TLSv1.3' });
    await once(socket, 'secureConnect');
    socket.destroy();
  },
  tcp: async (port: number) => {
    const socket = connect(port, HOST);
    await once(socket, 'connect');
    socket.destroy();
  },
} as const;

/** A server to be dialled, and who vouches for it. */
interface Served {
  readonly port: number;
  readonly ca: string;
}

let served: Promise<Served> | undefined;

async function listen(): Promise<Served> {
  const { key, cert } = await createCertificate();
  const server = createServerPool({ listen: { host: HOST, port: 0 }, tls: { key, cert }, maxCapacity: 100 });
  await server.start();
  return { port: server.address()?.port ?? 0, ca: cert };
}

const handlers = {
  /** The median time of opening one, in milliseconds. */
  async open(how: keyof typeof OPENINGS, times: number): Promise<number> {
    const { port, ca } = await (served ??= listen());
    const spans: number[] = [];
    for (let i = 0; i < times; i++) {
      const start = performance.now();
      await OPENINGS[how](port, ca);
      spans.push(performance.now() - start);
    }
    return quantile(spans, 0.5);
  },

  /** From taking all of ten idle connections to ten idle ones, in milliseconds. */
  async refill(times: number): Promise<{ median: number; slowest: number }> {
    await using pair = await createPair({
      tls: true,
      client: { minCapacity: 10, maxCapacity: 10, minInterval: 100, maxInterval: 1_000 },
    });
    const spans: number[] = [];
    for (let i = 0; i < times; i++) {
      const taken = await Promise.all(Array.from({ length: 10 }, () => takeBoth(pair)));
      const start = performance.now();
      await until(pair.client, () => pair.client.active() === 10);
      spans.push(performance.now() - start);
      for (const { atServer, atClient } of taken) for (const end of [atServer, atClient]) end.destroy();
      await until(pair.server, () => pair.server.active() === 10 && pair.server.stats().used === 0);
    }
    return { median: quantile(spans, 0.5), slowest: Math.max(...spans) };
  },

  /** What a stream holds that one end writes to and the other does not read, in KiB. */
  async stalled(streams: number): Promise<number> {
    const capacity = { minCapacity: streams, maxCapacity: streams };
    await using pair = await createPair({ tls: true, server: { maxCapacity: streams }, client: capacity });
    const taken = await Promise.all(Array.from({ length: streams }, () => takeBoth(pair)));
    const chunk = randomBytes(64 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    // Kernel buffers take some megabytes: write until nothing moves any more.
    for (let written = -1, total = 0; written !== total;) {
      for (const { atServer } of taken) if (!atServer.writableNeedDrain) while (atServer.write(chunk));
      await sleep(100);
      written = total;
      total = taken.reduce((sum, { atServer }) => sum + atServer.bytesWritten, 0);
    }
    const held = (process.memoryUsage().arrayBuffers - before) / streams / 1024;
    for (const { atServer, atClient } of taken) for (const end of [atServer, atClient]) end.destroy();
    return held;
  },

  /** How long `close()` takes with so many idle connections, in milliseconds. */
  async closeIdle(idle: number): Promise<number> {
    const capacity = { minCapacity: idle, maxCapacity: idle };
    const { server, client } = await createPair({
      tls: true,
      server: { maxCapacity: idle },
      client: capacity,
    });
    const start = performance.now();
    await server.close();
    const span = performance.now() - start;
    await client.close();
    return span;
  },

  /** The same with 50 idle and 50 used connections whose peers never read, and `drainTimeout` 500. */
  async closeDeaf(): Promise<number> {
    const server = createServerPool({ listen: { host: HOST, port: 0 }, maxCapacity: 200, drainTimeout: 500 });
    await server.start();
    const deaf = Array.from({ length: 100 }, () => upgradeAndGoDeaf(server.address()?.port ?? 0));
    await until(server, () => server.active() === 100);
    const held = await Promise.all(Array.from({ length: 50 }, () => server.incomingGet()));
    for (const connection of held) connection.end('nobody reads this');
    const start = performance.now();
    await server.close();
    const span = performance.now() - start;
    for (const socket of deaf) socket.destroy();
    return span;
  },
};

/** A peer that does the hand-shake by hand and never reads. */
function upgradeAndGoDeaf(port: number): Socket {
  const socket = connect(port, HOST).pause();
  socket.on('error', () => undefined);
  socket.write(upgradeRequest());
  return socket;
}

export type AsideHandlers = typeof handlers;

serve(handlers);
