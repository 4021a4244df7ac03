import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { buffer, text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { createJoined, type Joined } from '../support/raw-joined.js';

/** Resolves when both ends of the link have been used again. */
async function untilReused({ pair }: Joined): Promise<void> {
  await until(pair.server, () => pair.server.stats().reused === 1);
  await until(pair.client, () => pair.client.stats().reused === 1);
}

/** Answers with the reversed text when the whole question is there. */
async function answer(connection: PoolConnection, size: number): Promise<void> {
  const { length } = await once(connection, 'end').then(() => Buffer.alloc(size));
  connection.end(bytesOf(length, 7));
}

/** A visitor of a server that hands each to a pooled connection: what it read, or null when it was cut. */
async function visit(
  splice: (visitor: Socket, connection: PoolConnection) => Promise<unknown>,
  connection: PoolConnection,
): Promise<Buffer | null> {
  const server = createServer({ allowHalfOpen: true }, (visitor) => {
    splice(visitor, connection).catch(() => visitor.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const visitor = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const parts: Buffer[] = [];
  visitor.on('data', (part: Buffer) => parts.push(part));
  const ended = once(visitor, 'end').then(
    () => Buffer.concat(parts),
    () => null,
  );
  visitor.end(bytesOf(300_000));
  const result = await Promise.race([ended, once(visitor, 'close').then(() => null)]);
  visitor.destroy();
  server.close();
  return result;
}

const ANSWER = 2 << 20;

/** The far end: reads to the end and answers then. */
function answerLate({ atClient }: Joined): void {
  let size = 0;
  atClient.on('data', (part: Buffer) => (size += part.length));
  atClient.once('end', () => atClient.end(bytesOf(size === 300_000 ? ANSWER : 1, 7)));
}

describe('ending one direction', () => {
  it.each([true, false])('leaves the other open, to the last byte (tls: %s)', async (tls) => {
    await using joined = await createJoined({ tls });
    const { atServer, atClient } = joined;
    expect([atServer.protocol, atClient.protocol, atServer.allowHalfOpen]).toEqual([2, 2, true]);
    const question = bytesOf(1 << 20, 1);
    const reply = bytesOf(3 << 20, 2);
    const asked = outcomeOf(atClient).then(({ bytes, error }) => [digestOf(bytes), error]);
    const answered = new Promise<Buffer>((resolve) => {
      const parts: Buffer[] = [];
      atServer.on('data', (part: Buffer) => parts.push(part)).once('end', () => { resolve(Buffer.concat(parts)); });
    }); // prettier-ignore
    atServer.end(question);
    await once(atServer, 'finish');
    atClient.end(reply);
    expect(digestOf(await answered)).toBe(digestOf(reply));
    expect(await asked).toEqual([digestOf(question), null]);
    await untilReused(joined);
    expect(atServer.errored).toBeNull();
  });

  it('ends the other too where allowHalfOpen is false, as in a socket', async () => {
    await using joined = await createJoined({ client: { allowHalfOpen: false } });
    const { atServer, atClient } = joined;
    atClient.resume();
    expect(atClient.allowHalfOpen).toBe(false);
    atServer.end('bye');
    expect(await text(atServer)).toBe('');
    await untilReused(joined);
  });

  it.each<[string, (visitor: Socket, connection: PoolConnection) => Promise<unknown>]>([
    ['one pipeline there and back', (visitor, connection) => pipeline(visitor, connection, visitor)],
    [
      'two pipelines',
      (visitor, connection) => Promise.all([pipeline(visitor, connection), pipeline(connection, visitor)]),
    ],
    [
      'pipe there and back',
      (visitor, connection) => {
        visitor.pipe(connection).pipe(visitor);
        return once(visitor, 'close');
      },
    ],
  ])('loses nothing in %s, and the link serves again', async (_, splice) => {
    await using joined = await createJoined();
    answerLate(joined);
    const read = await visit(splice, joined.atServer);
    expect(read && digestOf(read)).toBe(digestOf(bytesOf(ANSWER, 7)));
    await untilReused(joined);
  });

  it('gives up the answer under protocol 1, whatever the pipeline', async () => {
    await using joined = await createJoined({ server: { protocol: 1 } });
    expect([joined.atServer.protocol, joined.atClient.protocol]).toEqual([1, 1]);
    answerLate(joined);
    const read = await visit(
      (visitor, connection) => pipeline(visitor, connection, visitor),
      joined.atServer,
    );
    expect(read?.length ?? 0).toBe(0);
  });

  it('and reading on delivers the answer, and the link serves again', async () => {
    await using joined = await createJoined();
    const { atServer, atClient } = joined;
    void answer(atClient.resume(), 200_000);
    atServer.end('question');
    const { bytes, ended, error } = await outcomeOf(atServer);
    expect([digestOf(bytes), ended, error]).toEqual([digestOf(bytesOf(200_000, 7)), true, null]);
    await untilReused(joined);
  });
});

describe('reading in a loop', () => {
  it('to the end cuts nothing of what was ended before, however late the peer reads', async () => {
    await using joined = await createJoined({ tls: true });
    const { atServer, atClient } = joined;
    // More than the sockets between them hold.
    const answer = bytesOf(16 << 20, 7);
    atServer.end(answer);
    atClient.end('asked');
    expect(await text(atServer)).toBe('asked');
    expect(atServer.writableFinished).toBe(false);
    expect((await buffer(atClient)).equals(answer)).toBe(true);
    await untilReused(joined);
  });

  it.each(['and leaving it early', 'and ending nothing'])('%s destroys, as with any stream', async (how) => {
    await using joined = await createJoined({});
    const { atServer, atClient } = joined;
    const isEarly = how === 'and leaving it early';
    if (isEarly) {
      atServer.end(bytesOf(ANSWER, 7));
      atClient.write('asked');
    } else atClient.end('asked');
    const outcome = outcomeOf(atClient);
    for await (const part of atServer) {
      expect(part.toString()).toBe('asked');
      if (isEarly) break;
    }
    expect(atServer.destroyed).toBe(true);
    expect((await outcome).error).toMatchObject({ code: 'ERR_NPWS_TRUNCATED' });
  });
});

describe('a reader that waits for its own write', () => {
  it.each(['in a loop', 'in a pipe'])('reads to the end when its peer is gone, and hears of it then (%s)', async (how) => {
    await using joined = await createJoined();
    const { atServer, atClient } = joined;
    const closed = new Promise((resolve) => atServer.once('close', resolve));
    let read = 0;
    const loop = async (): Promise<void> => {
      for await (const part of atServer) {
        read += part.length;
        if (!atServer.write(part)) await once(atServer, 'drain');
      }
    };
    const reading = how === 'in a loop' ? loop() : atServer.on('data', (part: Buffer) => (read += part.length)).pipe(atServer);
    const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
    // Nobody reads at the client: nothing more goes out.
    atServer.write(bytesOf(64 << 20));
    atClient.write(bytesOf(5_000));
    while (read === 0) await turn();
    atClient.end(bytesOf(15_000));
    await once(atClient, 'finish');
    while (atServer.bytesRead < 20_000) await turn();
    await turn();
    await joined.pair.client.close();
    await reading;
    await closed;
    expect([read, atServer.errored]).toEqual([20_000, expect.objectContaining({ code: 'ERR_NPWS_TRUNCATED' })]);
  }); // prettier-ignore
});

describe('destroy()', () => {
  it('in `finish` loses nothing of what was written, and gives up the answer', async () => {
    await using joined = await createJoined();
    const { atServer, atClient } = joined;
    const sent = bytesOf(4 << 20);
    const parts: Buffer[] = [];
    atClient.on('data', (part: Buffer) => parts.push(part));
    const ended = new Promise((resolve) => atClient.once('end', resolve));
    const failed = new Promise((resolve) => atClient.once('error', resolve));
    atServer.end(sent).once('finish', () => atServer.destroy());
    await ended;
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
    expect(await failed).toMatchObject({ code: 'ERR_NPWS_TRUNCATED' });
    await until(joined.pair.server, () => joined.pair.server.stats().used === 0);
    expect(joined.pair.server.stats()).toMatchObject({ reused: 0, closed: { broken: 1 } });
  });

  it('in `finish` loses nothing of what was written although the peer is writing, and nobody reads that', async () => {
    await using joined = await createJoined();
    const { atServer, atClient } = joined;
    const sent = bytesOf(8 << 20);
    atClient.write(bytesOf(8 << 20, 2));
    // By now the buffers in between are full.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const ended = new Promise((resolve) => atClient.once('end', resolve));
    const parts: Buffer[] = [];
    atServer.end(sent).once('finish', () => atServer.destroy());
    for await (const part of atClient.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      parts.push(part);
      if (parts.length % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await ended;
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
  });

  it('right behind `end()` gives up the answer, but not what was written where all of it is out', async () => {
    await using joined = await createJoined();
    const { atServer, atClient } = joined;
    const told: string[] = [];
    atServer.on('data', (part: Buffer) => told.push(part.toString())).on('end', () => told.push('end'));
    const failure = new Promise((resolve) => atServer.once('error', resolve));
    await new Promise((resolve) => atClient.write('asked', resolve));
    atClient.end();
    atClient.destroy();
    expect(await failure).toMatchObject({ code: 'ERR_NPWS_TRUNCATED' });
    expect(told).toEqual(['asked', 'end']);
  });

  it('right behind `end()` cuts what is not out yet: the peer sees an error, never a clean end', async () => {
    await using joined = await createJoined();
    const sent = bytesOf(8 << 20);
    const outcome = outcomeOf(joined.atServer);
    joined.atClient.end(sent);
    joined.atClient.destroy();
    const { bytes, ended, error } = await outcome;
    expect([ended, error?.code]).toEqual([false, 'ERR_NPWS_TRUNCATED']);
    expect(sent.subarray(0, bytes.length).equals(bytes)).toBe(true);
  });

  it.each(['atServer', 'atClient'] as const)(
    'after both ends drops what is unread and gives the link back (%s)',
    async (end) => {
      await using joined = await createJoined();
      const destroyed = joined[end];
      const other = joined[end === 'atServer' ? 'atClient' : 'atServer'];
      other.end(bytesOf(10_000)).resume();
      destroyed.end();
      while (destroyed.readableLength === 0) await once(destroyed, 'readable');
      await new Promise((resolve) => setImmediate(resolve));
      destroyed.destroy();
      await untilReused(joined);
      expect([destroyed.errored, other.errored]).toEqual([null, null]);
    },
  );
});
