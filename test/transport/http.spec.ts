import { createServer, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { createPair, takeBoth } from '../support/pair.js';
import { bytesOf, digestOf } from '../support/raw-bytes.js';

describe('HTTP over connections', () => {
  it.each([false, true])('posts a body and reads the answer, 5 at once (tls: %s)', async (tls) => {
    await using pair = await createPair({ tls });
    const http = createServer((incoming, response) => {
      void buffer(incoming).then((body) => response.setHeader('X-Digest', digestOf(body)).end(body));
    });
    const exchange = async (seed: number): Promise<void> => {
      const { atServer, atClient } = await takeBoth(pair);
      http.emit('connection', atClient);
      const body = bytesOf(300_000, seed);
      const answer = await new Promise<[string, Buffer]>((resolve, reject) => {
        const outgoing = request(
          { method: 'POST', path: '/', headers: { Connection: 'close' }, createConnection: () => atServer },
          (response) => {
            buffer(response).then((bytes) => {
              resolve([String(response.headers['x-digest']), bytes]);
            }, reject);
          },
        );
        outgoing.on('error', reject).end(body);
      });
      expect([answer[0], digestOf(answer[1])]).toEqual([digestOf(body), digestOf(body)]);
    };
    await Promise.all([1, 2, 3, 4, 5].map(exchange));
  });
});
