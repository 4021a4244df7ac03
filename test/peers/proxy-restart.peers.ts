import { expect, it } from '@jest/globals';
import { createServerPool, type NpwsError, type NpwsHandshakeError } from 'nestjs-npws';
import { takeBoth, until } from '../support/pair.js';
import { bytesOf, outcomeOf } from '../support/raw-bytes.js';
import { portOf } from '../support/raw-joined.js';
import { describeWith } from './find-program.js';
import { countDrops, useAll } from './idle-ways.js';
import { openWays, POOL_SIZE, untilFull } from './proxied.js';
import { KINDS, type ProxyKind } from './proxy.js';

describeWith(...KINDS)('an outage', () => {
  it.each(KINDS)(
    'of %s cuts streams in use, empties the pools at both ends, and passes',
    async (kind) => {
      await using proxied = await openWays(kind);
      const streams = await Promise.all(proxied.ways.map(takeBoth));
      for (const way of proxied.ways) await untilFull(way);
      const outcomes = streams.flatMap(({ atServer, atClient }) => [
        outcomeOf(atServer),
        outcomeOf(atClient),
      ]);
      for (const { atServer } of streams) atServer.write(bytesOf(1000));
      const drops = proxied.ways.map(countDrops);
      await proxied.proxy.stop();
      for (const { ended, error } of await Promise.all(outcomes)) {
        expect([ended, error?.code]).toEqual([false, 'ERR_NPWS_TRUNCATED']);
      }
      for (const { server, client } of proxied.ways) {
        await until(server, () => server.active() + server.stats().used === 0);
        await until(client, () => client.active() === 0 && client.errorCount() > 0);
      }
      expect(drops.map((count) => count().drops)).toEqual(drops.map(() => [POOL_SIZE + 1, POOL_SIZE + 1]));
      await proxied.proxy.start();
      for (const way of proxied.ways) {
        await untilFull(way);
        await useAll(way);
      }
    },
    60_000,
  );

  it.each<[ProxyKind, number]>([
    ['nginx', 502],
    ['haproxy', 503],
  ])(
    'of the pool behind %s is told as %i where TLS ends, and passes',
    async (kind, status) => {
      await using proxied = await openWays(kind, { client: { maxBackoff: 500 } });
      for (const way of proxied.ways) {
        const { server, client } = way;
        const failure = new Promise<NpwsError>((resolve) => client.once('dialError', resolve));
        const options = {
          listen: { host: '127.0.0.1', port: portOf(server) },
          maxCapacity: 20,
          drainTimeout: 0,
        };
        await server.close();
        const isEnded = way === proxied.ways[0];
        const error = await failure;
        expect([error.code, (error as NpwsHandshakeError).status]).toEqual(
          isEnded ? ['ERR_NPWS_HANDSHAKE', status] : ['ERR_NPWS_DIAL', undefined],
        );
        await using again = createServerPool({
          ...options,
          ...(isEnded ? {} : { tls: proxied.certificate }),
        });
        await again.start();
        await untilFull({ server: again, client });
        await useAll({ ...way, server: again });
        await client.close();
      }
    },
    60_000,
  );
});
