import { afterAll, expect, it } from '@jest/globals';
import { prefixHash } from '../../support/seeded-bytes.js';
import { describeWithPeer } from '../with-peer.js';
import { Facing, type Role } from './facing.js';

/** Connections of each pool. */
const COUNT = 40;

/** How long nobody touches them, in milliseconds; and how often we would ping. */
const IDLE = 60_000;
const KEEP_ALIVE = 1_000;

/** The least number of pings in that time, if each comes a whole period after the other. */
const PINGS = IDLE / KEEP_ALIVE - 1;

const BYTES = 100_000;

describeWithPeer('a Go peer that reads nothing while idle', () => {
  const lines: string[] = [];

  afterAll(() => {
    process.stderr.write(`\n${lines.join('\n')}\n`);
  });

  // At the same time, as each of them only waits.
  it.concurrent.each<[Role, 'auto' | 'always']>([
    ['client', 'auto'],
    ['server', 'auto'],
    ['client', 'always'],
    ['server', 'always'],
  ])(
    "stays for a minute as a %s under ping '%s', and every connection works afterwards",
    async (role, ping) => {
      await using facing = await Facing.open(role, {
        count: COUNT,
        ours: { keepAlive: KEEP_ALIVE, ping },
      });
      const { ours, lost, server, client } = facing;
      await new Promise((resolve) => setTimeout(resolve, IDLE));
      expect([lost, ours.active(), ours.stats().evicted]).toEqual([[], COUNT, 0]);

      const pings: number[] = [];
      const wrong: string[] = [];
      for (let i = 1; i <= COUNT; i++) {
        const atServer = await server.incomingGet();
        const atClient = await client.outgoingGet(atServer.id);
        const [toClient, toServer] = [
          { bytes: BYTES, seed: i },
          { bytes: BYTES, seed: COUNT + i },
        ];
        const ends = await Promise.all([
          atServer.exchange({ send: BYTES, seed: toClient.seed, receive: BYTES, close: i % 2 === 0 }),
          atClient.exchange({ send: BYTES, seed: toServer.seed, receive: BYTES, close: i % 2 === 1 }),
        ]);
        for (const [end, sent] of [
          [ends[0], toServer],
          [ends[1], toClient],
        ] as const) {
          if (end.sha256 !== prefixHash([sent], BYTES)) wrong.push(`${atServer.id}: ${end.bytes} bytes`);
          if (end.sendError ?? end.closeError) wrong.push(`${atServer.id}: ${JSON.stringify(end)}`);
          if (end.pings !== undefined) pings.push(end.pings);
        }
      }
      expect(wrong).toEqual([]);
      expect(facing.lost).toEqual([]);
      lines.push(
        `idle ${IDLE / 1000} s, Go ${role}, ping '${ping}': ${COUNT} of ${COUNT} usable, 0 evicted, ` +
          `pings waiting in each: ${pings.length ? `${Math.min(...pings)} to ${Math.max(...pings)}` : 'not counted'}`,
      );
      const { name } = await facing.peer.hello();
      if (name !== 'go-peer') return; // only ours counts pings
      expect(pings).toHaveLength(COUNT);
      if (ping === 'auto') expect(new Set(pings)).toEqual(new Set([1]));
      else expect(Math.min(...pings)).toBeGreaterThanOrEqual(PINGS);
    },
    IDLE + 60_000,
  );
});
