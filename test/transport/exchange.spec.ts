import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { createPair, takeBoth } from '../support/pair.js';

describe('a connection taken at both ends', () => {
  it.each([false, true])('carries bytes both ways (tls: %s)', async (tls) => {
    await using pair = await createPair({ tls });
    const { atServer, atClient } = await takeBoth(pair);
    atServer.write('from the server');
    await new Promise((resolve) => atClient.once('data', resolve));
    atClient.end('from the client');
    expect(await text(atServer)).toBe('from the client');
  });
});
