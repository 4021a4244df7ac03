// #region memory
import { once } from 'node:events';
import { createMemoryPools, FakeClock, MemoryNetwork } from 'nestjs-npws/testing';

export async function rehearse(): Promise<unknown[]> {
  const clock = new FakeClock(); // stands still until `advance()`
  const network = new MemoryNetwork(); // fails when it is told to
  await using pools = await createMemoryPools({ clock, network });

  const atServer = await pools.server.incomingGet();
  const atClient = await pools.client.outgoingGet(atServer.id);
  const broken = once(atClient, 'error');
  network.cut();
  const [cut] = (await broken) as unknown[]; // ERR_NPWS_TRUNCATED: what does your code do about it?

  const refused = pools.server.outgoingGet('a1b2c3d4', 30_000).catch((error: unknown) => error);
  clock.advance(30_000);
  return [cut, await refused]; // ERR_NPWS_TIMEOUT
}
// #endregion
