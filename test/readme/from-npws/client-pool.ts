// #region client-pool
import { once } from 'node:events';
import { Logger } from '@nestjs/common';
import { type ClientPool, NpwsError, type PoolConnection } from 'nestjs-npws';

const logger = new Logger('Client');

export async function talk(clientPool: ClientPool<PoolConnection>, id: string): Promise<string> {
  if (!clientPool.ready()) throw new Error('the pool is not ready');
  logger.log(`active: ${clientPool.active()}`);
  logger.log(`capacity: ${clientPool.capacity()}`);
  logger.log(`interval: ${clientPool.interval()} ms`);
  try {
    await using connection = await clientPool.outgoingGet(id, 10_000); // ended at the end of this block
    connection.write('Hello, Server!');
    await once(connection, 'readable'); // rejects when the connection is cut
    const answer = connection.read() as Buffer | null; // null when the peer has ended it: Go's io.EOF
    return String(answer);
  } catch (error) {
    if (error instanceof NpwsError) logger.warn(`${error.code}: ${error.message}`);
    throw error;
  }
}
// #endregion
