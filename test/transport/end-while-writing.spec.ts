import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { PoolConnection } from 'nestjs-npws';
import type { UseReader } from '../../lib/transport/connection.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';

type Done = (error?: Error | null) => void;

/** A connection that is being read; its link keeps each frame until the test says that it is written out. */
function createConnection(): {
  connection: PoolConnection;
  reader: UseReader;
  frames: Done[];
  clock: FakeClock;
} {
  const clock = new FakeClock();
  const frames: Done[] = [];
  let reader: UseReader | undefined;
  const connection = new PoolConnection({
    id: '0a0b0c0d',
    pool: "client pool 'stub'",
    socket: {} as Socket,
    remote: { name: 'nobody', address: undefined, port: undefined },
    clock,
    protocol: 1,
    allowHalfOpen: false,
    attach: (to) => (reader = to),
    send: (source, length, done) => {
      source.read(Buffer.alloc(length));
      frames.push(done);
    },
    resume: () => undefined,
    finish: (done) => {
      done();
    },
    readToEnd: () => undefined,
    abandon: () => undefined,
    set: () => undefined,
  });
  connection.resume();
  return { connection, reader: reader as unknown as UseReader, frames, clock };
}

describe("a peer's close that overtakes the report that our bytes are written out", () => {
  it('is a clean end: the peer had them all', async () => {
    const { connection, reader, frames, clock } = createConnection();
    const written = new Promise((resolve) => connection.write('all of it', resolve));
    reader.finished(1000);
    await once(connection, 'end');
    frames.shift()?.();
    expect(await written).toBeFalsy();
    await once(connection, 'close');
    expect(clock.pending).toBe(0);
    expect(connection.errored).toBeNull();
  });

  it('is an error when they could not be written out', async () => {
    const { connection, reader, frames } = createConnection();
    const written = new Promise((resolve) => connection.write('all of it', resolve));
    reader.finished(1000);
    await once(connection, 'end');
    frames.shift()?.(new Error('EPIPE'));
    expect(await written).toMatchObject({ code: 'ERR_NPWS_TRUNCATED', closeCode: 1000 });
  });

  it('is an error when they stay behind', async () => {
    const { connection, reader, clock } = createConnection();
    const written = new Promise((resolve) => connection.write('all of it', resolve));
    reader.finished(1000);
    await once(connection, 'end');
    clock.advance(1_000);
    expect(await written).toMatchObject({ code: 'ERR_NPWS_TRUNCATED', closeCode: 1000 });
  });

  it('is an error when some were not sent at all', async () => {
    const { connection, reader, frames } = createConnection();
    const written = new Promise((resolve) => connection.write(Buffer.alloc(1 << 20), resolve));
    reader.finished(1000);
    expect(await written).toMatchObject({ code: 'ERR_NPWS_TRUNCATED', closeCode: 1000 });
    expect(frames.length).toBeGreaterThan(0);
  });
});
