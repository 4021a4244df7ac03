import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { createClientPool, createServerPool, type NpwsError } from 'nestjs-npws';

describe('a dial error', () => {
  it('does not show the query of the path, which may hold a secret', async () => {
    const listener = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as { port: number };
    await using client = createClientPool({
      address: `127.0.0.1:${port}`,
      tlsMode: 'none',
      path: '/pool?token=s3cret',
    });
    const failed = once(client, 'dialError') as Promise<[NpwsError]>;
    await client.start();
    const [error] = await failed;
    expect(error.message).toContain(`ws://127.0.0.1:${port}/pool:`);
    expect(JSON.stringify([client.stats(), client.health()])).not.toContain('s3cret');
    listener.close();
  });
});

describe('a listener that was given to a pool', () => {
  it('is closed with it even when the pool never came to use it', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    await createServerPool({ listener }).close();
    expect(listener.listening).toBe(false);
  });
});
