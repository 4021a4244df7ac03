import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { resolveOptions } from '../../lib/core/options.js';
import { ServerPool } from '../../lib/core/server-pool.js';
import { Measures } from '../../lib/core/measures.js';
import { createListen } from '../../lib/transport/acceptor.js';
import { systemClock } from '../../lib/core/clock.js';
import { memoryInUse } from '../support/memory.js';
import { until } from '../support/pair.js';
import { CLOSE, closeCodeOf, closePayload, frameOf, PING, TEXT } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectNamed, connectRaw, type RawPeer } from '../support/raw-peer.js';
import { outcomeOf } from '../support/raw-bytes.js';

const ID = Buffer.from('0a0b0c0d', 'hex');
const NORMAL = frameOf(closePayload(1000), { opcode: CLOSE });

describe('a source of randomness that always draws the same', () => {
  it('names two connections, turns the third away with a 503, counts an error, and goes on when a name is free', async () => {
    const { server } = resolveOptions({ server: { listen: { host: '127.0.0.1', port: 0 }, maxCapacity: 10, drainTimeout: 0 } });
    if (!server) throw new Error('no server options');
    const constant = (): number => 7;
    await using pool: ServerPool<PoolConnection> = new ServerPool('stub', server, createListen(server, null, { pool: 'stub', clock: systemClock, random: constant, measures: new Measures() }), null, systemClock, constant);
    await pool.start();
    const first = await connectNamed(portOf(pool));
    const second = await connectNamed(portOf(pool));
    expect([first.id, second.id]).toEqual(['00000000', '00000007']);
    const third = await connectRaw(portOf(pool));
    expect(await third.upgrade()).toMatch(/^HTTP\/1.1 503 /);
    expect([pool.active(), pool.errorCount(), pool.stats().rejected]).toEqual([2, 1, 1]);
    second.peer.socket.destroy();
    await until(pool, () => pool.active() === 1);
    const fourth = await connectNamed(portOf(pool));
    expect(fourth.id).toBe('00000007');
    for (const { socket } of [first.peer, third, fourth.peer]) socket.destroy();
  }); // prettier-ignore
});

describe('a server that names two connections alike', () => {
  it('leaves the client the newest: the idle one that had the name is closed with 1000', async () => {
    const accepted: RawPeer[] = [];
    await using raw = await createRawServerPool((peer) => peer.accept(frameOf(ID)).then(() => accepted.push(peer)), {
      minCapacity: 2,
      maxCapacity: 2,
      minInterval: 60_000,
      maxInterval: 60_000,
    });
    await new Promise((resolve) => raw.pool.once('connect', () => raw.pool.once('connect', resolve)));
    const [older, newer] = accepted as [RawPeer, RawPeer];
    expect(closeCodeOf(await older.frameOfKind(CLOSE))).toBe(1000);
    expect(raw.pool.active()).toBe(1);
    const connection = await raw.pool.outgoingGet('0a0b0c0d', 0);
    newer.send(Buffer.from('newest'));
    newer.send(closePayload(1000), { opcode: CLOSE });
    expect((await outcomeOf(connection)).bytes.toString()).toBe('newest');
  }); // prettier-ignore

  it('takes only the name from one that is in use', async () => {
    await using raw = await createRawServerPool((peer) => peer.accept(frameOf(ID)), { minInterval: 10, maxInterval: 10 });
    const inUse = await raw.pool.outgoingGet('0a0b0c0d');
    const older = await raw.server.next();
    const idle = await raw.pool.outgoingGet('0a0b0c0d');
    const newer = await raw.server.next();
    expect(idle).not.toBe(inUse);
    for (const [peer, connection, text] of [[older, inUse, 'old'], [newer, idle, 'new']] as const) {
      peer.send(Buffer.from(text));
      peer.send(closePayload(1000), { opcode: CLOSE });
      const { bytes, ended } = await outcomeOf(connection);
      expect([connection.id, bytes.toString(), ended]).toEqual(['0a0b0c0d', text, true]);
    }
  }); // prettier-ignore
});

describe('the ID in whatever messages', () => {
  const empty = frameOf(Buffer.alloc(0));
  const ping = frameOf(Buffer.from('p'), { opcode: PING });
  const sizes = [[4], [1, 3], [2, 2], [3, 1], [1, 1, 1, 1], [1, 1, 2], [2, 1, 1], [1, 2, 1]];
  const shapes = sizes.flatMap((cut) =>
    (['bare', 'with pings and empty messages between', 'as fragments of one message', 'as fragments with pings between'] as const).map((how) => [cut.join(' + '), how, cut] as const),
  ); // prettier-ignore

  it.each(shapes)('(%s bytes, %s) is read, and data behind it is data', async (_, how, cut) => {
    const frames: Buffer[] = [];
    let at = 0;
    const isOne = how.startsWith('as fragments');
    for (const [i, size] of cut.entries()) {
      const isLast = i === cut.length - 1;
      const payload = Buffer.concat([
        ID.subarray(at, at + size),
        isLast ? Buffer.from('da') : Buffer.alloc(0),
      ]);
      frames.push(frameOf(payload, isOne ? { opcode: i === 0 ? 2 : 0, fin: isLast } : {}));
      if (how.includes('pings') && !(isOne && isLast)) frames.push(ping);
      if (how.includes('empty')) frames.push(empty);
      at += size;
    }
    await using raw = await createRawServerPool((peer) =>
      peer.accept(...frames, frameOf(Buffer.from('ta')), NORMAL),
    );
    const { bytes, ended } = await outcomeOf(await raw.pool.outgoingGet('0a0b0c0d'));
    expect([bytes.toString(), ended]).toEqual(['data', true]);
  });

  it.each([0, 1, 2, 3])('of %i bytes only is none: the dial ends at its deadline', async (size) => {
    await using raw = await createRawServerPool((peer) => peer.accept(frameOf(ID.subarray(0, size))), { dialTimeout: 200, maxBackoff: 60_000 });
    await expect(raw.pool.whenReady(400)).rejects.toMatchObject({ cause: { code: 'ERR_NPWS_DIAL' } });
    await (await raw.server.next()).gone;
  }); // prettier-ignore

  it.each([
    ['text after half of it', [frameOf(ID.subarray(0, 2)), frameOf(ID.subarray(2), { opcode: TEXT })], 1003],
    ['text in fragments', [frameOf(Buffer.from('ab'), { opcode: TEXT, fin: false }), frameOf(Buffer.from('cd'), { opcode: 0 })], 1003],
    ['masked', [frameOf(ID, { masked: true })], 1002],
    ['compressed', [Buffer.concat([Buffer.of(0xc2), frameOf(ID).subarray(1)])], 1002],
  ])('%s fails the dial and tells the server why', async (_, frames, code) => {
    await using raw = await createRawServerPool((peer) => peer.accept(...frames), { maxBackoff: 60_000 });
    await expect(raw.pool.whenReady(200)).rejects.toMatchObject({ cause: { code: 'ERR_NPWS_HANDSHAKE', status: null } });
    const peer = await raw.server.next();
    expect(closeCodeOf(await peer.frameOfKind(CLOSE))).toBe(code);
    await peer.gone;
  }); // prettier-ignore
});

describe('a million gets by IDs that nobody bears', () => {
  it('fail one by one with a clear error, and leave nothing', async () => {
    await using pool = await startServer();
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    const used: number[] = [];
    let missed = 0;
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 200_000; i++) {
        const id = (round * 200_000 + i + 1).toString(16).padStart(8, '0');
        await pool.outgoingGet(id, 0).catch((error: unknown) => {
          if ((error as { code: string }).code === 'ERR_NPWS_TIMEOUT') missed++;
        });
      }
      used.push((await memoryInUse()).heapUsed);
    }
    Error.stackTraceLimit = limit;
    expect(missed).toBe(1_000_000);
    expect((used.at(-1) ?? 0) - (used[1] ?? 0)).toBeLessThan(1 << 20);
    const { peer, id } = await connectNamed(portOf(pool));
    expect((await pool.outgoingGet(id, 0)).id).toBe(id);
    peer.socket.destroy();
  }, 120_000);
});
