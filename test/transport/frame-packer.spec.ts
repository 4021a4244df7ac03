import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FramePacker } from '../../lib/transport/frame-packer.js';

describe('the frame packer', () => {
  it('keeps every byte in order and fills each frame but the last', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 32 }),
        (batches, limit) => {
          const packer = new FramePacker(limit);
          for (const batch of batches) {
            for (const chunk of batch) packer.add(Buffer.from(chunk));
            const expected = Buffer.concat(batch);
            expect(packer.length).toBe(expected.length);
            const frames: Buffer[] = [];
            while (packer.length > 0) frames.push(packer.take());
            expect(Buffer.concat(frames)).toEqual(expected);
            expect(frames.slice(0, -1).every((frame) => frame.length === limit)).toBe(true);
            expect(frames.every((frame) => frame.length > 0 && frame.length <= limit)).toBe(true);
          }
        },
      ),
    );
  });

  it('copies no large write', () => {
    const packer = new FramePacker(16);
    const chunk = Buffer.alloc(64);
    packer.add(chunk);
    expect(packer.take().buffer).toBe(chunk.buffer);
  });
});
