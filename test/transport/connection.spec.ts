import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from '@jest/globals';
import { CLOSE } from '../support/raw-frames.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { createJoined, createRawClient, createRawServerPool } from '../support/raw-joined.js';
import { frameOf } from '../support/raw-frames.js';

const SIZES = [1, 2, 125, 126, 1_000, 16_376, 16_377, 65_535, 65_536, 1 << 20, 8 << 20];

describe.each([false, true])('a connection (tls: %s)', (tls) => {
  it.each(['up', 'down'])('carries writes of 1 B to 8 MiB unchanged (%s)', async (direction) => {
    await using joined = await createJoined({ tls });
    const [from, to] =
      direction === 'up' ? [joined.atClient, joined.atServer] : [joined.atServer, joined.atClient];
    const parts = SIZES.map((size, seed) => bytesOf(size, seed));
    const outcome = outcomeOf(to);
    for (const part of parts) from.write(part);
    from.end();
    const { bytes, ended, error } = await outcome;
    expect([digestOf(bytes), ended, error]).toEqual([digestOf(Buffer.concat(parts)), true, null]);
    expect([from.bytesWritten, to.bytesRead]).toEqual([bytes.length, bytes.length]);
  });

  it('carries bytes both ways at once through pipeline', async () => {
    await using joined = await createJoined({ tls });
    const echo = pipeline(joined.atServer, joined.atServer).catch(() => undefined);
    const sent = bytesOf(3_000_000);
    const parts: Buffer[] = [];
    const all = new Promise<void>((resolve) => {
      joined.atClient.on('data', (part: Buffer) => {
        parts.push(part);
        if (Buffer.concat(parts).length === sent.length) resolve();
      });
    });
    Readable.from([sent.subarray(0, 7), sent.subarray(7)]).pipe(joined.atClient, { end: false });
    await all;
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
    joined.atClient.end();
    await echo;
  });

  it('is read by for await and ends after the last byte', async () => {
    await using joined = await createJoined({ tls });
    const sent = bytesOf(300_000);
    joined.atServer.end(sent);
    const parts: Buffer[] = [];
    for await (const part of joined.atClient) parts.push(part);
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
  });
});

describe('what a connection puts on the wire', () => {
  it('are binary frames of at most 16 KiB with an unmasked payload from the server', async () => {
    await using raw = await createRawClient();
    const sent = bytesOf(1 << 20);
    raw.connection.end(sent);
    const frames = [await raw.peer.frame()];
    while (frames.at(-1)?.opcode !== CLOSE) frames.push(await raw.peer.frame());
    const data = frames.slice(0, -1);
    expect(Math.max(...data.map(({ size }) => size))).toBeLessThanOrEqual(16 * 1024);
    expect(new Set(data.map(({ fin, opcode, masked }) => `${fin} ${opcode} ${masked}`))).toEqual(
      new Set(['true 2 false']),
    );
    expect(digestOf(Buffer.concat(data.map(({ payload }) => payload)))).toBe(digestOf(sent));
    expect(data.length).toBeLessThan(70);
  });

  it('are masked frames of at most 16 KiB from the client', async () => {
    await using raw = await createRawServerPool((peer) => peer.accept(frameOf(Buffer.from([0, 0, 0, 1]))));
    const connection = await raw.pool.outgoingGet('00000001');
    const peer = await raw.server.next();
    const sent = bytesOf(200_000);
    connection.end(sent);
    const frames = [await peer.frame()];
    while (frames.at(-1)?.opcode !== CLOSE) frames.push(await peer.frame());
    expect(Math.max(...frames.map(({ size }) => size))).toBeLessThanOrEqual(16 * 1024);
    expect(frames.every(({ masked }) => masked)).toBe(true);
    expect(digestOf(Buffer.concat(frames.slice(0, -1).map(({ payload }) => payload)))).toBe(digestOf(sent));
  });

  it('are few frames for many writes of 1 byte, in order', async () => {
    await using raw = await createRawClient();
    const sent = bytesOf(20_000);
    for (const byte of sent) raw.connection.write(Buffer.of(byte));
    raw.connection.end();
    const payloads: Buffer[] = [];
    for (let frame = await raw.peer.frame(); frame.opcode !== CLOSE; frame = await raw.peer.frame()) {
      payloads.push(frame.payload);
    }
    expect(digestOf(Buffer.concat(payloads))).toBe(digestOf(sent));
    expect(payloads.length).toBeLessThanOrEqual(4);
  });

  it('is nothing at all for an empty write, and an empty message from the peer means nothing', async () => {
    await using raw = await createRawClient();
    const outcome = outcomeOf(raw.connection);
    raw.connection.write(Buffer.alloc(0));
    raw.connection.write('x');
    expect((await raw.peer.frame()).payload.toString()).toBe('x');
    raw.peer.send(Buffer.alloc(0));
    raw.peer.send(Buffer.from('a'));
    raw.peer.send(Buffer.alloc(0), { fin: false });
    raw.peer.send(Buffer.from('b'), { opcode: 0 });
    raw.peer.send(Buffer.from([3, 232]), { opcode: CLOSE });
    const { bytes, ended } = await outcome;
    expect([bytes.toString(), ended]).toEqual(['ab', true]);
  });

  it('is a close without a pending byte lost when many small writes end at once', async () => {
    await using joined = await createJoined();
    const outcome = outcomeOf(joined.atServer);
    for (let i = 0; i < 5_000; i++) joined.atClient.write(`${i},`);
    joined.atClient.end('end');
    await once(joined.atClient, 'finish');
    const { bytes } = await outcome;
    expect(bytes.toString()).toBe(`${Array.from({ length: 5_000 }, (_, i) => `${i},`).join('')}end`);
  });
});
