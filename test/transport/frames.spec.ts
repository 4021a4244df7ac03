import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ByteQueue } from '../../lib/transport/byte-queue.js';
import { batchOf, framesOf, Message, reuse } from '../../lib/transport/frames.js';
import { mask, maskWords } from '../../lib/transport/mask.js';
import { bytesOf } from '../support/raw-bytes.js';
import { type Frame, frameOf, parseFrame } from '../support/raw-frames.js';

const RECORD = 16 * 1024;

function sourceOf(bytes: Buffer): ByteQueue {
  const queue = new ByteQueue();
  queue.add(bytes);
  return queue;
}

/** All frames in `bytes`, which hold nothing else. */
function framesIn(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += frames.at(-1)?.size ?? NaN) {
    const frame = parseFrame(bytes.subarray(at));
    if (!frame) throw new Error(`no frame at ${at} of ${bytes.length}`);
    frames.push(frame);
  }
  return frames;
}

describe('the frames of a message', () => {
  it.each([0, 1, 4, 125, 126, 127, 1_024, 2_044, 2_045, 16_380])('unmasked, of %i bytes, are what RFC 6455 says', (length) => {
    const payload = bytesOf(length);
    expect(framesOf(new Message(payload), length, false)).toEqual(frameOf(payload));
  }); // prettier-ignore

  it.each([1, 15, 16, 63, 64, 65, 16_376, 16_377, 40_000, 131_008, 140_000])(
    'masked, of %i bytes, fill records but for the last, each under a key of its own',
    (length) => {
      const payload = bytesOf(length);
      const bytes = framesOf(sourceOf(payload), length, true);
      const frames = framesIn(bytes);
      expect(Buffer.concat(frames.map((frame) => frame.payload))).toEqual(payload);
      expect(frames.every(({ fin, opcode, masked }) => fin && opcode === 2 && masked)).toBe(true);
      expect(frames.slice(0, -1).every(({ size }) => size === RECORD)).toBe(true);
      expect(frames.at(-1)?.size).toBeLessThanOrEqual(RECORD);
      const keys = new Set(frames.slice(0, -1).map((_, i) => bytes.toString('hex', i * RECORD + 4, i * RECORD + 8)));
      expect(keys.size).toBe(frames.length - 1);
    },
  ); // prettier-ignore

  it('use memory again when told that they are written out, and not before', () => {
    const make = (): Buffer => framesOf(sourceOf(bytesOf(50_000)), 50_000, false);
    const [one, other] = [make(), make()];
    expect(other.buffer).not.toBe(one.buffer);
    reuse(one);
    expect(make().buffer).toBe(one.buffer);
    expect(make().buffer).not.toBe(one.buffer);
  });

  it('are made of four records at a time, or of all when little more would be left', () => {
    const four = 4 * (RECORD - 8);
    expect([1, four, four + 64, four + RECORD, 10 * four].map(batchOf)).toEqual([1, four, four + 64, four, four]);
  }); // prettier-ignore
});

describe('a byte queue', () => {
  it('gives back every byte in order, in whatever pieces it is read', () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(chunks, { maxLength: 8 }), fc.integer({ min: 1, max: 32 }), (batches, piece) => {
        const queue = new ByteQueue();
        const read: Buffer[] = [];
        for (const batch of batches) {
          for (const chunk of batch) queue.add(Buffer.from(chunk));
          // Something stays behind now and then.
          while (queue.length >= piece) {
            const target = Buffer.alloc(piece);
            queue.read(target);
            read.push(target);
          }
        }
        const rest = Buffer.alloc(queue.length);
        queue.read(rest);
        expect(Buffer.concat([...read, rest])).toEqual(Buffer.concat(batches.flat()));
        expect(queue.length).toBe(0);
      }),
    );
  });
});

describe('masking', () => {
  it('is the same with and without native code, wherever the bytes lie', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.integer({ min: 0, max: 7 }),
        (bytes, key, offset) => {
          const expected = bytes.map((byte, i) => byte ^ (key[i % 4] as number));
          for (const apply of bytes.length < 4 ? [mask] : [mask, maskWords]) {
            const place = Buffer.alloc(bytes.length + offset + 8, 0xaa);
            place.set(bytes, offset);
            apply(place.subarray(offset, offset + bytes.length), key);
            expect(place.subarray(offset, offset + bytes.length)).toEqual(Buffer.from(expected));
            expect(place.subarray(offset + bytes.length)).toEqual(Buffer.alloc(8, 0xaa));
          }
        },
      ),
    );
  });
});
