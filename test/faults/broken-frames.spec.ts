import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { CLOSE, closeCodeOf, closePayload, frameOf, PING, TEXT } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, type RawPeer } from '../support/raw-peer.js';

const MAX_PAYLOAD = 1_000;
const LETTER = Buffer.from('x');

/** Makes frames as the role of the peer demands, or not. */
type Frames = (masked: boolean) => Buffer;

/** One frame whose first byte is this. */
const startingWith =
  (first: number): Frames =>
  (masked) => {
    const frame = frameOf(LETTER, { masked });
    frame[0] = first;
    return frame;
  };

const closing =
  (payload: Uint8Array): Frames =>
  (masked) =>
    frameOf(payload, { opcode: CLOSE, masked });

/** A frame that says it has this many bytes, and brings none of them. */
const announcing =
  (length: bigint): Frames =>
  (masked) => {
    const header = Buffer.from([0x82, masked ? 255 : 127, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    header.writeBigUInt64BE(length, 2);
    return header;
  };

const fragments =
  (count: number, size: number): Frames =>
  (masked) =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        frameOf(Buffer.alloc(size), { opcode: i === 0 ? 2 : 0, fin: false, masked }),
      ),
    );

const BROKEN: [string, number, Frames][] = [
  ...[0x40, 0x20, 0x10].map((bit): [string, number, Frames] => [`reserved bit 0x${bit.toString(16)}`, 1002, startingWith(0x82 | bit)]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, number, Frames] => [`opcode ${opcode}`, 1002, startingWith(0x80 | opcode)]),
  ['a continuation of nothing', 1002, startingWith(0x80)],
  ['a message within a fragmented message', 1002, (masked) => Buffer.concat([frameOf(LETTER, { fin: false, masked }), frameOf(LETTER, { masked })])],
  ['the wrong mask for its role', 1002, (masked) => frameOf(LETTER, { masked: !masked })],
  ['a fragmented ping', 1002, (masked) => frameOf(LETTER, { opcode: PING, fin: false, masked })],
  ['a fragmented close', 1002, (masked) => frameOf(closePayload(1000), { opcode: CLOSE, fin: false, masked })],
  ['a ping of 126 bytes', 1002, (masked) => frameOf(Buffer.alloc(126), { opcode: PING, masked })],
  ['a close of 126 bytes', 1002, closing(closePayload(1000, 'x'.repeat(124)))],
  ['a close of 1 byte', 1002, closing(Buffer.of(3))],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code): [string, number, Frames] => [`close code ${code}`, 1002, closing(closePayload(code))]),
  ['a close whose reason is no UTF-8', 1007, closing(Buffer.concat([closePayload(1000), Buffer.of(0xc3, 0x28)]))],
  ['a text message', 1003, (masked) => frameOf(LETTER, { opcode: TEXT, masked })],
  ['an empty text message', 1003, (masked) => frameOf(Buffer.alloc(0), { opcode: TEXT, masked })],
  ['a fragmented text message', 1003, (masked) => Buffer.concat([frameOf(LETTER, { opcode: TEXT, fin: false, masked }), frameOf(LETTER, { opcode: 0, masked })])],
  ['a text message that is no UTF-8', 1007, (masked) => frameOf(Buffer.of(0xff), { opcode: TEXT, masked })],
  ['a message over maxPayload', 1009, (masked) => frameOf(Buffer.alloc(MAX_PAYLOAD + 1), { masked })],
  ['fragments over maxPayload', 1009, fragments(11, 100)],
  ['a length of 2^31', 1009, announcing(2n ** 31n)],
  ['a length of 2^53', 1009, announcing(2n ** 53n)],
  ['a length of 2^64 - 1', 1009, announcing(2n ** 64n - 1n)],
  ['20,000 empty fragments', 1008, fragments(20_000, 0)],
]; // prettier-ignore

interface Ends extends AsyncDisposable {
  peer: RawPeer;
  take: () => Promise<PoolConnection>;
  evicted: () => Promise<void>;
}

async function withClient(): Promise<Ends> {
  const pool = await startServer({ maxPayload: MAX_PAYLOAD });
  const { peer, id } = await connectNamed(portOf(pool));
  return {
    peer,
    take: () => pool.outgoingGet(id),
    evicted: () => until(pool, () => pool.active() === 0 && pool.stats().evicted === 1),
    async [Symbol.asyncDispose]() {
      peer.socket.destroy();
      await pool.close();
    },
  };
}

async function withServer(): Promise<Ends> {
  let isFirst = true;
  const raw = await createRawServerPool(
    (peer) => {
      if (isFirst) void peer.accept(frameOf(Buffer.from('0a0b0c0d', 'hex')));
      isFirst = false;
    },
    { maxPayload: MAX_PAYLOAD, dialTimeout: 2_000 },
  );
  await until(raw.pool, () => raw.pool.active() === 1);
  return {
    peer: await raw.server.next(),
    take: () => raw.pool.outgoingGet('0a0b0c0d'),
    evicted: () => until(raw.pool, () => raw.pool.active() === 0 && raw.pool.stats().evicted === 1),
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  };
}

describe.each([
  ['client', true, withClient],
  ['server', false, withServer],
])('a %s that breaks the rules', (_role, masked, join) => {
  it.each(BROKEN)(
    'by %s hears %i, and the reader an error behind an exact prefix',
    async (_, code, frames) => {
      await using ends = await join();
      const connection = await ends.take();
      const outcome = outcomeOf(connection);
      const sent = bytesOf(900);
      ends.peer.send(sent);
      while (connection.bytesRead < sent.length) await once(connection, 'data');
      ends.peer.write(frames(masked));
      const { bytes, ended, error } = await outcome;
      expect([digestOf(bytes), ended]).toEqual([digestOf(sent), false]);
      expect([error?.code, error?.closeCode]).toEqual(['ERR_NPWS_TRUNCATED', code]);
      expect(closeCodeOf(await ends.peer.frameOfKind(CLOSE))).toBe(code);
    },
  );

  it.each(BROKEN)('by %s while it is idle hears %i and is evicted', async (_, code, frames) => {
    await using ends = await join();
    ends.peer.write(frames(masked));
    expect(closeCodeOf(await ends.peer.frameOfKind(CLOSE))).toBe(code);
    await ends.evicted();
    await ends.peer.rest();
  });

  it('and goes on sending hears why all the same', async () => {
    await using ends = await join();
    const connection = await ends.take();
    connection.resume();
    const closed = new Promise((resolve) => connection.once('close', resolve));
    ends.peer.socket.pause();
    ends.peer.send(Buffer.alloc(MAX_PAYLOAD + 1));
    // A reset in answer to what is still coming would take the close frame from a peer that has not read it yet.
    const sending = setInterval(() => ends.peer.socket.write(bytesOf(1_000)), 1);
    await closed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    ends.peer.socket.resume();
    expect(closeCodeOf(await ends.peer.frameOfKind(CLOSE))).toBe(1009);
    clearInterval(sending);
    expect(connection.errored).toMatchObject({ closeCode: 1009 });
  });

  it('by an end without a close frame while it reads nothing is noticed by who writes and who reads', async () => {
    await using ends = await join();
    const connection = await ends.take();
    const outcome = outcomeOf(connection);
    ends.peer.socket.pause();
    const write = (): void => {
      while (connection.writable && connection.write(bytesOf(65_536)));
    };
    connection.on('drain', write);
    const standstill = setInterval(() => {
      if (connection.writableNeedDrain) ends.peer.socket.end();
    }, 200);
    write();
    const { ended, error } = await outcome;
    clearInterval(standstill);
    expect([ended, error?.closeCode]).toEqual([false, 1006]);
  });
});
