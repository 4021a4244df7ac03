import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import {
  type ClientPool,
  CONTROL_ID,
  createClientPool,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { until } from '../support/pair.js';
import { outcomeOf } from '../support/raw-bytes.js';
import { BINARY, CLOSE, closePayload } from '../support/raw-frames.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectOffering, EMPTY } from '../support/raw-offer.js';
import { connectNamed, connectRaw, type RawPeer } from '../support/raw-peer.js';

/** How somebody who dials now is answered. */
async function statusOf(pool: ServerPool<PoolConnection>): Promise<string | undefined> {
  const peer = await connectRaw(portOf(pool));
  const [, status] = (await peer.upgrade()).split(' ');
  peer.socket.destroy();
  await peer.gone;
  return status;
}

/** A client pool of this many connections, full. */
async function tenantOf(
  server: ServerPool<PoolConnection>,
  name: string,
  capacity: number,
): Promise<ClientPool<PoolConnection>> {
  const address = `127.0.0.1:${portOf(server)}`;
  const pool = createClientPool(
    { address, tlsMode: 'none', minCapacity: capacity, maxCapacity: capacity, drainTimeout: 0 },
    { name },
  );
  await pool.start();
  await until(pool, () => pool.active() === capacity);
  return pool;
}

function drop(...peers: RawPeer[]): void {
  for (const { socket } of peers) socket.destroy();
}

describe.each([
  [1, connectNamed],
  [2, connectOffering],
] as const)('an admitted client (protocol %i)', (_, join) => {
  it('that sends an ID first does not choose its own: those bytes are data', async () => {
    await using pool = await startServer();
    const { peer, id } = await join(portOf(pool));
    peer.send(Buffer.from('deadbeef', 'hex'));
    await until(pool, () => pool.stats().owed === 1);
    await expect(pool.outgoingGet('deadbeef', 0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    const connection = await pool.outgoingGet(id, 0);
    expect([connection.id, ((await once(connection, 'data'))[0] as Buffer).toString('hex')]).toEqual([
      id,
      'deadbeef',
    ]);
    connection.destroy();
  });

  it("that sends another's ID first does not get what is meant for the other", async () => {
    await using pool = await startServer();
    const [theirs, mine] = [await join(portOf(pool)), await join(portOf(pool))];
    mine.peer.send(Buffer.from(theirs.id, 'hex'));
    await until(pool, () => pool.stats().owed === 1);
    const [toThem, toMe] = [await pool.outgoingGet(theirs.id, 0), await pool.outgoingGet(mine.id, 0)];
    toThem.write('for them');
    expect((await theirs.peer.frameOfKind(BINARY)).payload.toString()).toBe('for them');
    // Nothing of it came before.
    toMe.write('for me');
    expect((await mine.peer.frameOfKind(BINARY)).payload.toString()).toBe('for me');
    for (const connection of [toThem, toMe]) connection.destroy();
  });

  it('that breaks the rules loses its own connection, and nobody else theirs', async () => {
    await using pool = await startServer();
    const [theirs, mine] = [await join(portOf(pool)), await join(portOf(pool))];
    mine.peer.send(Buffer.from('text'), { opcode: 1 });
    expect((await mine.peer.frameOfKind(CLOSE)).payload.readUInt16BE(0)).toBe(1003);
    await until(pool, () => pool.active() === 1);
    const connection = await pool.outgoingGet(theirs.id, 0);
    connection.write('well');
    expect((await theirs.peer.frameOfKind(BINARY)).payload.toString()).toBe('well');
    connection.destroy();
    drop(mine.peer);
  });
});

describe('two clients of one server pool', () => {
  it("do not reach each other's connections by ID: each pool knows its own alone", async () => {
    await using server = await startServer();
    await using first = await tenantOf(server, 'first', 3);
    await using second = await tenantOf(server, 'second', 3);
    for (const { id } of first.connections()) {
      await expect(second.outgoingGet(id, 20)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
      const atServer = await server.outgoingGet(id, 0);
      const atFirst = await first.outgoingGet(id, 0);
      const outcome = outcomeOf(atFirst);
      atServer.end('for the first');
      expect((await outcome).bytes.toString()).toBe('for the first');
      atServer.destroy();
    }
  });

  it('are not told apart by who takes any: the oldest goes first, whosever it is', async () => {
    await using pool = await startServer();
    const [first, second] = [await connectNamed(portOf(pool)), await connectNamed(portOf(pool))];
    const taken = [await pool.incomingGet(0), await pool.incomingGet(0)];
    expect(taken.map(({ id }) => id)).toEqual([first.id, second.id]);
    for (const connection of taken) connection.destroy();
  });

  it('are kept apart by a server pool each: an ID of the one is nothing to the other', async () => {
    await using one = await startServer();
    await using other = await startServer();
    // Two control connections would bear one ID.
    const controls = [await connectNamed(portOf(one)), await connectNamed(portOf(other))];
    const { peer, id } = await connectNamed(portOf(one));
    await expect(other.outgoingGet(id, 20)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    (await one.outgoingGet(id, 0)).destroy();
    drop(peer, ...controls.map((control) => control.peer));
  });
});

describe('00000000', () => {
  it('goes to whoever dials first, and to nobody after that', async () => {
    await using pool = await startServer();
    const [first, second] = [await connectNamed(portOf(pool)), await connectNamed(portOf(pool))];
    expect(first.id).toBe(CONTROL_ID);
    expect(second.id).not.toBe(CONTROL_ID);
    drop(first.peer);
    await until(pool, () => pool.active() === 1);
    const third = await connectNamed(portOf(pool));
    expect(third.id).not.toBe(CONTROL_ID);
    drop(second.peer, third.peer);
  });

  it('goes, where it is reserved, to whoever dials first when it is free again, whoever had it before', async () => {
    await using pool = await startServer({ reserveControl: true });
    const [first, second] = [await connectNamed(portOf(pool)), await connectNamed(portOf(pool))];
    expect([first.id, second.id === CONTROL_ID]).toEqual([CONTROL_ID, false]);
    drop(first.peer);
    // The oldest idle one makes way for it, whosever it is.
    expect((await second.peer.frameOfKind(CLOSE)).payload).toEqual(closePayload(1000, 'unused'));
    const next = await connectNamed(portOf(pool));
    expect(next.id).toBe(CONTROL_ID);
    drop(second.peer, next.peer);
  });
});

describe('a client that does not give back what it was given', () => {
  it('holds a place of its address until it hangs up, which maxPerAddress counts', async () => {
    await using pool = await startServer({ maxPerAddress: 1 });
    const { peer, id } = await connectOffering(portOf(pool));
    const connection = await pool.outgoingGet(id, 0);
    const outcome = outcomeOf(connection);
    peer.send(EMPTY); // its end, and no giving back behind it
    await outcome;
    expect(await statusOf(pool)).toBe('429');
    peer.socket.destroy();
    await until(pool, () => pool.stats().used === 0);
    expect(await statusOf(pool)).toBe('101');
  });
});
