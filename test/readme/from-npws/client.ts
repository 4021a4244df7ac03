// #region quick-start
import { readFile } from 'node:fs/promises';
import { createClientPool } from 'nestjs-npws';

export async function quickStart(address: string, id: string): Promise<void> {
  await using clientPool = createClientPool({
    address, // such as 'example.com:8443'
    minCapacity: 5,
    maxCapacity: 20,
    minInterval: 500, // milliseconds
    maxInterval: 5_000,
    keepAlive: 30_000,
    tlsMode: '2', // or 'verified', the default
    tls: { ca: await readFile('ca.crt') }, // only for an authority of your own
  });
  await clientPool.start(); // NPWS's ClientManager
  await clientPool.whenReady(2_000); // instead of sleeping

  const connection = await clientPool.outgoingGet(id, 10_000); // an ID that the server told
  connection.end('Hello');
}
// #endregion
