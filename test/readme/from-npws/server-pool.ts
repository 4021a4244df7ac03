// #region server-pool
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Logger } from '@nestjs/common';
import { createServerPool, NpwsTimeoutError, type PoolConnection } from 'nestjs-npws';

const logger = new Logger('Server');

export async function serve(host: string, port: number, stopped: AbortSignal): Promise<void> {
  await using serverPool = createServerPool({
    listen: { host, port }, // such as '0.0.0.0' and 8443
    tls: { key: await readFile('server.key'), cert: await readFile('server.crt') }, // TLS 1.3 at least
    maxCapacity: 100,
    clientIP: '', // lets in all
    keepAlive: 30_000,
  });
  await serverPool.start(); // NPWS's ServerManager; rejects when it can't listen
  logger.log(`listening on port ${serverPool.address()?.port}`);
  for (;;) {
    try {
      const connection = await serverPool.incomingGet({ timeout: 30_000, signal: stopped });
      logger.log(`new connection: ${connection.id}`);
      void echo(connection);
    } catch (error) {
      if (!(error instanceof NpwsTimeoutError)) break; // stopped, or the pool is closing
      logger.warn(error.message);
    }
  }
}

async function echo(connection: PoolConnection): Promise<void> {
  try {
    await using open = connection; // ended at the end of this block
    await once(open, 'readable');
    const bytes = open.read() as Buffer | null; // null when the peer has ended it
    if (bytes) open.write(bytes);
  } catch (error) {
    logger.warn((error as Error).message); // it was cut
  }
}
// #endregion
