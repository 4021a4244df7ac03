import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { createClientPool, NpwsTruncatedError, type PoolConnection } from 'nestjs-npws';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { createCountedServerPool, createServerPoolOn } from '../support/counting-clock.js';
import { takeBoth, until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { CLOSE, closeCodeOf, closePayload, frameOf, TEXT } from '../support/raw-frames.js';
import { createJoined, createRawClient, portOf } from '../support/raw-joined.js';
import { connectNamed, type RawPeer } from '../support/raw-peer.js';
import { Uncaught } from '../support/uncaught.js';

/** Writes for ever, as fast as it may. */
function writeAlways(connection: PoolConnection): void {
  const write = (): void => {
    while (!connection.destroyed && connection.write(bytesOf(65_536)));
  };
  connection.on('drain', write);
  write();
}

describe('the end of a connection', () => {
  it('comes after everything was read, however slow the reader', async () => {
    await using joined = await createJoined();
    const sent = bytesOf(2 << 20);
    joined.atServer.end(sent);
    const parts: Buffer[] = [];
    for await (const part of joined.atClient) {
      parts.push(part);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(digestOf(Buffer.concat(parts))).toBe(digestOf(sent));
  });

  it('is an error where the peer closes in the middle of a message', async () => {
    await using raw = await createRawClient();
    const outcome = outcomeOf(raw.connection);
    raw.peer.send(Buffer.from('whole'));
    raw.peer.send(Buffer.from('a part'), { fin: false });
    raw.peer.send(closePayload(1000), { opcode: CLOSE });
    const { bytes, ended, error } = await outcome;
    expect([String(bytes), ended, error?.code]).toEqual(['whole', false, 'ERR_NPWS_TRUNCATED']);
  });

  it('is clean where the peer answers our close in the middle of a message', async () => {
    await using raw = await createRawClient();
    const { connection, peer } = raw;
    const outcome = outcomeOf(connection);
    peer.send(Buffer.from('a part'), { fin: false });
    connection.end();
    await peer.frameOfKind(CLOSE);
    peer.send(closePayload(1000), { opcode: CLOSE });
    expect(await outcome).toMatchObject({ ended: true, error: null });
  });

  it.each<[string, (connection: PoolConnection) => unknown]>([
    ['destroys', (connection) => connection.destroy()],
    ['ends', (connection) => connection.end()],
  ])('is known to be of whoever %s it first', async (_, close) => {
    await using joined = await createJoined({ client: { protocol: 1 } });
    const { pair, atServer, atClient } = joined;
    const [server, client] = [once(pair.server, 'disconnect'), once(pair.client, 'disconnect')];
    atClient.resume();
    close(atServer);
    expect((await Promise.all([server, client])).flat()).toMatchObject([{ ours: true }, { ours: false }]);
  });

  it('has the code that the peer closed with, also for who writes in the turn in which it comes', async () => {
    await using raw = await createRawClient();
    const { connection, peer } = raw;
    const outcome = new Promise<NpwsTruncatedError>((resolve) =>
      connection.once('error', resolve as () => void),
    );
    connection.on('readable', () => connection.write((connection.read() as Buffer | null) ?? ''));
    peer.write(
      frameOf(Buffer.from('a question'), { masked: true }),
      frameOf(closePayload(1011), { masked: true, opcode: CLOSE }),
    );
    expect((await outcome).closeCode).toBe(1011);
  });

  it('comes behind every message, also those behind one whose reader throws', async () => {
    await using raw = await createRawClient();
    const { connection, peer } = raw;
    using uncaught = new Uncaught();
    const parts: string[] = [];
    connection.on('data', (part: Buffer) => {
      parts.push(part.toString());
      if (parts.length === 1) throw new Error('of the reader');
    });
    const ended = once(connection, 'end');
    peer.write(...['one', 'two', 'three'].map((text) => frameOf(Buffer.from(text), { masked: true })));
    peer.send(closePayload(1000), { opcode: CLOSE });
    await ended;
    expect([parts, uncaught.errors]).toEqual([['one', 'two', 'three'], [new Error('of the reader')]]);
  });

  it('is not waited for longer than 30 s under protocol 1; what was written arrives nevertheless', async () => {
    const clock = new FakeClock();
    await using server = createServerPoolOn(clock);
    await server.start();
    const address = `127.0.0.1:${portOf(server)}`;
    await using client = createClientPool({ address, tlsMode: 'none', protocol: 1, drainTimeout: 0 });
    await client.start();
    const { atServer, atClient } = await takeBoth({ server, client });
    const outcome = outcomeOf(atClient);
    atClient.pause();
    const sent = bytesOf(1_000_000);
    await once(atServer.resume().end(sent), 'finish');
    const given = once(atServer, 'error');
    clock.advance(29_999);
    expect(atServer.closed).toBe(false);
    clock.advance(1);
    expect((await given)[0]).toMatchObject({ code: 'ERR_NPWS_TRUNCATED' });
    atClient.resume();
    const { bytes, ended, error } = await outcome;
    expect([digestOf(bytes), ended, error]).toEqual([digestOf(sent), true, null]);
  });

  it.each([1000, 1001])('is clean when the peer closes with %i', async (code) => {
    await using raw = await createRawClient();
    const outcome = outcomeOf(raw.connection);
    const sent = bytesOf(100_000);
    raw.peer.send(sent);
    raw.peer.send(closePayload(code), { opcode: CLOSE });
    const { bytes, ended, error } = await outcome;
    expect([digestOf(bytes), ended, error]).toEqual([digestOf(sent), true, null]);
    expect(closeCodeOf(await raw.peer.frameOfKind(CLOSE))).toBe(code);
  });

  it.each<[string, number, (peer: RawPeer) => unknown]>([
    [
      'an empty close frame',
      1005,
      (peer) => {
        peer.send(Buffer.alloc(0), { opcode: CLOSE });
      },
    ],
    [
      'close code 1002',
      1002,
      (peer) => {
        peer.send(closePayload(1002), { opcode: CLOSE });
      },
    ],
    [
      'close code 1011',
      1011,
      (peer) => {
        peer.send(closePayload(1011, 'oh'), { opcode: CLOSE });
      },
    ],
    [
      'close code 3000',
      3000,
      (peer) => {
        peer.send(closePayload(3000), { opcode: CLOSE });
      },
    ],
    [
      'a forbidden close code',
      1002,
      (peer) => {
        peer.send(closePayload(1006), { opcode: CLOSE });
      },
    ],
    [
      'a text message',
      1003,
      (peer) => {
        peer.send(Buffer.from('text'), { opcode: TEXT });
      },
    ],
    [
      'an unknown opcode',
      1002,
      (peer) => {
        peer.send(Buffer.alloc(1), { opcode: 5 });
      },
    ],
    [
      'an unmasked frame',
      1002,
      (peer) => {
        peer.write(Buffer.from([0x82, 1, 65]));
      },
    ],
    [
      'a message over maxPayload',
      1009,
      (peer) => {
        peer.send(bytesOf(200_000));
      },
    ],
    ['half a frame and a FIN', 1006, (peer) => peer.socket.end(Buffer.from([0x82, 0xfe, 0x10]))],
    ['a FIN without a close frame', 1006, (peer) => peer.socket.end()],
    ['a reset', 1006, (peer) => peer.reset()],
  ])('is an error after an exact prefix when the peer ends with %s', async (_, code, finish) => {
    // prettier-ignore
    await using raw = await createRawClient({ maxPayload: 150_000 });
    const outcome = outcomeOf(raw.connection);
    const sent = bytesOf(100_000);
    raw.peer.send(sent);
    while (raw.connection.bytesRead < sent.length) await once(raw.connection, 'data');
    finish(raw.peer);
    const { bytes, ended, error } = await outcome;
    expect(ended).toBe(false);
    expect(error).toBeInstanceOf(NpwsTruncatedError);
    expect([error?.code, error?.closeCode]).toEqual(['ERR_NPWS_TRUNCATED', code]);
    expect(digestOf(bytes)).toBe(digestOf(sent));
  });

  it('tells the peer the close code when it broke the rules', async () => {
    await using raw = await createRawClient();
    raw.peer.send(Buffer.from('text'), { opcode: TEXT });
    expect(closeCodeOf(await raw.peer.frameOfKind(CLOSE))).toBe(1003);
  });

  it.each([false, true])('is an error at the peer when destroyed before end (tls: %s)', async (tls) => {
    await using joined = await createJoined({ tls });
    const outcome = outcomeOf(joined.atServer);
    joined.atClient.write('some');
    await once(joined.atServer, 'data');
    joined.atClient.destroy();
    const { ended, error } = await outcome;
    expect([ended, error?.code]).toEqual([false, 'ERR_NPWS_TRUNCATED']);
  });

  it('loses nothing when destroyed in its own finish', async () => {
    await using joined = await createJoined();
    const sent = bytesOf(1 << 20);
    const outcome = outcomeOf(joined.atServer);
    joined.atClient.end(sent);
    joined.atClient.once('finish', () => joined.atClient.destroy());
    const { bytes, ended } = await outcome;
    expect([digestOf(bytes), ended]).toEqual([digestOf(sent), true]);
  });

  it('shows the peer an error when destroyed while what was written is under way', async () => {
    await using joined = await createJoined();
    const sent = bytesOf(8 << 20);
    const outcome = outcomeOf(joined.atServer);
    joined.atClient.end(sent);
    joined.atClient.destroy();
    const { bytes, ended, error } = await outcome;
    expect([ended, error?.code]).toEqual([false, 'ERR_NPWS_TRUNCATED']);
    expect(sent.subarray(0, bytes.length).equals(bytes)).toBe(true);
  });

  it('by the peer while we write: what it sent is readable, then our writer sees an error', async () => {
    await using raw = await createRawClient();
    const { connection, peer } = raw;
    const sent = bytesOf(50_000);
    peer.socket.pause();
    writeAlways(connection);
    peer.send(sent);
    peer.send(closePayload(1000), { opcode: CLOSE });
    const { bytes, error } = await outcomeOf(connection);
    expect(digestOf(bytes)).toBe(digestOf(sent));
    expect(error).toBeInstanceOf(NpwsTruncatedError);
  });

  it('by the peer is told to a writer that never reads', async () => {
    await using joined = await createJoined({ server: { protocol: 1 } });
    const closed = new Promise((resolve) => joined.atClient.once('close', resolve));
    writeAlways(joined.atClient);
    joined.atServer.end();
    await closed;
    expect(joined.atClient.errored).toBeInstanceOf(NpwsTruncatedError);
  });

  it("closes the connection although nobody reads, as a socket's does", async () => {
    await using joined = await createJoined({ client: { protocol: 1 } });
    joined.atServer.resume();
    const closed = once(joined.atClient, 'close');
    joined.atClient.end('bye');
    await closed;
    expect(joined.atClient.errored).toBeNull();
  });

  it('by a failure that nobody listens for crashes nothing', async () => {
    await using raw = await createRawClient();
    const closed = new Promise((resolve) => raw.connection.once('close', resolve));
    await raw.peer.reset();
    await closed;
    expect(raw.connection.errored).toBeInstanceOf(NpwsTruncatedError);
  });

  it('is clean at the peer when `await using` ends it', async () => {
    await using joined = await createJoined();
    const outcome = outcomeOf(joined.atServer);
    {
      await using connection = joined.atClient;
      connection.write('hello');
    }
    const { bytes, ended } = await outcome;
    expect([bytes.toString(), ended]).toEqual(['hello', true]);
  });

  it('is not waited for where `await using` leaves what was ended before', async () => {
    await using joined = await createJoined();
    {
      await using connection = joined.atClient;
      connection.end('hello');
      await once(connection, 'finish');
    }
    expect([joined.atClient.closed, joined.atServer.writableEnded]).toEqual([false, false]);
  });

  it.each<[string, (peer: RawPeer) => unknown]>([
    ['cut', (peer) => peer.reset()],
    [
      'closed with 1000',
      (peer) => {
        peer.send(closePayload(1000), { opcode: CLOSE });
      },
    ],
    [
      'closed with 1011',
      (peer) => {
        peer.send(closePayload(1011), { opcode: CLOSE });
      },
    ],
  ])('leaves no timer behind when %s', async (_, finish) => {
    const { pool, clock } = createCountedServerPool();
    await pool.start();
    const { peer, id } = await connectNamed(portOf(pool));
    const connection = await pool.outgoingGet(id);
    connection.allowHalfOpen = false;
    connection.resume();
    const closed = new Promise((resolve) => connection.once('close', resolve));
    finish(peer);
    await closed;
    await until(pool, () => pool.stats().used === 0);
    expect(clock.pending).toBe(0);
    peer.socket.destroy();
    await pool.close();
  });
});
