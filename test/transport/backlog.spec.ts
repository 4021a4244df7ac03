import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Backlog } from '../../lib/transport/backlog.js';
import { GreetingReader } from '../../lib/transport/handshake.js';

describe('bytes that nobody has read yet', () => {
  it('are handed over whole and in order, once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 300, size: 'max' }),
        (messages) => {
          const backlog = new Backlog();
          for (const message of messages) backlog.add(Buffer.from(message));
          expect(backlog.length).toBe(Buffer.concat(messages).length);
          expect(Buffer.concat(backlog.takeAll())).toEqual(Buffer.concat(messages));
          expect(backlog.takeAll()).toEqual([]);
          expect(backlog.length).toBe(0);
        },
      ),
    );
  });

  it('are put together when they come in many small messages', () => {
    const backlog = new Backlog();
    for (let byte = 0; byte < 60_000; byte++) backlog.add(Buffer.from([byte % 256]));
    expect(backlog.takeAll().length).toBeLessThan(100);
  });
});

describe('the ID', () => {
  it('is the first 4 bytes of the stream, however they are cut into messages', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4, maxLength: 12 }),
        fc.array(fc.nat({ max: 12 })),
        (stream, cuts) => {
          const bytes = Buffer.from(stream);
          const ends = [...new Set([...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
            (a, b) => a - b,
          );
          const reader = new GreetingReader(false);
          let start = 0;
          for (const end of ends) {
            const found = reader.read(bytes.subarray(start, end));
            expect(found !== undefined).toBe(end >= 4);
            if (found) {
              expect(found.id).toBe(bytes.toString('hex', 0, 4));
              expect(found.rest).toEqual(bytes.subarray(4, end));
              return;
            }
            start = end;
          }
        },
      ),
    );
  });
});
