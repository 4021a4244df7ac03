import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { CONTROL_ID } from 'nestjs-npws';
import { createMemoryPools, FakeClock, MemoryNetwork } from 'nestjs-npws/testing';
import { takeBoth, until } from '../support/pair.js';
import { prefixHash, seededBytes } from '../support/seeded-bytes.js';

describe('pools joined in memory', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('are filled when they are there, and refill', async () => {
    await using pools = await createMemoryPools();
    expect([pools.client.active(), pools.server.active()]).toEqual([4, 4]);
    await takeBoth(pools);
    await until(pools.client, () => pools.client.active() >= 4);
  });

  it('hand out the same connection at both ends, which says as much as one with a socket', async () => {
    await using pools = await createMemoryPools();
    const { atServer, atClient } = await takeBoth(pools);
    expect(atClient.id).toBe(atServer.id);
    expect(atServer.remoteAddress).toBe('127.0.0.1');
    expect(atServer.remotePort).toBe(atClient.localPort);
    expect(atServer.tls).toBeNull();
    atServer.setNoDelay().setKeepAlive().unref().ref();
    atClient.end('hello');
    expect(await text(atServer)).toBe('hello');
  });

  it('carry megabytes both ways at once, slow readers included', async () => {
    await using pools = await createMemoryPools();
    const { atServer, atClient } = await takeBoth(pools);
    const stretch = { bytes: 3_000_000, seed: 7 };
    const ends = [atServer, atClient];
    const sent = ends.map((end) => pipeline(Readable.from(seededBytes(stretch)), end, { end: false }));
    for (const end of ends) {
      const hash = createHash('sha256');
      let length = 0;
      for await (const part of end.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        hash.update(part);
        if ((length += part.length) >= stretch.bytes) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(hash.digest('hex')).toBe(prefixHash([stretch], stretch.bytes));
    }
    await Promise.all(sent);
    expect(atServer.bytesRead).toBe(stretch.bytes);
  });

  it('keep what was written although its writer uses the memory again', async () => {
    await using pools = await createMemoryPools();
    const { atServer, atClient } = await takeBoth(pools);
    // Larger than what is copied into one frame on the way.
    const bytes = Buffer.alloc(5_000, 'x');
    await new Promise((resolve) => atServer.write(bytes, resolve));
    bytes.fill('y');
    atServer.end();
    expect(await text(atClient)).toBe('x'.repeat(5_000));
  });

  it('show a cut at both ends and dial anew', async () => {
    const network = new MemoryNetwork();
    await using pools = await createMemoryPools({ network });
    const { atServer, atClient } = await takeBoth(pools);
    await until(pools.client, () => pools.client.active() >= 4);
    const errors = [atServer, atClient].map((end) => once(end, 'error'));
    expect(network.cut()).toBeGreaterThanOrEqual(5);
    for (const [error] of await Promise.all(errors)) {
      expect(error).toMatchObject({ code: 'ERR_NPWS_TRUNCATED' });
    }
    await until(pools.client, () => pools.client.active() >= 4);
    await takeBoth(pools);
  });

  it('live through an outage on a clock that is moved by hand', async () => {
    const [clock, network] = [new FakeClock(), new MemoryNetwork()];
    await using pools = await createMemoryPools({ clock, network });
    expect(network.down()).toBe(4);
    await until(pools.client, () => pools.client.active() === 0);
    const failed = once(pools.client, 'dialError');
    clock.advance(1_000);
    expect(await failed).toMatchObject([
      {
        code: 'ERR_NPWS_DIAL',
        cause: { code: 'ECONNREFUSED' },
        message: expect.stringContaining('memory:1'),
      },
    ]);
    expect(pools.client.health().up).toBe(false);
    network.up();
    clock.advance(5_000);
    await once(pools.client, 'recover');
    await until(pools.client, () => pools.client.active() > 0);
  });

  it('wait on the clock that they are given, and on nothing else', async () => {
    const clock = new FakeClock();
    await using pools = await createMemoryPools({ clock });
    const late = expect(pools.server.outgoingGet('a1b2c3d4', 1)).rejects.toMatchObject({
      code: 'ERR_NPWS_TIMEOUT',
    });
    expect(clock.next).toBe(1);
    clock.advance(1);
    await late;
    await pools.close();
    expect([clock.pending, clock.next]).toEqual([0, Infinity]);
  });

  it('count what went each way', async () => {
    await using pools = await createMemoryPools();
    const { atServer, atClient } = await takeBoth(pools);
    atClient.end(Buffer.alloc(1_000));
    expect(await text(atServer)).toHaveLength(1_000);
    for (const pool of [pools.server, pools.client]) {
      const [used] = pool.connections().filter(({ id }) => id === atServer.id);
      expect(used?.bytes.received).toBeGreaterThan(0);
      expect(used?.bytes.sent).toBeGreaterThan(0);
    }
    atServer.end();
  });

  it('close at once although a test holds connections and the clock stands still', async () => {
    const clock = new FakeClock();
    const pools = await createMemoryPools({ clock });
    const { atServer, atClient } = await takeBoth(pools);
    await pools.close();
    expect([atServer.destroyed, atClient.destroyed, clock.pending]).toEqual([true, true, 0]);
  });

  it('stay idle however far the clock is moved at once', async () => {
    const clock = new FakeClock();
    await using pools = await createMemoryPools({ clock });
    clock.advance(3_600_000);
    const { atServer, atClient } = await takeBoth(pools);
    atClient.end('hello');
    expect(await text(atServer)).toBe('hello');
    expect(pools.client.stats().evicted).toBe(0);
  });

  it('share a network one after the other, never at once', async () => {
    const network = new MemoryNetwork();
    const first = await createMemoryPools({ network });
    await expect(createMemoryPools({ network, name: 'second' })).rejects.toThrow(
      "pool 'second': network: it joins another pair that is open: make one for each",
    );
    await first.close();
    const wrong = createMemoryPools({ network, client: { minCapacity: -1 } });
    await expect(wrong).rejects.toThrow('client.minCapacity');
    await using second = await createMemoryPools({ network });
    await takeBoth(second);
  });

  it('follow a bound that stands alone', async () => {
    await using small = await createMemoryPools({ client: { maxCapacity: 2, minInterval: 500 } });
    expect(small.client.stats()).toMatchObject({ minCapacity: 2, maxCapacity: 2, interval: 500, active: 2 });
    await using large = await createMemoryPools({ client: { minCapacity: 20 } });
    expect(large.client.stats()).toMatchObject({ minCapacity: 20, maxCapacity: 20, active: 20 });
  });

  it('work beside the fake timers of Jest', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
    await using pools = await createMemoryPools();
    const late = expect(pools.server.outgoingGet('a1b2c3d4', 30_000)).rejects.toMatchObject({
      code: 'ERR_NPWS_TIMEOUT',
    });
    jest.advanceTimersByTime(30_000);
    await late;
    const { atServer, atClient } = await takeBoth(pools);
    for (const letter of 'abc') {
      const readable = once(atServer, 'readable');
      atClient.write(letter);
      await readable;
      expect(String(atServer.read())).toBe(letter);
    }
    const end = once(atServer, 'error');
    jest.advanceTimersByTime(1_000);
    atClient.destroy();
    expect(await end).toMatchObject([{ code: 'ERR_NPWS_TRUNCATED' }]);
  });

  it('take the options of both pools, and their names', async () => {
    await using pools = await createMemoryPools({
      name: 'berlin',
      client: { minCapacity: 1, maxCapacity: 1, reserveControl: true },
      server: { maxCapacity: 1, reserveControl: true },
    });
    expect(pools.client.stats()).toMatchObject({ name: 'berlin', active: 2 });
    expect((await pools.server.outgoingGet(CONTROL_ID, 0)).id).toBe(CONTROL_ID);
    await expect(createMemoryPools({ client: { minCapacity: -1 } })).rejects.toThrow('client.minCapacity');
  });

  it('may begin with a network that is down, or a server that refuses', async () => {
    const network = new MemoryNetwork();
    network.down();
    await using pools = await createMemoryPools({ network });
    expect(pools.client.ready()).toBe(false);
    await using strict = await createMemoryPools({ server: { clientIP: '192.0.2.1' } });
    expect(strict.client.stats().lastDialError).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE' });
  });

  it('leave nothing behind, whoever is closed first', async () => {
    const pools = await createMemoryPools();
    const { atClient } = await takeBoth(pools);
    await pools.server.close();
    expect(atClient.destroyed).toBe(true);
    await pools.close();
    expect(pools.client.stats()).toMatchObject({ state: 'closed', active: 0, used: 0, connecting: 0 });
  });
});
