import type { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as ws from 'ws';
import { FrameSplitter } from '../../lib/transport/frame-splitter.js';
import { bytesOf } from '../support/raw-bytes.js';
import { frameOf, PING, PONG, TEXT } from '../support/raw-frames.js';

/** Exported, but not in the types. */
const { Receiver } = ws as unknown as { Receiver: new (options: object) => Writable };

const MAX_PAYLOAD = 1_000;

interface Piece {
  readonly kind:
    'data' | 'ping' | 'pong' | 'text' | 'fragments' | 'long' | 'close' | 'noise' | 'wrong mask' | 'cut';
  readonly length: number;
}

/** The bytes of a piece of what a peer sends. */
function bytesOfPiece({ kind, length }: Piece, masked: boolean): Buffer {
  const payload = bytesOf(length, length);
  switch (kind) {
    case 'data':
      return frameOf(payload, { masked });
    case 'ping':
      return frameOf(payload.subarray(0, 125), { masked, opcode: PING });
    case 'pong':
      // Longer than a control frame may be, now and then.
      return frameOf(payload, { masked, opcode: PONG });
    case 'text':
      return frameOf(Buffer.from('text'), { masked, opcode: TEXT });
    case 'fragments':
      return Buffer.concat([
        frameOf(payload, { masked, fin: false }),
        frameOf(Buffer.from('in between'), { masked, opcode: PING }),
        frameOf(payload, { masked, opcode: 0 }),
      ]);
    case 'long':
      return frameOf(bytesOf(MAX_PAYLOAD + 1), { masked });
    case 'close':
      return frameOf(Buffer.from([3, 232]), { masked, opcode: 8 });
    case 'noise':
      return payload;
    case 'wrong mask':
      return frameOf(payload, { masked: !masked });
    case 'cut':
      return frameOf(payload, { masked }).subarray(0, length % 7);
  }
}

/** A receiver of `ws`, and what it says. */
function createReceiver(isServer: boolean): { receiver: Writable; heard: string[] } {
  const receiver = new Receiver({ isServer, maxPayload: MAX_PAYLOAD });
  const heard: string[] = [];
  const say = (what: string) => (data: Buffer) => heard.push(`${what} ${data.toString('hex')}`);
  receiver.on('message', (data: Buffer, isBinary: boolean) => say(isBinary ? 'binary' : 'text')(data));
  receiver.on('ping', say('ping')).on('pong', say('pong'));
  receiver.on('conclude', (code: number) => heard.push(`close ${code}`));
  receiver.on('error', (error: Error) => heard.push(error.message));
  return { receiver, heard };
}

/** Cuts bytes after each of these lengths in turn. */
function* cut(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? bytes.length;
    yield Buffer.from(bytes.subarray(at, at + length));
    at += length;
  }
}

const kinds = ['data', 'data', 'data', 'data', 'ping', 'pong', 'text', 'fragments', 'long', 'close', 'noise', 'wrong mask', 'cut'] as const; // prettier-ignore

const pieces = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    length: fc.oneof(fc.nat(8), fc.nat(300), fc.nat(MAX_PAYLOAD)),
  }),
  { maxLength: 12 },
);

describe('the frame splitter', () => {
  it.each([true, false])('and ws together read what ws alone reads, however it is cut (masked: %s)', async (isMasked) => {
    const seen = { delivered: 0, forwarded: 0 };
    await fc.assert(
      fc.asyncProperty(pieces, fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1 }), async (sent, lengths) => {
        const bytes = Buffer.concat(sent.map((piece) => bytesOfPiece(piece, isMasked)));
        const alone = createReceiver(isMasked);
        const together = createReceiver(isMasked);
        const splitter = new FrameSplitter({
          isMasked,
          maxPayload: MAX_PAYLOAD,
          deliver: (payload) => {
            seen.delivered++;
            together.heard.push(`binary ${payload.toString('hex')}`);
          },
          forward: (forwarded) => {
            seen.forwarded++;
            together.receiver.write(forwarded);
          },
        });
        for (const chunk of cut(bytes, lengths)) {
          if (alone.receiver.destroyed) break;
          alone.receiver.write(Buffer.from(chunk));
          splitter.take(chunk);
          // Both tell of an error a turn later.
          await new Promise((resolve) => setImmediate(resolve));
          expect(together.heard).toEqual(alone.heard);
          expect(together.receiver.destroyed).toBe(alone.receiver.destroyed);
        }
      }),
      { numRuns: 500 },
    );
    expect(Math.min(seen.delivered, seen.forwarded)).toBeGreaterThan(100);
  }); // prettier-ignore

  it('passes no byte of a whole binary message to ws', () => {
    const message = bytesOf(16_376);
    const whole = [frameOf(message, { masked: true }), frameOf(Buffer.alloc(0), { masked: true })];
    expect(split(true, [Buffer.concat(whole)])).toEqual({
      delivered: [message, Buffer.alloc(0)],
      forwarded: Buffer.alloc(0),
    });
  });

  it('leaves the rest of a message that came in pieces to ws, though it looks like messages', () => {
    const small = frameOf(Buffer.from('a'));
    const bytes = frameOf(Buffer.concat([small, small, small]));
    const begun = bytes.length - 2 * small.length;
    expect(split(false, [bytes.subarray(0, begun), bytes.subarray(begun)])).toEqual({
      delivered: [],
      forwarded: bytes,
    });
  });

  it.each([
    ['text', frameOf(Buffer.from('a'), { opcode: 1 })],
    ['a message for a peer that masks', frameOf(Buffer.from('a'), { masked: true })],
  ])('leaves %s to ws, and all that comes behind it', (_, odd) => {
    const message = frameOf(Buffer.from('b'));
    expect(split(false, [Buffer.concat([odd, message]), message])).toEqual({
      delivered: [],
      forwarded: Buffer.concat([odd, message, message]),
    });
  });
});

/** What a splitter makes of bytes that come in these pieces. */
function split(isMasked: boolean, pieces: readonly Buffer[]): { delivered: Buffer[]; forwarded: Buffer } {
  const delivered: Buffer[] = [];
  const forwarded: Buffer[] = [];
  const splitter = new FrameSplitter({
    isMasked,
    maxPayload: 2 ** 20,
    deliver: (payload) => delivered.push(Buffer.from(payload)),
    forward: (bytes) => forwarded.push(Buffer.from(bytes)),
  });
  for (const piece of pieces) splitter.take(Buffer.from(piece));
  return { delivered, forwarded: Buffer.concat(forwarded) };
}
