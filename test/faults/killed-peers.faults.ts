import { beforeAll, describe, expect, it } from '@jest/globals';
import { createClientPool, type PoolConnection } from 'nestjs-npws';
import { figures } from '../support/figures.js';
import { Facing } from '../interop/idle/facing.js';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { Dice } from '../support/dice.js';
import { FaultRelay } from '../support/fault-relay.js';
import { until } from '../support/pair.js';
import { bytesOf, outcomeOf } from '../support/raw-bytes.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { settledAfter } from '../support/settled-after.js';
import { ownProgram } from './own-program.js';

const lines = figures();

/** How long a killed peer's connections may stay idle here, in milliseconds. */
const GONE_WITHIN = 100;

describe('peers that are killed while 50 connections to each are idle', () => {
  const IDLE = 50;
  const KILLS = 5;
  let killed = 0;

  it.each([
    ['client', 1],
    ['client', 2],
    ['server', 1],
    ['server', 2],
  ] as const)(
    'as a %s of protocol %i leave at once, are counted, and find their places again',
    async (role, protocol) => {
      const pace = role === 'server' ? { minInterval: 50, maxInterval: 50, maxBackoff: 200 } : {};
      await using facing = await Facing.open(role, {
        count: IDLE,
        command: await ownProgram(),
        ours: { protocol, ...pace },
      });
      const { ours, peer } = facing;
      for (let kill = 1; kill <= KILLS; kill++) {
        const port = role === 'server' ? facing.theirs.port : 0;
        await peer.kill();
        await settledAfter(GONE_WITHIN);
        expect([ours.active(), ours.stats().evicted]).toEqual([0, kill * IDLE]);
        killed += IDLE;
        await peer.restart();
        await facing.reopen(port);
        await facing.untilFull(20_000);
      }
      expect(ours.stats()).toMatchObject({ opened: (KILLS + 1) * IDLE, used: 0, owed: 0 });
      lines.push(`killed while idle, ${role}, protocol ${protocol}: ${KILLS * IDLE} of ${KILLS * IDLE} gone in ${GONE_WITHIN} ms`);
    },
    60_000,
  ); // prettier-ignore

  it('were a thousand', () => {
    expect(killed).toBe(1_000);
  });
});

describe('streams that are cut at any byte', () => {
  const CUTS = Number(process.env['CUTS'] ?? 2_000);
  const AT_ONCE = 16;
  const SUPPLY = bytesOf(1 << 20, 3);
  let tls: KeyPair;

  beforeAll(async () => {
    tls = await createCertificate();
  });

  it.each([
    ['plain ws', 1],
    ['plain ws', 2],
    ['TLS', 1],
    ['TLS', 2],
  ] as const)(
    'over %s, protocol %i, end with an error behind an exact part, never cleanly',
    async (kind, protocol) => {
      const dice = new Dice(protocol);
      await using server = await startServer({ maxCapacity: 100, protocol, ...(kind === 'TLS' ? { tls } : {}) });
      await using relay = await FaultRelay.to(() => portOf(server), dice);
      await using client = createClientPool({
        address: `127.0.0.1:${relay.port}`,
        tlsMode: kind === 'TLS' ? 'self-signed' : 'none',
        minCapacity: 2 * AT_ONCE,
        maxCapacity: 2 * AT_ONCE,
        minInterval: 10,
        maxInterval: 10,
        maxBackoff: 100,
        drainTimeout: 0,
      });
      client.on('warning', () => undefined); // known: the certificate is made for this test
      await client.start();
      await until(client, () => client.active() >= AT_ONCE);
      let left = CUTS / 4;
      const seen = { cuts: 0, ends: 0, clean: 0, wrong: 0, empty: 0 };
      const work = async (): Promise<void> => {
        while (left-- > 0) {
          const atServer = await server.incomingGet();
          const atClient = await client.outgoingGet(atServer.id);
          const [writer, reader] = dice.percent(50) ? [atServer, atClient] : [atClient, atServer];
          const way = relay.wayOf(atClient.localPort);
          if (!way) throw new Error('no way');
          const how = dice.pick(['reset', 'end'] as const);
          way.cutBehind(dice.pick([0, dice.below(100), dice.below(20_000), dice.below(100_000)]), how);
          const outcome = outcomeOf(reader);
          writeOn(writer);
          const { bytes, ended, error } = await outcome;
          seen.cuts++;
          if (how === 'end') seen.ends++;
          if (ended || error?.code !== 'ERR_NPWS_TRUNCATED') seen.clean++;
          if (!bytes.equals(SUPPLY.subarray(0, bytes.length))) seen.wrong++;
          if (bytes.length === 0) seen.empty++;
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      lines.push(`cut in mid-stream, ${kind}, protocol ${protocol}: ${seen.cuts} (${seen.ends} by a bare end), ${seen.clean} clean, ${seen.wrong} wrong`);
      expect(seen).toMatchObject({ cuts: CUTS / 4, clean: 0, wrong: 0 });
      expect(seen.ends).toBeGreaterThan(CUTS / 16);
      expect(seen.empty).toBeLessThan(CUTS / 6);
    },
    120_000,
  ); // prettier-ignore

  /** Writes until it is cut. */
  function writeOn(connection: PoolConnection): void {
    let at = 0;
    connection.resume();
    const more = (): void => {
      while (!connection.destroyed && at < SUPPLY.length) {
        const piece = SUPPLY.subarray(at, (at += 8_000));
        if (!connection.write(piece)) return;
      }
    };
    connection.on('drain', more);
    more();
  }
});
