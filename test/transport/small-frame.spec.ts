import { describe, expect, it } from '@jest/globals';
import { SMALL_PAYLOAD, smallFrame } from '../../lib/transport/small-frame.js';
import { bytesOf } from '../support/raw-bytes.js';
import { frameOf } from '../support/raw-frames.js';

describe('a small frame', () => {
  it.each([0, 1, 4, 125, 126, 127, 1_024, SMALL_PAYLOAD])('of %i bytes is what RFC 6455 says', (length) => {
    const payload = bytesOf(length);
    expect(smallFrame(payload)).toEqual(frameOf(payload));
  });
});
