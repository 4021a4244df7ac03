import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { memoryInUse } from '../support/memory.js';
import { createCertificate } from '../support/certificates.js';
import { bytesOf, digestOf } from '../support/raw-bytes.js';
import { frameOf } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, type RawPeer } from '../support/raw-peer.js';

const STREAMS = 12;
const LIMIT = 256 * 1024;

/** Bytes outside the heap that are in use. */
async function memory(): Promise<number> {
  return (await memoryInUse()).external;
}

/** Resolves when `progress` has stood still for a while. */
function standstill(progress: () => number): Promise<void> {
  return new Promise((resolve) => {
    let last = progress();
    let quiet = 0;
    const timer = setInterval(() => {
      const now = progress();
      quiet = now === last ? quiet + 1 : 0;
      last = now;
      if (quiet < 6) return;
      clearInterval(timer);
      resolve();
    }, 25);
  });
}

interface Ends {
  connection: PoolConnection;
  peer: RawPeer;
}

async function withStreams(tls: boolean, use: (ends: Ends[]) => Promise<void>): Promise<void> {
  await using pool = await startServer({
    maxCapacity: STREAMS,
    ...(tls ? { tls: await createCertificate() } : {}),
  });
  const ends: Ends[] = [];
  for (let i = 0; i < STREAMS; i++) {
    const { peer, id } = await connectNamed(portOf(pool), { tls });
    ends.push({ peer, connection: await pool.outgoingGet(id) });
  }
  await use(ends);
  for (const { peer, connection } of ends) {
    peer.socket.destroy();
    connection.destroy();
  }
}

describe.each([false, true])('a stream that nobody reads (tls: %s)', (tls) => {
  it('takes no more from its application than 256 KiB beyond what it lets it write', async () => {
    await withStreams(tls, async (ends) => {
      const chunk = bytesOf(16 * 1024);
      for (const { peer } of ends) peer.socket.pause();
      const before = await memory();
      let written = 0;
      for (const { connection } of ends) {
        const write = (): void => {
          do written += chunk.length;
          while (connection.write(chunk));
        };
        connection.on('drain', write);
        write();
      }
      await standstill(() => written);
      const each = ((await memory()) - before) / STREAMS;
      expect(written).toBeGreaterThan(STREAMS * LIMIT);
      expect(ends.every(({ connection }) => connection.writableNeedDrain)).toBe(true);
      // One chunk fills all writes, so the application's own buffer does not show here.
      expect(each).toBeLessThanOrEqual(LIMIT);
    });
  });

  it('reads no more from its peer than 256 KiB', async () => {
    await withStreams(tls, async (ends) => {
      const frame = frameOf(bytesOf(16 * 1024), { masked: true });
      const before = await memory();
      let sent = 0;
      for (const { peer } of ends) {
        const send = (): void => {
          do sent += frame.length;
          while (peer.socket.write(frame));
        };
        peer.socket.on('drain', send);
        send();
      }
      await standstill(() => sent);
      // What the raw peers hold of the one frame, encrypted or not, counts here as well.
      const each = ((await memory()) - before) / STREAMS;
      expect(sent).toBeGreaterThan(STREAMS * LIMIT);
      const held = ends.map(({ connection }) => connection.readableLength);
      expect(Math.max(...held)).toBeLessThanOrEqual(LIMIT);
      expect(each).toBeLessThanOrEqual(LIMIT);
    });
  });
});

describe("a client's stream that nobody reads", () => {
  it('takes no more than 256 KiB, masked copies included', async () => {
    await using raw = await createRawServerPool(
      async (peer) => {
        await peer.accept(frameOf(Buffer.from([0, 0, 1, raw.server.peers.length])));
        peer.socket.pause();
      },
      { minCapacity: STREAMS, maxCapacity: STREAMS, maxInterval: 60_000, minInterval: 60_000 },
    );
    const connections: PoolConnection[] = [];
    while (connections.length < STREAMS) connections.push(await raw.pool.incomingGet());
    const chunk = bytesOf(16 * 1024);
    const before = await memory();
    let written = 0;
    for (const connection of connections) {
      const write = (): void => {
        do written += chunk.length;
        while (connection.write(chunk));
      };
      connection.on('drain', write);
      write();
    }
    await standstill(() => written);
    const each = ((await memory()) - before) / STREAMS;
    expect(written).toBeGreaterThan(STREAMS * LIMIT);
    expect(each).toBeLessThanOrEqual(LIMIT);
    for (const connection of connections) connection.destroy();
  });
});

describe('back-pressure', () => {
  it('loses and reorders nothing when it comes and goes', async () => {
    await withStreams(false, async ([ends]) => {
      const { connection, peer } = ends as Ends;
      const sent = bytesOf(6 << 20);
      for (let at = 0; at < sent.length; at += 100_000) peer.send(sent.subarray(at, at + 100_000));
      const parts: Buffer[] = [];
      let length = 0;
      for await (const part of connection) {
        parts.push(part);
        length += part.length;
        if (length === sent.length) break;
        if (parts.length % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
    });
  });

  /** Sends one message and waits until it is in. */
  const sendOne = async ({ connection, peer }: Ends, bytes: string): Promise<void> => {
    const before = connection.bytesRead;
    peer.send(Buffer.from(bytes));
    while (connection.bytesRead === before) await new Promise((resolve) => setImmediate(resolve));
  };

  it('holds nothing back from a reader that comes late or stops in between', async () => {
    await withStreams(false, async ([ends]) => {
      const { connection } = ends as Ends;
      let got = '';
      const all = async (length: number): Promise<void> => {
        while (got.length < length) await once(connection, 'data');
      };
      for (const letter of 'abc') await sendOne(ends as Ends, letter);
      connection.on('data', (part: Buffer) => (got += part.toString()));
      await all(3);
      connection.pause();
      for (const letter of 'def') await sendOne(ends as Ends, letter);
      connection.resume();
      await all(6);
      expect(got).toBe('abcdef');
    });
  });

  it('holds nothing back from a reader that waits for a number of bytes', async () => {
    await withStreams(false, async ([ends]) => {
      const { connection } = ends as Ends;
      const four = new Promise<string>((resolve) => {
        connection.on('readable', () => {
          const bytes = connection.read(4) as Buffer | null;
          if (bytes) resolve(bytes.toString());
        });
      });
      for (const letter of 'abcd') await sendOne(ends as Ends, letter);
      expect(await four).toBe('abcd');
    });
  });

  it('keeps messages of 1 byte in bounds while nobody reads, and delivers them all', async () => {
    await withStreams(false, async ([ends]) => {
      const { connection, peer } = ends as Ends;
      const sent = bytesOf(150_000);
      const frames = Buffer.concat(Array.from(sent, (byte) => frameOf(Buffer.of(byte), { masked: true })));
      const before = await memory();
      peer.socket.write(frames);
      await standstill(() => connection.bytesRead);
      expect(connection.bytesRead).toBeGreaterThanOrEqual(64 * 1024);
      expect(connection.bytesRead).toBeLessThan(sent.length);
      expect((await memory()) - before).toBeLessThan(2 * LIMIT);
      const parts: Buffer[] = [];
      for await (const part of connection) {
        parts.push(part);
        if (connection.bytesRead === sent.length && connection.readableLength === 0) break;
      }
      expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
    });
  });
});
