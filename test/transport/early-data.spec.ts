import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { CLOSE, closeCodeOf, closePayload, frameOf, PING, TEXT } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { createPair, until } from '../support/pair.js';
import { connectNamed, connectRaw, switching, upgradeRequest } from '../support/raw-peer.js';

const ID = Buffer.from('0a0b0c0d', 'hex');
const NORMAL = frameOf(closePayload(1000), { opcode: CLOSE });

describe('bytes right behind the ID', () => {
  it.each([
    ['in the same message', [frameOf(Buffer.concat([ID, Buffer.from('data')]))]],
    ['in the same segment as the 101', [frameOf(ID), frameOf(Buffer.from('data'))]],
    [
      'in fragments',
      [frameOf(ID), frameOf(Buffer.from('da'), { fin: false }), frameOf(Buffer.from('ta'), { opcode: 0 })],
    ],
    [
      'behind an ID of 2 + 2 bytes',
      [frameOf(ID.subarray(0, 2)), frameOf(ID.subarray(2)), frameOf(Buffer.from('data'))],
    ],
    [
      'behind an ID of 1 + 3 bytes, the last with data',
      [frameOf(ID.subarray(0, 1)), frameOf(Buffer.concat([ID.subarray(1), Buffer.from('data')]))],
    ],
    [
      'behind an ID in fragments',
      [
        frameOf(ID.subarray(0, 1), { fin: false }),
        frameOf(ID.subarray(1), { opcode: 0 }),
        frameOf(Buffer.from('data')),
      ],
    ],
    [
      'behind a ping',
      [frameOf(Buffer.from('p'), { opcode: PING }), frameOf(ID), frameOf(Buffer.from('data'))],
    ],
    [
      'behind an empty message',
      [frameOf(Buffer.alloc(0)), frameOf(ID), frameOf(Buffer.alloc(0)), frameOf(Buffer.from('data'))],
    ],
  ])('%s are delivered, and the clean close behind them too', async (_, frames) => {
    // prettier-ignore
    await using raw = await createRawServerPool((peer) => peer.accept(...frames, NORMAL), { protocol: 1 });
    const connection = await raw.pool.outgoingGet('0a0b0c0d');
    const { bytes, ended } = await outcomeOf(connection);
    expect([connection.id, bytes.toString(), ended]).toEqual(['0a0b0c0d', 'data', true]);
  });

  it.each([
    ['an end', [NORMAL], ['end', 'close']],
    [
      'a close of what nobody has used',
      [frameOf(closePayload(1000, 'unused'), { opcode: CLOSE })],
      ['error ERR_NPWS_UNUSED', 'close'],
    ],
    [
      'a broken rule',
      [frameOf(Buffer.from('text'), { opcode: TEXT })],
      ['error ERR_NPWS_TRUNCATED', 'close'],
    ],
    ['data and an end', [frameOf(Buffer.from('data')), NORMAL], ['data', 'end', 'close']],
  ])('%s are heard by whoever listens as soon as they have it', async (_, frames, expected) => {
    // prettier-ignore
    await using raw = await createRawServerPool((peer) => peer.accept(frameOf(ID), ...frames), { protocol: 1, minCapacity: 1, maxCapacity: 1 });
    const connection = await raw.pool.outgoingGet('0a0b0c0d');
    const heard: string[] = [];
    connection.on('data', (bytes: Buffer) => heard.push(bytes.toString()));
    connection.on('end', () => {
      heard.push('end');
      connection.end();
    });
    connection.on('error', (error: Error & { code?: string }) => heard.push(`error ${error.code ?? ''}`));
    await new Promise<void>((resolve) =>
      connection.on('close', () => {
        heard.push('close');
        resolve();
      }),
    );
    expect(heard).toEqual(expected);
  });

  it('are delivered from every split point of head, ID and data', async () => {
    const frames = Buffer.concat([frameOf(ID), frameOf(Buffer.from('data')), NORMAL]);
    // The key decides the 101, but not its length.
    const length = switching('').length + frames.length;
    let split = 0;
    let injected = 0;
    await using raw = await createRawServerPool((peer) => {
      const at = ++split;
      return peer.head().then((request) => {
        const all = Buffer.concat([switching(request), frames]);
        peer.socket.setNoDelay();
        peer.write(all.subarray(0, at));
        injected++;
        setTimeout(() => {
          peer.write(all.subarray(at));
        }, 2);
      });
    }, { minInterval: 1, maxInterval: 1 }); // prettier-ignore
    while (injected < length - 1) {
      const { bytes, ended } = await outcomeOf(await raw.pool.outgoingGet('0a0b0c0d'));
      expect([bytes.toString(), ended]).toEqual(['data', true]);
    }
  });

  it.each([false, true])('stay bounded in a flood and arrive complete (reader late: %s)', async (late) => {
    await using pool = await startServer();
    const { peer, id } = await connectNamed(portOf(pool));
    const sent = bytesOf(12 << 20);
    const frames: Buffer[] = [];
    for (let at = 0; at < sent.length; at += 50_000) {
      frames.push(frameOf(sent.subarray(at, at + 50_000), { masked: true }));
    }
    await until(pool, () => pool.active() === 1);
    peer.write(...frames, frameOf(closePayload(1000), { opcode: CLOSE, masked: true }));
    await until(pool, () => pool.stats().owed === 1);
    expect([pool.active(), pool.stats().utilization]).toEqual([0, 0]);
    if (late) await new Promise((resolve) => setTimeout(resolve, 100));
    // The sender still holds most of it: what was taken in stays in the kernel and in 64 KiB of ours.
    expect(peer.socket.writableLength).toBeGreaterThan(1 << 20);
    const connection = await pool.outgoingGet(id);
    expect(connection.readableLength).toBeLessThanOrEqual(256 * 1024);
    const { bytes, ended } = await outcomeOf(connection);
    expect([digestOf(bytes), ended]).toEqual([digestOf(sent), true]);
    peer.socket.destroy();
  });

  it("are delivered by ID when the client's come in the same segment as its request", async () => {
    await using pool = await startServer();
    const peer = await connectRaw(portOf(pool));
    peer.write(upgradeRequest(), frameOf(Buffer.from('eager'), { masked: true }));
    await peer.head();
    const id = (await peer.frame()).payload.toString('hex');
    const connection = await pool.outgoingGet(id);
    peer.send(closePayload(1000), { opcode: CLOSE });
    const { bytes, ended } = await outcomeOf(connection);
    expect([bytes.toString(), ended]).toEqual(['eager', true]);
  });

  it('are still there by ID after a clean close and the end of the socket', async () => {
    await using pool = await startServer();
    const { peer, id } = await connectNamed(portOf(pool));
    peer.send(Buffer.from('farewell'));
    peer.send(closePayload(1000), { opcode: CLOSE });
    await peer.gone;
    await until(pool, () => pool.stats().owed === 1);
    const { bytes, ended } = await outcomeOf(await pool.outgoingGet(id));
    expect([bytes.toString(), ended]).toEqual(['farewell', true]);
    expect(pool.stats().used).toBe(0);
  });

  it.each(['gives up the answer', 'is cut'])('are there by ID with their end though the peer %s (protocol 2)', async (how) => {
    await using pair = await createPair({ client: { drainTimeout: 0 } });
    const atClient = await pair.client.incomingGet();
    const gone = once(pair.server, 'disconnect');
    atClient.end('asked');
    await once(atClient, 'finish');
    await until(pair.server, () => pair.server.stats().owed === 1);
    if (how === 'is cut') await pair.client.close();
    else atClient.destroy();
    await gone;
    const atServer = await pair.server.outgoingGet(atClient.id, 0);
    // In vain, but that is told behind what there is to read.
    await new Promise((resolve) => atServer.write('answer', resolve));
    const { bytes, ended, error } = await outcomeOf(atServer);
    expect([bytes.toString(), ended, error?.code]).toEqual(['asked', true, 'ERR_NPWS_TRUNCATED']);
    await until(pair.server, () => pair.server.stats().owed + pair.server.stats().used === 0);
  }); // prettier-ignore

  it('are never shown as complete when the peer is cut behind them', async () => {
    await using pool = await startServer();
    const { peer, id } = await connectNamed(portOf(pool));
    peer.send(Buffer.from('half of it'));
    await until(pool, () => pool.stats().owed === 1);
    await peer.reset();
    await until(pool, () => pool.stats().owed === 0);
    await expect(pool.outgoingGet(id, 0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
  });
});

describe('an ID that is none', () => {
  it('as text is answered with 1003 and fails the dial', async () => {
    await using raw = await createRawServerPool((peer) => peer.accept(frameOf(Buffer.from('abcd'), { opcode: TEXT })));
    await expect(raw.pool.whenReady(200)).rejects.toMatchObject({ cause: { code: 'ERR_NPWS_HANDSHAKE', status: null } });
    const peer = await raw.server.next();
    expect(closeCodeOf(await peer.frameOfKind(CLOSE))).toBe(1003);
    await peer.gone;
  }); // prettier-ignore

  it.each([
    ['a clean close', [NORMAL]],
    ['3 bytes and a clean close', [frameOf(Buffer.alloc(3)), NORMAL]],
    ['a close with 1011', [frameOf(closePayload(1011), { opcode: CLOSE })]],
  ])('because of %s fails the dial', async (_, frames) => {
    await using raw = await createRawServerPool((peer) => peer.accept(...frames));
    const [error] = await new Promise<unknown[]>((resolve) =>
      raw.pool.once('dialError', (...args) => { resolve(args); }),
    ); // prettier-ignore
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', status: null });
  });
});
