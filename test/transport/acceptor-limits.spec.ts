import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { createCertificate } from '../support/certificates.js';
import { until } from '../support/pair.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, connectRaw } from '../support/raw-peer.js';

describe('maxPerAddress', () => {
  it('refuses one more of an address with 429, those in use counted, until one is gone', async () => {
    await using pool = await startServer({ maxPerAddress: 2, trustProxy: '127.0.0.1' });
    const [first, second] = [await connectNamed(portOf(pool)), await connectNamed(portOf(pool))];
    await pool.outgoingGet(second.id);
    const more = async (lines: string[] = []): Promise<string | undefined> => {
      const peer = await connectRaw(portOf(pool));
      const status = (await peer.upgrade(lines)).split(' ')[1];
      peer.socket.destroy();
      await peer.gone;
      return status;
    };
    expect([await more(), await more(['X-Forwarded-For: 192.0.2.1'])]).toEqual(['429', '101']);
    expect(pool.stats().rejected).toBe(1);
    first.peer.socket.destroy();
    await until(pool, () => pool.active() === 0);
    expect(await more()).toBe('101');
    second.peer.socket.destroy();
  });
});

describe('maxHandshakes', () => {
  it.each([false, true])(
    'gives up the oldest for one more, so that nobody can hold the places (tls: %s)',
    async (tls) => {
      await using pool = await startServer({
        maxHandshakes: 2,
        ...(tls ? { tls: await createCertificate() } : {}),
      });
      const oldest = await connectRaw(portOf(pool), { tls });
      const slow = await connectRaw(portOf(pool), { tls });
      const client = await connectNamed(portOf(pool), { tls });
      await oldest.gone;
      expect(await slow.upgrade()).toMatch(/^HTTP\/1.1 101 /);
      expect([pool.active(), pool.stats().rejected]).toEqual([2, 1]);
      for (const { socket } of [slow, client.peer]) socket.destroy();
    },
  );
});

describe('handshakeTimeout', () => {
  it('holds for a connection with the addresses of an older one that is not gone yet', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await using pool = await startServer({ listener, handshakeTimeout: 50 });
    const accept = createServer().listen(0, '127.0.0.1');
    await once(accept, 'listening');
    const arrive = async (): Promise<{ peer: Socket; socket: Socket }> => {
      const peer = connect((accept.address() as AddressInfo).port, '127.0.0.1');
      const [socket] = (await once(accept, 'connection')) as [Socket];
      Object.defineProperty(socket, 'remotePort', { value: 40_000 });
      listener.emit('connection', socket);
      return { peer, socket };
    };
    const [older, newer] = [await arrive(), await arrive()];
    older.peer.destroy();
    await once(older.socket, 'close');
    await once(newer.socket, 'close');
    expect(pool.stats().rejected).toBe(1);
    newer.peer.destroy();
    accept.close();
  });
});
