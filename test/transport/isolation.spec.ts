import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { createMemoryPools, FakeClock, MemoryNetwork } from 'nestjs-npws/testing';
import { createPair, type Pair, takeBoth, until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { LATE_CALLS, type LateCall } from '../support/use-end.js';
import { openSocketLane } from '../support/use-lanes.js';

type Ends = Awaited<ReturnType<typeof takeBoth>>;

/** One link, which is never dialled anew, and which waits for nobody when its pools close. */
const ONE_LINK = {
  client: { minCapacity: 1, maxCapacity: 2, minInterval: 60_000, maxInterval: 60_000, drainTimeout: 0 },
  server: { maxCapacity: 2, drainTimeout: 0 },
} as const;

/** Says something both ways, to the end: whether it all arrived, and nothing else. */
async function exchange({ atServer, atClient }: Ends, seed = 1): Promise<void> {
  const [question, answer] = [bytesOf(50_000, seed), bytesOf(70_000, seed + 1)];
  const outcomes = [outcomeOf(atClient), outcomeOf(atServer)];
  atServer.write(question);
  atClient.end(answer);
  const seen = (await Promise.all(outcomes)).map(({ bytes, ended, error }) => [
    digestOf(bytes),
    ended,
    error,
  ]);
  expect(seen).toEqual([
    [digestOf(question), true, null],
    [digestOf(answer), true, null],
  ]);
}

/** Takes the next use, once the link is back. */
async function takeNext(pools: Pair, { atClient }: Ends): Promise<Ends> {
  await until(pools.client, () => pools.client.active() === 1);
  const next = await takeBoth(pools);
  expect(next.atClient.localPort).toBe(atClient.localPort);
  return next;
}

/** A use whose server has not read what the client sent, although both have ended and the link is back. */
async function endUnread(pools: Pair, sent: Buffer): Promise<Ends> {
  const ends = await takeBoth(pools);
  ends.atClient.end(sent).resume();
  ends.atServer.end();
  await until(pools.server, () => pools.server.stats().reused === 1);
  return ends;
}

describe('a use that is over', () => {
  it.each([
    ['plain ws', false],
    ['TLS', true],
  ])('leaves its link to the next one, again and again (%s)', async (_, tls) => {
    await using pair = await createPair({ ...ONE_LINK, tls });
    let ends = await takeBoth(pair);
    for (let seed = 1; seed < 40; seed++) {
      await exchange(ends, seed);
      ends = await takeNext(pair, ends);
    }
    expect([pair.client.stats().opened, pair.client.stats().reused]).toEqual([1, 39]);
  });

  it.each(Object.keys(LATE_CALLS) as LateCall[])(
    'is not the next one: %s comes too late for it',
    async (call) => {
      await using lane = await openSocketLane(ONE_LINK, null);
      const old = await takeBoth(lane.pools);
      await exchange(old);
      const next = await takeNext(lane.pools, old);
      const sockets = [lane.socketOf('server', next.atServer), lane.socketOf('client', next.atClient)];
      const changes = sockets.map((socket) => socket?.changes);
      for (const end of [old.atServer, old.atClient]) LATE_CALLS[call](end);
      expect(sockets.map((socket) => socket?.changes)).toEqual(changes);
      await exchange(next, 3);
    },
  );

  it('takes the settings of its socket along', async () => {
    await using lane = await openSocketLane(ONE_LINK, null);
    const old = await takeBoth(lane.pools);
    const sockets = [lane.socketOf('server', old.atServer), lane.socketOf('client', old.atClient)];
    expect(sockets).toMatchObject([{ isAsNew: true }, { isAsNew: true }]);
    for (const end of [old.atServer, old.atClient]) end.setNoDelay(false).setKeepAlive(false).unref();
    expect(sockets).toMatchObject(Array(2).fill({ hasDelay: true, isKeptAlive: false, holdsProcess: false }));
    await exchange(old);
    await takeNext(lane.pools, old);
    expect(sockets).toMatchObject([{ isAsNew: true }, { isAsNew: true }]);
  });

  it('takes its time-out along, and none is set on the next by a late setTimeout()', async () => {
    const clock = new FakeClock();
    await using pools = await createMemoryPools({ ...ONE_LINK, clock });
    const fired: string[] = [];
    const old = await takeBoth(pools);
    for (const end of [old.atServer, old.atClient]) end.setTimeout(1_000, () => fired.push('old'));
    await exchange(old);
    const next = await takeNext(pools, old);
    for (const end of [next.atServer, next.atClient]) end.on('timeout', () => fired.push('next'));
    const { pending } = clock;
    for (const end of [old.atServer, old.atClient]) end.setTimeout(1_000);
    expect(clock.pending).toBe(pending);
    clock.advance(10_000);
    expect(fired).toEqual([]);
    await exchange(next, 3);
  });

  it('takes its listeners along: each hears of one use', async () => {
    await using pair = await createPair(ONE_LINK);
    const fresh = await takeBoth(pair);
    const counts = (end: PoolConnection): number[] => ['data', 'end', 'error', 'close', 'timeout', 'drain'].map((event) => end.listenerCount(event));
    const before = counts(fresh.atServer);
    const heard: string[] = [];
    const ends = [fresh.atServer, fresh.atClient];
    for (const event of ['data', 'end', 'error', 'close', 'finish', 'drain', 'timeout']) {
      for (const end of ends) end.on(event, () => heard.push(event));
    }
    await exchange(fresh);
    await until(pair.client, () => pair.client.active() === 1);
    const heardBefore = heard.length;
    const next = await takeNext(pair, fresh);
    expect(counts(next.atServer)).toEqual(before);
    await exchange(next, 3);
    expect(heard.length).toBe(heardBefore);
  }); // prettier-ignore

  it('that one end destroys with an error behind both ends leaves the other and the next one alone', async () => {
    await using pair = await createPair(ONE_LINK);
    const old = await takeBoth(pair);
    const read = buffer(old.atServer);
    old.atClient.end('bye');
    old.atServer.end(bytesOf(10_000));
    while (old.atClient.readableLength === 0) await once(old.atClient, 'readable');
    await new Promise((resolve) => setImmediate(resolve));
    old.atClient.destroy(new Error('had enough'));
    expect((await read).toString()).toBe('bye');
    const next = await takeNext(pair, old);
    await exchange(next);
    expect(old.atServer.errored).toBeNull();
  });
});

describe('unread bytes of a use that is over', () => {
  it('stay readable while the link serves the next one', async () => {
    await using pair = await createPair(ONE_LINK);
    const sent = bytesOf(40_000, 9);
    const old = await endUnread(pair, sent);
    await exchange(await takeNext(pair, old));
    expect(digestOf(await buffer(old.atServer))).toBe(digestOf(sent));
    await until(pair.client, () => pair.client.stats().reused === 2);
  });

  it('keep the link from nothing, however many they are', async () => {
    await using pair = await createPair(ONE_LINK);
    const old = await takeBoth(pair);
    const sent = bytesOf(66_000, 9);
    const received = async (count: number): Promise<void> => {
      while (old.atServer.bytesRead < count) await new Promise((resolve) => setImmediate(resolve));
    };
    old.atClient.resume().write(sent.subarray(0, 40_000));
    await received(40_000);
    // What fills the reader's buffer and the end come in one segment, and what gives the link back later.
    old.atClient.end(sent.subarray(40_000));
    await received(66_000);
    old.atServer.end();
    await until(pair.server, () => pair.server.stats().reused === 1);
    await exchange(await takeNext(pair, old));
    expect(digestOf(await buffer(old.atServer))).toBe(digestOf(sent));
  });

  it('are dropped by destroy(), and the next one does not notice', async () => {
    await using pair = await createPair(ONE_LINK);
    const old = await endUnread(pair, bytesOf(40_000, 9));
    const next = await takeNext(pair, old);
    next.atClient.write('before');
    await once(next.atServer, 'readable');
    old.atServer.destroy();
    expect(String(next.atServer.read())).toBe('before');
    await exchange(next);
  });

  it('are lost to a write that comes too late, and the next one does not notice', async () => {
    await using pair = await createPair(ONE_LINK);
    const old = await endUnread(pair, bytesOf(40_000, 9));
    const next = await takeNext(pair, old);
    const failed = once(old.atServer, 'error');
    old.atServer.write('too late');
    expect(await failed).toMatchObject([{ code: 'ERR_STREAM_WRITE_AFTER_END' }]);
    await exchange(next);
  });

  it('keep the link where they are at the client: it gives back nothing that is not read', async () => {
    await using pair = await createPair(ONE_LINK);
    const { atServer, atClient } = await takeBoth(pair);
    const sent = bytesOf(40_000, 9);
    atServer.end(sent).resume();
    atClient.end('over');
    await once(atServer, 'close');
    expect([pair.server.stats().used, pair.server.stats().reused]).toEqual([1, 0]);
    expect(digestOf(await buffer(atClient))).toBe(digestOf(sent));
    await until(pair.server, () => pair.server.stats().reused === 1);
  });
});

describe('a link that breaks', () => {
  it('does not reach a use that both have ended, read or not', async () => {
    const network = new MemoryNetwork();
    await using pools = await createMemoryPools({ ...ONE_LINK, network });
    const { atServer, atClient } = await takeBoth(pools);
    const sent = [bytesOf(30_000, 5), bytesOf(40_000, 6)] as const;
    const finished = [once(atServer, 'finish'), once(atClient, 'finish')];
    atServer.end(sent[0]);
    atClient.end(sent[1]);
    await Promise.all(finished);
    // The ends arrive a turn of the loop after they are written.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(network.cut()).toBe(1);
    await until(pools.server, () => pools.server.stats().used === 0);
    const outcomes = (await Promise.all([outcomeOf(atClient), outcomeOf(atServer)])).map(
      ({ bytes, ended, error }) => [digestOf(bytes), ended, error],
    );
    expect(outcomes).toEqual(sent.map((bytes) => [digestOf(bytes), true, null]));
    // A link that is gone is given back to nobody.
    expect(pools.client.stats()).toMatchObject({ used: 0, connecting: 0, errors: 0 });
  });

  it('has not written an end that is said too late', async () => {
    const network = new MemoryNetwork();
    await using pools = await createMemoryPools({ ...ONE_LINK, network });
    const { atServer } = await takeBoth(pools);
    const failed = once(atServer, 'error');
    let isFinished = false;
    atServer.once('finish', () => (isFinished = true));
    network.cut();
    atServer.end();
    expect(await failed).toMatchObject([{ code: 'ERR_NPWS_TRUNCATED' }]);
    expect(isFinished).toBe(false);
  });

  it('is an error of the use that it serves, not of the one before', async () => {
    const network = new MemoryNetwork();
    await using pools = await createMemoryPools({ ...ONE_LINK, network });
    const sent = bytesOf(40_000, 9);
    const old = await endUnread(pools, sent);
    const next = await takeNext(pools, old);
    const errors = [next.atServer, next.atClient].map((end) => once(end, 'error'));
    network.cut();
    for (const [error] of await Promise.all(errors))
      expect(error).toMatchObject({ code: 'ERR_NPWS_TRUNCATED' });
    const { bytes, ended, error } = await outcomeOf(old.atServer);
    expect([digestOf(bytes), ended, error]).toEqual([digestOf(sent), true, null]);
  });
});
