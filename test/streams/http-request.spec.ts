import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type RequestOptions } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { createPair, type Pair, takeBoth, until } from '../support/pair.js';
import { bytesOf, digestOf } from '../support/raw-bytes.js';

const MiB = 1024 * 1024;

interface Answer {
  response: IncomingMessage;
  body: Buffer;
  isReused: boolean;
}

/** Sends a request and reads the whole answer. Rejects with what goes wrong first. */
function exchange(options: RequestOptions, body: Buffer = Buffer.alloc(0)): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      buffer(response).then((bytes) => {
        resolve({ response, body: bytes, isReused: sent.reusedSocket });
      }, reject);
    });
    sent.on('error', reject);
    Readable.from(pieces(body)).pipe(sent);
  });
}

function* pieces(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += 50_000) yield body.subarray(at, at + 50_000);
}

/** Resolves when neither pool counts a connection in use. */
async function untilUnused({ server, client }: Pair): Promise<void> {
  await until(server, () => server.stats().used === 0);
  await until(client, () => client.stats().used === 0);
}

/** Takes connections for its requests and keeps them for the next ones; `serve` gets their far ends. */
class PooledAgent extends Agent {
  readonly taken: string[] = [];

  constructor(
    private readonly pair: Pair,
    private readonly serve: (far: PoolConnection) => void,
  ) {
    super({ keepAlive: true, maxSockets: 1 });
  }

  override createConnection(
    _options: RequestOptions,
    callback?: (error: Error | null, connection: PoolConnection) => void,
  ): undefined {
    void takeBoth(this.pair).then(({ atServer, atClient }) => {
      this.taken.push(atServer.id);
      // As an agent's own sockets: what the far end has ended is not used again.
      atServer.allowHalfOpen = false;
      this.serve(atClient);
      callback?.(null, atServer);
    });
  }
}

describe('http.request through a connection', () => {
  it('sends MiBs up and reads MiBs down, unchanged, and leaves no connection in use', async () => {
    await using pair = await createPair({ tls: true });
    const { atServer, atClient } = await takeBoth(pair);
    const [up, down] = [bytesOf(4 * MiB, 1), bytesOf(5 * MiB, 2)];
    const http = createServer((incoming, response) => {
      void buffer(incoming).then((body) => response.setHeader('X-Received', digestOf(body)).end(down));
    });
    http.emit('connection', atClient);
    const { response, body } = await exchange({ method: 'POST', createConnection: () => atServer }, up);
    expect(response.headers['x-received']).toBe(digestOf(up));
    expect(digestOf(body)).toBe(digestOf(down));
    await untilUnused(pair);
    expect([atServer.errored, atClient.errored]).toEqual([null, null]);
  });

  it('uses one connection for many requests, one after the other, by an agent that keeps it', async () => {
    await using pair = await createPair({ tls: true });
    const http = createServer((incoming, response) => {
      void buffer(incoming).then((body) => response.end(body));
    });
    const agent = new PooledAgent(pair, (far) => http.emit('connection', far));
    for (const seed of [1, 2, 3, 4, 5]) {
      const sent = bytesOf(300_000, seed);
      const [{ body, isReused }] = await Promise.all([
        exchange({ method: 'POST', agent }, sent),
        once(agent, 'free'),
      ]);
      expect([digestOf(body), isReused]).toEqual([digestOf(sent), seed > 1]);
    }
    expect(agent.taken).toHaveLength(1);
    agent.destroy();
    await untilUnused(pair);
  });

  it('takes another connection when the far end has ended the one that an agent kept', async () => {
    await using pair = await createPair({ tls: true });
    const http = createServer((_, response) => response.end('hello'));
    const fars: PoolConnection[] = [];
    const agent = new PooledAgent(pair, (far) => {
      fars.push(far);
      http.emit('connection', far);
    });
    const first = exchange({ agent });
    const [, kept] = (await Promise.all([first, once(agent, 'free')])) as [Answer, [PoolConnection]];
    const closed = once(kept[0], 'close');
    fars[0]?.end();
    await closed;
    expect((await exchange({ agent })).body.toString()).toBe('hello');
    expect(new Set(agent.taken).size).toBe(2);
    agent.destroy();
    await untilUnused(pair);
  });

  it.each<[string, Record<string, string>]>([
    ['of a told length', { 'Content-Length': '200000' }],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }],
    ['that lasts to the end of the connection', { Connection: 'close', 'Transfer-Encoding': 'identity' }],
  ])('fails when the connection is cut in the middle of an answer %s', async (_, headers) => {
    await using pair = await createPair({ tls: true });
    const { atServer, atClient } = await takeBoth(pair);
    const http = createServer((__, response) => response.writeHead(200, headers).write(bytesOf(100_000)));
    http.emit('connection', atClient);
    atServer.once('data', () => atClient.destroy());
    await expect(exchange({ createConnection: () => atServer })).rejects.toMatchObject({
      code: 'ERR_NPWS_TRUNCATED',
    });
    await untilUnused(pair);
  });
});
