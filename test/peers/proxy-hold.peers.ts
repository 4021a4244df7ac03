import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { describeWith } from './find-program.js';
import { countDrops, openPinged, useAll } from './idle-ways.js';
import { KINDS } from './proxy.js';

/** How long connections stay idle, in minutes. */
const MINUTES = Number(process.env['PROXY_MINUTES'] ?? 3);

describeWith(...KINDS)('proxies that cut what is idle for 5 s', () => {
  it(
    `cut nothing in ${MINUTES} minutes when keepAlive is below that`,
    async () => {
      await using all = await openPinged('auto', 'auto');
      const drops = all.ways.map(countDrops);
      await sleep(MINUTES * 60_000);
      expect(drops.map((count) => count())).toEqual(all.ways.map(({ name }) => ({ name, drops: [0, 0] })));
      for (const way of all.ways) await useAll(way);
    },
    MINUTES * 60_000 + 60_000,
  );
});
