import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { PingMode, PoolConnection } from 'nestjs-npws';
import { takeBoth, until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { describeWith } from './find-program.js';
import { countDrops, IDLE, KEEP_ALIVE, openPinged, useAll } from './idle-ways.js';
import { openWays, POOL_SIZE, untilFull } from './proxied.js';
import { KINDS } from './proxy.js';

/** Longer than two idle time-outs, in milliseconds. */
const A_WHILE = 12_000;

/** More than the buffers on the way hold. */
const BACKLOG = bytesOf(32 * 1024 * 1024);

describeWith(...KINDS)('a proxy that cuts what is idle for 5 s', () => {
  it('cuts what nobody pings: both ends notice, and the pool is filled again', async () => {
    await using all = await openPinged('off', 'off');
    const countEach = all.ways.map((way) => ({ way, drops: countDrops(way) }));
    await Promise.all(
      countEach.map(async ({ way, drops }) => {
        await until(way.server, () => drops().drops[0] >= POOL_SIZE);
        await until(way.client, () => drops().drops[1] >= POOL_SIZE);
        await untilFull(way);
        await useAll(way);
      }),
    );
  }, 60_000);

  it.each<[PingMode, PingMode]>([
    ['auto', 'off'],
    ['off', 'auto'],
  ])(
    'cuts nothing idle when one end pings (server %s, client %s)',
    async (atServer, atClient) => {
      await using all = await openPinged(atServer, atClient);
      const drops = all.ways.map(countDrops);
      await sleep(A_WHILE);
      expect(drops.map((count) => count())).toEqual(all.ways.map(({ name }) => ({ name, drops: [0, 0] })));
    },
    60_000,
  );

  it.each<[PingMode, PingMode, 'something' | 'nothing', boolean]>([
    ['auto', 'auto', 'something', false],
    ['auto', 'auto', 'nothing', true],
    ['always', 'off', 'something', true],
    ['off', 'always', 'something', true],
  ])(
    'treats what is in use but quiet by the pings (server %s, client %s) and what was said (%s): stays open: %s',
    async (atServer, atClient, said, staysOpen) => {
      await using all = await openPinged(atServer, atClient);
      const pairs = await Promise.all(all.ways.map(takeBoth));
      const errors: string[] = [];
      for (const connection of pairs.flatMap(Object.values<(typeof pairs)[0]['atServer']>)) {
        connection.on('error', ({ code }: NodeJS.ErrnoException) => errors.push(code ?? ''));
        connection.resume();
        if (said === 'something') connection.write(said);
      }
      await sleep(A_WHILE);
      expect(errors).toEqual(staysOpen ? [] : Array(2 * pairs.length).fill('ERR_NPWS_TRUNCATED'));
    },
    60_000,
  );

  // HAProxy's `timeout tunnel` is left as documented: nothing else keeps it from giving up a reader that stalls.
  it.each(KINDS)(
    'keeps streams that are not read for a while (%s)',
    async (kind) => {
      const pinged = { keepAlive: KEEP_ALIVE, ping: 'always' as const };
      const edit = (config: string): string => config.replaceAll('60s', IDLE);
      await using proxy = await openWays(kind, { edit, server: pinged, client: pinged });
      const streams: { far: PoolConnection; outcome: ReturnType<typeof outcomeOf> }[] = [];
      for (const way of [...proxy.ways, ...proxy.ways]) {
        const { atServer, atClient } = await takeBoth(way);
        const [near, far] = streams.length < 2 ? [atServer, atClient] : [atClient, atServer];
        streams.push({ far, outcome: outcomeOf(near) });
        near.end(BACKLOG);
      }
      await sleep(A_WHILE);
      for (const { far, outcome } of streams) {
        const { bytes, ended, error } = await outcomeOf(far);
        expect([digestOf(bytes), ended, error]).toEqual([digestOf(BACKLOG), true, null]);
        expect((await outcome).error).toBeNull();
      }
    },
    60_000,
  );
});
