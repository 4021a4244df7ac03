import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import {
  type ClientPoolOptions,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { freePort } from '../../sample/parts/free-port.js';
import { figures } from '../support/figures.js';
import { PeerProgram } from '../interop/driver.js';
import { OwnPool } from '../interop/own-peer.js';
import { expectSameBytes } from '../interop/same-bytes.js';
import { All } from '../support/all.js';
import { describeUnless } from '../support/describe-unless.js';
import { obstacleUnless } from '../support/obstacle.js';
import { until } from '../support/pair.js';
import { ownProgram } from './own-program.js';

const lines = figures();

/** The default of `maxBackoff`, in milliseconds. */
const MAX_BACKOFF = 5_000;

/** What a dial may take on a busy machine, in milliseconds. */
const DIAL = 250;

/** Limits how many files a process may open; it has raised its own limit when it began. */
function limit(pid: number, files: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);
}

/** A server on a fixed port that can be gone: then who dials is refused by the kernel. Notes when somebody came. */
class Comings implements AsyncDisposable {
  readonly arrivals: number[] = [];
  #pool: ServerPool<PoolConnection> | null = null;

  constructor(
    readonly port: number,
    private readonly capacity: number,
  ) {}

  get pool(): ServerPool<PoolConnection> {
    if (!this.#pool) throw new Error('the server is down');
    return this.#pool;
  }

  async up(): Promise<void> {
    const listener: Server = createServer();
    listener.on('connection', () => this.arrivals.push(performance.now()));
    await once(listener.listen(this.port, '127.0.0.1', 4_096), 'listening');
    this.#pool = createServerPool({ listener, maxCapacity: this.capacity, drainTimeout: 0 });
    await this.#pool.start();
  }

  async down(): Promise<void> {
    await this.#pool?.close();
    this.#pool = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

const withoutLimits = obstacleUnless(['prlimit', '--version'], 'there is no prlimit (util-linux)');
const withoutMounts = obstacleUnless(
  ['unshare', '--mount', 'true'],
  'no mount namespaces: not root, or there is no unshare (util-linux)',
);

describe('a server that is gone', () => {
  it.concurrent('for 60 s costs each pool 30 dials at most, and is found within 5 s of its return', async () => {
    const DOWN = 60_000;
    await using server = new Comings(await freePort(), 100);
    await server.up();
    const options: ClientPoolOptions = { address: `127.0.0.1:${server.port}`, tlsMode: 'none', minCapacity: 10, maxCapacity: 10, drainTimeout: 0 };
    await using clients = new All(Array.from({ length: 5 }, () => createClientPool(options)));
    const dials = clients.each.map(() => 0);
    for (const [index, client] of clients.each.entries()) {
      client.on('dialError', () => (dials[index] = (dials[index] ?? 0) + 1));
      await client.start();
      await until(client, () => client.active() === 10);
    }
    await server.down();
    await pause(DOWN);
    const failed = [...dials];
    const back = performance.now();
    await server.up();
    await Promise.all(clients.each.map((client) => once(client, 'recover')));
    const found = performance.now() - back;
    await Promise.all(clients.each.map((client) => until(client, () => client.active() === 10)));
    const full = performance.now() - back;
    lines.push(`gone for ${DOWN / 1_000} s: ${failed.join(', ')} failed dials; found by all after ${found.toFixed(0)} ms, full again after ${full.toFixed(0)} ms`);
    // Those of the round that was under way when it went are not probes.
    for (const count of failed) expect([count > 0, count <= 30 + 10]).toEqual([true, true]);
    expect(found).toBeLessThan(MAX_BACKOFF + DIAL);
    expect(full).toBeLessThan(MAX_BACKOFF + 1_000);
  }, 120_000); // prettier-ignore

  it.concurrent('and back every second, a hundred times, crashes nothing; then the pool is full within 10 s', async () => {
    const TIMES = 100;
    await using server = new Comings(await freePort(), 100);
    await using client = createClientPool({
      address: `127.0.0.1:${server.port}`, tlsMode: 'none', minCapacity: 20, maxCapacity: 20, drainTimeout: 0,
    });
    await client.start();
    let [ups, connects] = [0, 0];
    client.on('connect', () => connects++);
    for (; ups < TIMES; ups++) {
      await server.up();
      await pause(500);
      await server.down();
      await pause(500);
    }
    await server.up();
    const calm = performance.now();
    await until(client, () => client.active() === 20);
    const recovery = performance.now() - calm;
    lines.push(`up and down ${ups} times: ${connects} connections meanwhile; full again after ${recovery.toFixed(0)} ms`);
    expect([connects > TIMES, recovery < 10_000]).toEqual([true, true]);
    const taken = await server.pool.incomingGet(1_000);
    (await client.outgoingGet(taken.id)).end('alive');
    for await (const bytes of taken) expect(String(bytes)).toBe('alive');
  }, 180_000); // prettier-ignore

  it.concurrent('whose name nobody knows is dialled as seldom, and told as what it is', async () => {
    await using client = createClientPool({ address: 'nobody.invalid:1', tlsMode: 'none', minCapacity: 20, maxCapacity: 20 });
    const errors: Error[] = [];
    client.on('dialError', (error) => errors.push(error));
    await client.start();
    await pause(20_000);
    const { dialFailures } = client.stats();
    lines.push(`no such name: ${dialFailures.dns} failed dials of 20 connections in 20 s`);
    expect(dialFailures.dns).toBe(errors.length);
    expect([errors.length >= 20, errors.length <= 20 + 15]).toEqual([true, true]);
    for (const error of errors) expect(error).toMatchObject({ code: 'ERR_NPWS_DIAL', cause: { syscall: 'getaddrinfo' } });
  }, 60_000); // prettier-ignore
});

describeUnless(withoutMounts)('a server whose name is not known yet', () => {
  it('is found within 6 s from when it is', async () => {
    const NAME = 'pool.npws.test';
    await using server = new Comings(await freePort(), 20);
    await server.up();
    const folder = await mkdtemp(join(tmpdir(), 'npws-hosts-'));
    try {
      const [hosts, resolver] = [join(folder, 'hosts'), join(folder, 'resolv.conf')];
      await writeFile(hosts, '127.0.0.1 localhost\n');
      await writeFile(resolver, 'nameserver 127.0.0.1\n'); // where nobody answers
      // Only that process sees these.
      const mounts = `mount --bind ${hosts} /etc/hosts && mount --bind ${resolver} /etc/resolv.conf`;
      const prefix = ['unshare', '--mount', 'sh', '-c', `${mounts} && exec "$0" "$@"`];
      await using peer = await PeerProgram.start({ command: await ownProgram(), prefix });
      const client = await peer.client({
        address: `${NAME}:${server.port}`,
        tls: '0',
        capacity: 20,
        interval: 1_000,
      });
      await expect(client.incomingGet(8_000)).rejects.toThrow('EAI_AGAIN');
      expect(server.arrivals).toEqual([]);
      await appendFile(hosts, `127.0.0.1 ${NAME}\n`);
      const known = performance.now();
      await until(server.pool, () => server.pool.active() === 20);
      const recovery = performance.now() - known;
      lines.push(`a name that became known after 8 s: full ${recovery.toFixed(0)} ms later`);
      expect(recovery).toBeLessThan(MAX_BACKOFF + 1_000);
    } finally {
      await rm(folder, { recursive: true });
    }
  }, 60_000);
});

describe('a server that is restarted', () => {
  it('under 20 processes of 50 connections each is not stormed', async () => {
    const [PROCESSES, POOLS, EACH] = [20, 5, 10];
    const all = PROCESSES * POOLS * EACH;
    await using server = new Comings(await freePort(), all);
    await server.up();
    const command = await ownProgram();
    await using peers = new All(await Promise.all(Array.from({ length: PROCESSES }, () => PeerProgram.start({ command }))));
    for (const peer of peers.each) {
      for (let pools = 0; pools < POOLS; pools++) await peer.client({ address: `127.0.0.1:${server.port}`, tls: '0', capacity: EACH, interval: 1_000 });
    }
    await until(server.pool, () => server.pool.active() === all);
    await server.down();
    await pause(10_000);
    server.arrivals.length = 0;
    const back = performance.now();
    await server.up();
    await until(server.pool, () => server.pool.active() === all);
    const recovery = performance.now() - back;
    const { arrivals } = server;
    // The most in any second, and what there would be were they spread over the time that each may take.
    const peak = Math.max(...arrivals.map((from) => arrivals.filter((at) => at >= from && at < from + 1_000).length));
    const mean = arrivals.length / (MAX_BACKOFF / 1_000);
    lines.push(`restarted under ${PROCESSES} processes of ${POOLS} pools of ${EACH}: ${arrivals.length} dials in ${recovery.toFixed(0)} ms; peak ${peak}/s, mean ${mean.toFixed(0)}/s`);
    expect(arrivals.length).toBeGreaterThanOrEqual(all);
    expect(peak).toBeLessThanOrEqual(2 * mean);
  }, 120_000); // prettier-ignore
});

describeUnless(withoutLimits)('descriptors that run out', () => {
  it('at a client cost it connections, but neither those that it has nor its life', async () => {
    await using server = new Comings(await freePort(), 200);
    await server.up();
    await using peer = await PeerProgram.start({ command: await ownProgram() });
    limit(peer.pid, 60);
    const client = await peer.client({ address: `127.0.0.1:${server.port}`, tls: '0', capacity: 100, interval: 100 });
    await pause(5_000);
    const few = server.pool.active();
    const near = await new OwnPool(server.pool).incomingGet(1_000);
    const far = await client.outgoingGet(near.id, 5_000);
    await expectSameBytes(near, far, 10_000);
    limit(peer.pid, 4_096);
    const raised = performance.now();
    await until(server.pool, () => server.pool.active() === 100);
    const recovery = performance.now() - raised;
    lines.push(`60 descriptors at a client of 100: ${few} idle; all 100 ${recovery.toFixed(0)} ms after there were more`);
    expect([few > 10, few < 60, recovery < 6_000]).toEqual([true, true, true]);
  }, 60_000); // prettier-ignore

  it('at a server cost it connections, but neither those that it has nor its life', async () => {
    await using peer = await PeerProgram.start({ command: await ownProgram() });
    limit(peer.pid, 60);
    const server = await peer.server({ capacity: 200, port: 0 });
    await using client = createClientPool({ address: `127.0.0.1:${server.port}`, tlsMode: 'none', minCapacity: 100, maxCapacity: 100, minInterval: 100, maxInterval: 100 });
    await client.start();
    await pause(5_000);
    const few = client.active();
    const near = await new OwnPool(client).incomingGet(1_000);
    const far = await server.outgoingGet(near.id, 5_000);
    await expectSameBytes(near, far, 10_000);
    limit(peer.pid, 4_096);
    const raised = performance.now();
    await until(client, () => client.active() === 100);
    const recovery = performance.now() - raised;
    lines.push(`60 descriptors at a server of 100: ${few} idle; all 100 ${recovery.toFixed(0)} ms after there were more`);
    expect([few > 10, few < 60, recovery < 6_000]).toEqual([true, true, true]);
    expect(await server.untilActive({ atLeast: 100 }, 5_000)).toBe(100);
  }, 60_000); // prettier-ignore
});
