import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/** A port of this machine where nobody listens: for checks and tests. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, 'localhost');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
