import { describe, expect, it } from '@jest/globals';
import { memorySockets } from '../../lib/testing/memory-socket.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a pair of sockets in memory', () => {
  it('makes the writer wait while nobody reads', async () => {
    const { near, far } = memorySockets();
    let taken = 0;
    while (near.write(Buffer.alloc(4_096), () => taken++));
    for (let turns = 0; turns < 100; turns++) await turn();
    const held = taken * 4_096;
    expect(held).toBeLessThan(far.readableHighWaterMark + 4_096);
    near.end();
    let read = 0;
    for await (const bytes of far) read += (bytes as Buffer).length;
    expect(read).toBeGreaterThan(held);
  });

  it('tells a writer whose peer is gone', async () => {
    const { near, far } = memorySockets();
    far.destroy();
    await turn();
    const failed = new Promise((resolve) => near.once('error', resolve));
    near.write('x');
    expect(await failed).toMatchObject({ code: 'EPIPE' });
  });

  it('ends both ways when one side ends', async () => {
    const { near, far } = memorySockets();
    near.end('bye');
    let text = '';
    for await (const bytes of far) text += String(bytes);
    expect(text).toBe('bye');
    expect(far.writableEnded).toBe(true);
  });
});
