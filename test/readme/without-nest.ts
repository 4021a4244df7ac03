import type { KeyPair } from '../support/certificates.js';

export async function exchange({ key, cert }: KeyPair): Promise<string[]> {
  const heard: string[] = [];
  // #region without-nest
  const { createClientPool, createServerPool } = await import('nestjs-npws');

  await using server = createServerPool({ listen: { port: 0 }, tls: { key, cert }, maxCapacity: 100 });
  await server.start(); // listens

  await using client = createClientPool({
    address: `localhost:${server.address()?.port}`,
    tls: { ca: cert },
  });
  client.on('dialError', (error) => heard.push(error.message));
  await client.start(); // dials; does not wait for the far side
  await client.whenReady(5_000);

  const theirs = await server.incomingGet(5_000);
  const ours = await client.outgoingGet(theirs.id, 5_000);
  ours.end('hello');
  theirs.end();
  for await (const bytes of theirs) heard.push(bytes.toString());
  // #endregion
  return heard;
}
