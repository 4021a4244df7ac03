import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  CONTROL_ID,
  IdIssuer,
  idFromBytes,
  idToBytes,
  isConnectionId,
} from '../../lib/core/connection-id.js';

describe('a connection ID', () => {
  it('is the same as bytes and as text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
        const id = idFromBytes(bytes);
        expect(id).toBe(Buffer.from(bytes).toString('hex'));
        expect(idToBytes(id)).toEqual(bytes);
        expect(isConnectionId(id)).toBe(true);
      }),
    );
  });

  it('is read from the middle of a buffer', () => {
    expect(idFromBytes(Buffer.from('ffa1b2c3d4ff', 'hex').subarray(1, 5))).toBe('a1b2c3d4');
  });
});

describe('the issuer', () => {
  it('never issues an ID that is live', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 30 }), { minLength: 50, maxLength: 300 }),
        fc.boolean(),
        (draws, reissue) => {
          let next = 0;
          const issuer = new IdIssuer(() => draws[next++ % draws.length] ?? 0, reissue);
          const live = new Set<string>();
          for (let issued = 0; issued < 20; issued++) {
            const id = issuer.issue((name) => live.has(name));
            if (id === undefined) break;
            expect(live.has(id)).toBe(false);
            live.add(id);
            issuer.spent(id);
          }
          expect(live.has(CONTROL_ID)).toBe(true);
        },
      ),
    );
  });

  it('gives up on a source that draws the same again and again', () => {
    let draws = 0;
    const issuer = new IdIssuer(() => {
      draws++;
      return 5;
    }, false);
    issuer.spent(CONTROL_ID);
    expect(issuer.issue((name) => name === '00000005')).toBeUndefined();
    expect(draws).toBeLessThan(20);
  });
});
