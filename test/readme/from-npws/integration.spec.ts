// #region integration
import { expect, it } from '@jest/globals';
import { createClientPool, createServerPool } from 'nestjs-npws';
import { createMemoryPools } from 'nestjs-npws/testing';
import { generate } from 'selfsigned';

it('talks over a real connection', async () => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  await using serverPool = createServerPool({
    listen: { host: '127.0.0.1', port: 0 }, // a free port
    tls: { key, cert },
    maxCapacity: 10,
  });
  await serverPool.start();
  await using clientPool = createClientPool({
    address: `localhost:${serverPool.address()?.port}`,
    tls: { ca: cert },
    minCapacity: 2,
    maxCapacity: 5,
  });
  await clientPool.start();

  // No sleep: gets wait for the first connection by themselves.
  await using atServer = await serverPool.incomingGet(5_000);
  await using atClient = await clientPool.outgoingGet(atServer.id, 5_000);
  expect(atClient.id).toBe(atServer.id);
});

it('talks in memory', async () => {
  await using pools = await createMemoryPools();
  await using atServer = await pools.server.incomingGet();
  await using atClient = await pools.client.outgoingGet(atServer.id);
  expect(atClient.id).toBe(atServer.id);
});
// #endregion
