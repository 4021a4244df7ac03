import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { NpwsError } from 'nestjs-npws';
import { figures } from '../support/figures.js';
import { Facing, KEPT_ALIVE, type Role } from '../interop/idle/facing.js';
import { OwnPool } from '../interop/own-peer.js';
import { expectSameBytes } from '../interop/same-bytes.js';
import { describeUnless } from '../support/describe-unless.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { settledAfter } from '../support/settled-after.js';
import { ownProgram } from './own-program.js';

// Silence that is the end of a peer, and silence that is not. The network is that of a real kernel: see NetworkNamespace.

const COUNT = 25;
const ROLES: readonly Role[] = ['client', 'server'];
const lines = figures();

const withoutNamespaces = await NetworkNamespace.obstacle();

describeUnless(withoutNamespaces)('a peer of this package that is cut off without a word', () => {
  const KEEP_ALIVE = 2_000;
  // The period, the deadline for a pong, which is no longer, and half a second.
  const WITHIN = 2 * KEEP_ALIVE + 500;
  /** In nanoseconds. */
  const STALL = 50e6;

  it.concurrent.each(ROLES)('as a %s leaves idle within keepAlive, the deadline and 0.5 s', async (role) => {
    await using network = await NetworkNamespace.create();
    await using facing = await Facing.open(role, {
      count: COUNT,
      network,
      command: await ownProgram(),
      ours: { keepAlive: KEEP_ALIVE },
    });
    await pause(1_500);
    expect(facing.lost).toEqual([]);
    const cut = performance.now();
    await network.blackHole();
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    await settledAfter(WITHIN + 250);
    // A loop that stood still gives peers another deadline: it may have been its own fault.
    const within = delay.max > STALL ? WITHIN + KEEP_ALIVE + 500 : WITHIN;
    if (within > WITHIN) await settledAfter(KEEP_ALIVE + 500);
    delay.disable();
    const last = (facing.lost.at(-1)?.at ?? NaN) - cut;
    lines.push(`cut off while idle, ${role}: ${facing.lost.length} of ${COUNT} gone, the last after ${last.toFixed(0)} ms of ${within}`);
    expect(facing.lost).toHaveLength(COUNT);
    expect(last).toBeLessThanOrEqual(within);
    expect(facing.ours.stats()).toMatchObject({ active: 0, evicted: COUNT });
    expect(await network.countLost()).toBeGreaterThan(0);
    await network.heal();
    if (role === 'client') await facing.untilFull(20_000);
  }, 60_000); // prettier-ignore
});

describeUnless(withoutNamespaces)('a stream in use whose peer is cut off without a word', () => {
  // Pings would tell sooner, but nobody answers them who has something to read.
  it.concurrent.each(ROLES)('as a %s is ended by TCP keep-alive if it is quiet, and times out if it writes', async (role) => {
    await using network = await NetworkNamespace.create();
    await using facing = await Facing.open(role, { count: 2, network, command: await ownProgram(), ours: { ping: 'off' } });
    const [quiet, writing] = [await facing.ours.incomingGet(), await facing.ours.incomingGet()];
    for (const { id } of [quiet, writing]) await facing.theirs.outgoingGet(id, 5_000);
    await network.untilAcknowledged();
    const since = performance.now();
    await network.blackHole();
    const ended = once(quiet, 'error');
    const stuck = once(writing.setTimeout(2_000), 'timeout');
    writing.write(Buffer.alloc(1_000_000));
    await stuck;
    const stuckAfter = performance.now() - since;
    writing.destroy();
    const [error] = (await ended) as [NpwsError];
    const endedAfter = performance.now() - since;
    const lost = await network.countLost();
    lines.push(`cut off in use, ${role}: quiet, ended after ${endedAfter.toFixed(0)} ms of ${KEPT_ALIVE}; writing, timed out after ${stuckAfter.toFixed(0)} ms of 2000; ${lost} packets lost`);
    expect(error.code).toBe('ERR_NPWS_TRUNCATED');
    expect([endedAfter <= KEPT_ALIVE, stuckAfter <= 4_000, lost > 0]).toEqual([true, true, true]);
  }, 60_000); // prettier-ignore
});

describeUnless(withoutNamespaces)('a network that loses packets for moments', () => {
  it.concurrent.each(ROLES)('costs a %s no idle connection, and no stream a byte', async (role) => {
    await using network = await NetworkNamespace.create();
    await using facing = await Facing.open(role, { count: COUNT, network, command: await ownProgram(), ours: { keepAlive: 5_000 } });
    const { ours, theirs } = facing;
    const BYTES = 1_000_000;
    const stop = new AbortController();
    const losing = (async () => {
      let moments = 0;
      for (; !stop.signal.aborted; moments++) {
        await network.blackHole();
        await pause(60);
        await network.heal();
        await pause(240);
      }
      return moments;
    })();
    let streams = 0;
    try {
      for (const end = performance.now() + 12_000; performance.now() < end; streams++) {
        const near = await new OwnPool(ours).incomingGet(10_000);
        const far = await theirs.outgoingGet(near.id, 10_000);
        await expectSameBytes(near, far, BYTES, streams);
      }
    } finally {
      stop.abort();
    }
    const moments = await losing;
    const lost = await network.countLost();
    lines.push(`packets lost, ${role}: ${lost} in ${moments} moments; ${streams} streams of 2 MB whole, ${ours.stats().closed.lost} idle ones lost`);
    expect([lost > 100, streams > 0]).toEqual([true, true]);
    expect(ours.stats().closed).toMatchObject({ lost: 0, broken: 0, violation: 0 });
  }, 90_000); // prettier-ignore
});

describe('a peer of this package that is stopped for less than its pongs may take', () => {
  it.concurrent.each(ROLES)('as a %s keeps its 50 idle connections', async (role) => {
    await using facing = await Facing.open(role, { count: 50, command: await ownProgram(), ours: { keepAlive: 4_000 } });
    let stops = 0;
    for (; stops < 3; stops++) {
      await facing.peer.kill('SIGSTOP');
      await pause(3_000);
      await facing.peer.kill('SIGCONT');
      await pause(500);
    }
    lines.push(`stopped ${stops} times for 3 s, ${role}: ${facing.lost.length} of 50 lost`);
    expect([facing.lost, facing.ours.active()]).toEqual([[], 50]);
  }, 60_000); // prettier-ignore
});

describe('our own event loop that stands still', () => {
  it.each(ROLES)('for 50 ms to 5 s costs no idle connection to a %s', async (role) => {
    await using facing = await Facing.open(role, { count: 50, command: await ownProgram(), ours: { keepAlive: 1_000 } });
    await pause(1_500);
    const stalls = [50, 200, 900, 1_100, 2_000, 5_000];
    for (const ms of stalls) {
      for (const end = performance.now() + ms; performance.now() < end;);
      await pause(700);
    }
    lines.push(`our loop stood still ${stalls.length} times for up to 5 s, ${role}: ${facing.lost.length} of 50 lost`);
    expect([facing.lost, facing.ours.active()]).toEqual([[], 50]);
  }, 60_000); // prettier-ignore
});

describe('a wall clock that jumps', () => {
  it.each(ROLES)('by a day, to and fro, costs no idle connection to a %s', async (role) => {
    await using facing = await Facing.open(role, { count: 50, command: await ownProgram(), ours: { keepAlive: 1_000 } });
    const now = Date.now.bind(Date);
    const jumps = [86_400_000, -86_400_000, 3_600_000, 0];
    try {
      for (const jump of jumps) {
        Date.now = () => now() + jump;
        await pause(1_500);
      }
    } finally {
      Date.now = now;
    }
    lines.push(`our wall clock jumped ${jumps.length} times, ${role}: ${facing.lost.length} of 50 lost`);
    expect([facing.lost, facing.ours.active()]).toEqual([[], 50]);
  }, 60_000); // prettier-ignore
});
