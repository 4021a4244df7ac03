import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * `preferred` if nobody listens there, else a port that is free. It is below those that the system gives to outgoing
 * connections, so that it is still free when a server comes back to it.
 */
export async function freePort(preferred?: number): Promise<number> {
  const port = preferred ?? 20_000 + Math.floor(Math.random() * 12_000);
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return await freePort();
  }
  probe.close();
  await once(probe, 'close');
  return port;
}
