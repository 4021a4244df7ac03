import { createPair, until } from '../../support/pair.js';
import { serve } from '../child.js';
import { quantile } from '../quantile.js';

// Both ends in one process, so that a get can be there before the ID lands that it waits for.

const handlers = {
  /** From the landing of an ID to the return of the `outgoingGet` that waits for it: p50 and p99 in milliseconds. */
  async waits(count: number): Promise<{ p50: number; p99: number }> {
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
      waits.push(performance.now() - (landed.get(id) ?? NaN));
      connection.destroy();
    };
    // The server names a connection in the same step in which it tells this listener: the ID has not landed yet.
    server.on('connect', ({ id }) => void follow(id).catch(() => undefined));
    client.flush();
    await until(client, () => waits.length >= count);
    server.removeAllListeners('connect');
    return { p50: quantile(waits, 0.5), p99: quantile(waits, 0.99) };
  },
};

export type WaitHandlers = typeof handlers;

serve(handlers);
