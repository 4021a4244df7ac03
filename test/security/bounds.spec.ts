import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { createPair, takeBoth, until } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { CLOSE, closePayload, frameOf, PING, PONG } from '../support/raw-frames.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed } from '../support/raw-peer.js';

describe('early data of a client', () => {
  it('that nobody has taken is read no further than 256 KiB, and arrives whole', async () => {
    await using pool = await startServer();
    const [flooding, other] = [await connectNamed(portOf(pool)), await connectNamed(portOf(pool))];
    const sent = bytesOf(16 << 20);
    for (let at = 0; at < sent.length; at += 16_384) flooding.peer.send(sent.subarray(at, at + 16_384));
    flooding.peer.send(closePayload(1000), { opcode: CLOSE });
    await until(pool, () => pool.stats().owed === 1);
    // The server goes on with others: what it wanted to read of the flood it has read by then.
    for (let i = 0; i < 200; i++) {
      other.peer.send(Buffer.from('well?'), { opcode: PING });
      await other.peer.frameOfKind(PONG);
    }
    const { bytes } = pool.connections().find(({ id }) => id === flooding.id) ?? {};
    expect(bytes?.received).toBeGreaterThan(64 * 1024);
    expect(bytes?.received).toBeLessThanOrEqual(256 * 1024);
    const outcome = await outcomeOf(await pool.outgoingGet(flooding.id, 0));
    expect([digestOf(outcome.bytes), outcome.ended]).toEqual([digestOf(sent), true]);
    other.peer.socket.destroy();
  }, 60_000);
});

describe('maxPayload', () => {
  it('of 16 KiB suffices between two pools of this package', async () => {
    const options = { maxPayload: 16 * 1024 };
    await using pair = await createPair({ server: options, client: options });
    const { atServer, atClient } = await takeBoth(pair);
    const sent = bytesOf(3 << 20);
    const outcomes = [outcomeOf(atServer), outcomeOf(atClient)];
    atServer.end(sent);
    atClient.end(sent);
    for (const { bytes, ended } of await Promise.all(outcomes))
      expect([digestOf(bytes), ended]).toEqual([digestOf(sent), true]);
  });

  it('closes whoever announces more before a byte of it is kept', async () => {
    await using pool = await startServer({ maxPayload: 16 * 1024 });
    const { peer } = await connectNamed(portOf(pool));
    // The header of a message of 16 KiB and 1 byte, and nothing behind it.
    peer.write(frameOf(Buffer.alloc(16 * 1024 + 1), { masked: true }).subarray(0, 8));
    expect((await peer.frameOfKind(CLOSE)).payload.readUInt16BE(0)).toBe(1009);
    peer.socket.destroy();
  });
});

describe('maxCapacity', () => {
  it('counts what a client has begun to write on and nobody has taken', async () => {
    await using pool = await startServer({ maxCapacity: 2 });
    const [first, second] = [await connectNamed(portOf(pool)), await connectNamed(portOf(pool))];
    for (const { peer } of [first, second]) peer.send(Buffer.from('early'));
    await until(pool, () => pool.stats().owed === 2);
    const rejected = once(pool, 'reject') as Promise<[{ status: number }]>;
    await expect(connectNamed(portOf(pool))).rejects.toThrow('the connection ended first');
    expect((await rejected)[0].status).toBe(503);
    for (const { peer } of [first, second]) peer.socket.destroy();
  });
});
