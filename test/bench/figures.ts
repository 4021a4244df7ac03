import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { cpus } from 'node:os';
import { connect as connectTls, createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClientPool, createServerPool } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { memoryInUse } from '../support/memory.js';
import { createPair, takeBoth, until } from '../support/pair.js';
import { churn } from './churn.js';
import { ms, quantile, report, spread } from './report.js';
import { receive, send, type Work } from './stream-work.js';

// npm run bench [-- take handShakes ...]: the figures that matter, on loopback and real sockets. Compare ratios, not
// times: machines differ.

const RUNS = 5;
const MEBIBYTE = 2 ** 20;

/** From the moment that an ID lands to the return of the `outgoingGet` that waits for it. */
async function handOver(): Promise<void> {
  await using pair = await createPair({
    tls: true,
    client: { minCapacity: 50, maxCapacity: 50, minInterval: 1, maxInterval: 1 },
  });
  const { client, server } = pair;
  const landed = new Map<string, number>();
  const waits: number[] = [];
  client.on('connect', ({ id }) => landed.set(id, performance.now()));
  const follow = async (id: string): Promise<void> => {
    const connection = await client.outgoingGet(id);
    const at = landed.get(id);
    if (at !== undefined) waits.push(performance.now() - at);
    connection.end();
    connection.resume();
  };
  // The server names a connection in the same step in which it tells this listener: the ID has not landed yet.
  server.on('connect', ({ id }) => void follow(id).catch(() => undefined));
  client.flush();
  await until(client, () => waits.length >= 1_000);
  server.removeAllListeners('connect');
  report(
    'ID landed -> waiting outgoingGet returns, p50 and p99',
    `${ms(quantile(waits, 0.5))}, ${ms(quantile(waits, 0.99))}`,
  );
}

/** Taking connections that are there: any, and each by its ID. */
async function take(): Promise<void> {
  const idle = 1_000;
  const capacity = { minCapacity: idle, maxCapacity: idle };
  const times: number[][] = [[], []];
  for (let run = 0; run < RUNS; run++) {
    await using pair = await createPair({
      tls: true,
      server: { maxCapacity: idle, drainTimeout: 0 },
      client: { ...capacity, drainTimeout: 0 },
    });
    const ids: string[] = [];
    const start = performance.now();
    for (let taken = 0; taken < idle; taken++) ids.push((await pair.server.incomingGet()).id);
    const between = performance.now();
    for (const id of ids) await pair.client.outgoingGet(id);
    times[0]?.push((between - start) / idle);
    times[1]?.push((performance.now() - between) / idle);
  }
  const [any = [], named = []] = times;
  report(
    `take one of ${idle} idle: incomingGet, outgoingGet by ID`,
    `${ms(quantile(any, 0.5))}, ${ms(quantile(named, 0.5))}`,
  );
}

/** What a connection costs before it is of use, both ends in this process. */
async function handShakes(): Promise<void> {
  const { key, cert } = await createCertificate();
  await using server = createServerPool({
    listen: { host: '127.0.0.1', port: 0 },
    tls: { key, cert },
    maxCapacity: 100,
  });
  await server.start();
  const { port = 0 } = server.address() ?? {};
  const tcp = async (): Promise<void> => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  };
  const tls = async (): Promise<void> => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: cert, minVersion: 'TLSv1.3' });
    await once(socket, 'secureConnect');
    socket.destroy();
  };
  const pool = async (): Promise<void> => {
    await using client = createClientPool({ address: `127.0.0.1:${port}`, tls: { ca: cert } });
    await client.start();
    await client.whenReady();
  };
  const times = new Map<string, number[]>();
  for (let run = 0; run < 200; run++) {
    for (const [name, open] of Object.entries({ tcp, tls, pool })) {
      const start = performance.now();
      await open();
      const list = times.get(name) ?? [];
      times.set(name, [...list, performance.now() - start]);
    }
  }
  const median = (name: string): string => ms(quantile(times.get(name) ?? [], 0.5));
  report(
    'hand-shake, median: TCP, TLS 1.3, a pool to its first connection',
    `${median('tcp')}, ${median('tls')}, ${median('pool')}`,
  );
}

/** From taking all idle connections to a full pool. */
async function refill(): Promise<void> {
  await using pair = await createPair({
    tls: true,
    client: { minCapacity: 10, maxCapacity: 10, minInterval: 100, maxInterval: 1_000 },
  });
  const times: number[] = [];
  for (let run = 0; run < 20; run++) {
    const taken = await Promise.all(Array.from({ length: 10 }, () => takeBoth(pair)));
    const start = performance.now();
    await until(pair.client, () => pair.client.active() === 10);
    times.push(performance.now() - start);
    for (const { atServer, atClient } of taken) for (const end of [atServer, atClient]) end.destroy();
    await until(pair.server, () => pair.server.active() === 10 && pair.server.stats().used === 0);
  }
  report('10 of 10 taken -> 10 idle again, minInterval 100, median', ms(quantile(times, 0.5)));
  report('the same, slowest of 20', ms(Math.max(...times)));
}

/** What an idle connection takes of this process, which has both ends. */
async function idle(): Promise<void> {
  const count = 1_000;
  const capacity = { minCapacity: count, maxCapacity: count };
  // What is loaded and allocated once is not theirs.
  await (await createPair({ tls: true }))[Symbol.asyncDispose]();
  const before = (await memoryInUse()).rss;
  await using pair = await createPair({ tls: true, server: { maxCapacity: count }, client: capacity });
  const kib = ((await memoryInUse()).rss - before) / 1024 / pair.client.active();
  report(`one of ${count} idle connections, both ends, of the process`, `${kib.toFixed(0)} KiB`);
}

/** What a stream holds in this process when one end writes and the other does not read. */
async function memory(): Promise<void> {
  const streams = 100;
  const capacity = { minCapacity: streams, maxCapacity: streams };
  await using pair = await createPair({ tls: true, server: { maxCapacity: streams }, client: capacity });
  const taken = await Promise.all(Array.from({ length: streams }, () => takeBoth(pair)));
  const chunk = randomBytes(64 * 1024);
  const used = (): number => process.memoryUsage().arrayBuffers;
  const before = used();
  for (const { atServer } of taken) while (atServer.write(chunk));
  // Kernel buffers take some megabytes: write until nothing moves any more.
  let written = -1;
  const total = (): number => taken.reduce((sum, { atServer }) => sum + atServer.bytesWritten, 0);
  while (written !== total()) {
    written = total();
    await sleep(300);
    for (const { atServer } of taken) if (!atServer.writableNeedDrain) while (atServer.write(chunk));
  }
  const buffered = taken.reduce((sum, { atServer }) => sum + atServer.writableLength, 0) / streams / 1024;
  const held = (used() - before) / streams / 1024;
  report(
    'stalled stream, both ends in one process',
    `${held.toFixed(0)} KiB (of it ${buffered.toFixed(0)} in the writer's stream)`,
  );
  for (const { atServer, atClient } of taken) for (const end of [atServer, atClient]) end.destroy();
}

async function closing(): Promise<void> {
  const idle = 1_000;
  const pair = await createPair({
    tls: true,
    server: { maxCapacity: idle },
    client: { minCapacity: idle, maxCapacity: idle },
  });
  const start = performance.now();
  await pair.server.close();
  report('close with 1,000 idle connections', ms(performance.now() - start));
  await pair.client.close();

  const server = createServerPool({
    listen: { host: '127.0.0.1', port: 0 },
    maxCapacity: 200,
    drainTimeout: 500,
  });
  await server.start();
  const deaf = Array.from({ length: 100 }, () => upgradeAndGoDeaf(server.address()?.port ?? 0));
  await until(server, () => server.active() === 100);
  const held = await Promise.all(Array.from({ length: 50 }, () => server.incomingGet()));
  for (const connection of held) connection.end('nobody reads this');
  const started = performance.now();
  await server.close();
  report('close with 50 idle and 50 used deaf peers, drainTimeout 500', ms(performance.now() - started));
  for (const socket of deaf) socket.destroy();
}

/** A peer that does the hand-shake by hand and never reads. */
function upgradeAndGoDeaf(port: number): Socket {
  const key = randomBytes(16).toString('base64');
  const socket = connect(port, '127.0.0.1').pause();
  socket.on('error', () => undefined);
  socket.write(
    `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  return socket;
}

/** The round trip of 1 B on a connection in use, alone and while strangers ask a full pool for the upgrade. */
async function flood(): Promise<void> {
  await using pair = await createPair({
    server: { maxCapacity: 1 },
    client: { minCapacity: 1, maxCapacity: 1 },
  });
  const { atServer, atClient } = await takeBoth(pair);
  await until(pair.server, () => pair.server.active() === 1);
  atClient.pipe(atClient);
  const trips = async (): Promise<string> => {
    const times: number[] = [];
    for (let i = 0; i < 2_000; i++) {
      const start = performance.now();
      atServer.write('x');
      await once(atServer, 'data');
      times.push(performance.now() - start);
    }
    return `${ms(quantile(times, 0.5))}, ${ms(quantile(times, 0.99))}`;
  };
  await trips();
  report('echo of 1 B in one process, p50 and p99', await trips());
  const strangers = fork(fileURLToPath(new URL('flood-peer.ts', import.meta.url)));
  await once(strangers, 'message');
  strangers.send(pair.server.address()?.port ?? 0);
  await until(pair.server, () => pair.server.stats().rejected > 100);
  const before = pair.server.stats().rejected;
  const start = performance.now();
  const flooded = await trips();
  const rate = ((pair.server.stats().rejected - before) / (performance.now() - start)) * 1000;
  report(`the same beside ${rate.toFixed(0)} refusals (503) a second`, flooded);
  strangers.disconnect();
  await once(strangers, 'exit');
  atServer.destroy();
}

/** One stream of 64 KiB writes between two processes, beside a raw TLS socket; runs alternate. */
async function throughput(): Promise<void> {
  const bytes = 256 * MEBIBYTE;
  const certificate = await createCertificate();
  const peer = fork(fileURLToPath(new URL('throughput-peer.ts', import.meta.url)));
  await once(peer, 'message');
  const rate = async (direction: Work['direction'], isPooled: boolean): Promise<number> => {
    const run = isPooled ? pooledRun : rawRun;
    return (
      bytes /
      MEBIBYTE /
      (await run(certificate, direction, bytes, (port) => peer.send({ port, direction, bytes, isPooled })))
    );
  };
  for (const direction of ['up', 'down'] as const) {
    const ratios: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const order = run % 2 === 0 ? [true, false] : [false, true];
      const rates = new Map<boolean, number>();
      for (const isPooled of order) rates.set(isPooled, await rate(direction, isPooled));
      ratios.push((rates.get(true) ?? NaN) / (rates.get(false) ?? NaN));
    }
    const way = direction === 'up' ? 'client to server' : 'server to client';
    report(
      `64 KiB writes over TLS, ${way}, of raw TLS`,
      spread(ratios, (ratio) => ratio.toFixed(2)),
    );
  }
  peer.kill();
}

type Certificate = Awaited<ReturnType<typeof createCertificate>>;

/** Seconds from the first byte's way to the last byte read. */
async function pooledRun(
  tls: Certificate,
  direction: Work['direction'],
  bytes: number,
  go: (port: number) => void,
): Promise<number> {
  await using pool = createServerPool({ listen: { host: '127.0.0.1', port: 0 }, tls });
  await pool.start();
  go(pool.address()?.port ?? 0);
  const connection = await pool.outgoingGet('00000000');
  const start = performance.now();
  await (direction === 'up' ? receive(connection, bytes) : send(connection, bytes));
  return (performance.now() - start) / 1000;
}

async function rawRun(
  tls: Certificate,
  direction: Work['direction'],
  bytes: number,
  go: (port: number) => void,
): Promise<number> {
  const server = createServer({ ...tls, minVersion: 'TLSv1.3' }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  go((server.address() as AddressInfo).port);
  const [socket] = (await once(server, 'secureConnection')) as [Socket];
  const start = performance.now();
  await (direction === 'up' ? receive(socket, bytes) : send(socket, bytes));
  const seconds = (performance.now() - start) / 1000;
  socket.destroy();
  server.close();
  return seconds;
}

console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}\n`);
const measures = { take, handShakes, handOver, refill, idle, memory, closing, flood, throughput, churn };
const only = process.argv.slice(2);
for (const [name, measure] of Object.entries(measures)) {
  if (only.length === 0 || only.includes(name)) await measure();
}
