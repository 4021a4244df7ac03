import type { ClientPool, PoolConnection, ServerPool } from 'nestjs-npws';

type Client = ClientPool<PoolConnection>;
type Server = ServerPool<PoolConnection>;

export async function manage(clientPool: Client, serverPool: Server): Promise<PoolConnection[]> {
  // #region manage
  // Both reject with an NpwsError: in time nothing came, the wait was aborted, the pool is draining or closed ...
  const atServer = await serverPool.incomingGet(30_000); // the next idle one; its ID is atServer.id
  const atClient = await clientPool.outgoingGet(atServer.id, 10_000); // the same one, by its ID

  clientPool.ready(); // whether it has a live connection
  clientPool.active(); // how many are idle
  clientPool.capacity(); // how many it aims at
  clientPool.interval(); // the pause between two rounds of dialling, in milliseconds
  clientPool.stats(); // all of this at once, and more
  clientPool.health(); // { up, reason }

  clientPool.flush(); // closes the idle ones and refills; those in use stay

  clientPool.addError(new Error('the service said no'));
  clientPool.errorCount(); // yours, and failed dials
  clientPool.resetError();
  // #endregion
  return [atServer, atClient];
}
