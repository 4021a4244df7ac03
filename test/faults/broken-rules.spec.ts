import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type {
  ClientPool,
  ClientPoolOptions,
  CloseReason,
  NpwsError,
  PoolConnection,
  ServerPool,
  ServerPoolSettings,
} from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { createPair, until } from '../support/pair.js';
import { type Outcome, outcomeOf } from '../support/raw-bytes.js';
import {
  BINARY,
  CLOSE,
  closeCodeOf,
  closePayload,
  frameOf,
  PING,
  PONG,
  TEXT,
} from '../support/raw-frames.js';
import { createRawClient, createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectOffering, EMPTY, greetingOf, masked, nameOf, offerLines } from '../support/raw-offer.js';
import { connectRaw, type RawPeer, upgradeRequest } from '../support/raw-peer.js';

type Options = Partial<ClientPoolOptions> & ServerPoolSettings;
type AnyPool = ClientPool<PoolConnection> | ServerPool<PoolConnection>;

/** A message to be sent: of data, of text, or an empty one. */
type Message = string | { text: string };

const END = '';
const FIRST = '0a0b0c01';

/** A pool and a raw peer of it that speaks protocol 2. Its first link is named and idle. */
interface Ends extends AsyncDisposable {
  pool: AnyPool;
  peer: RawPeer;
  id: string;
  /** Another peer of the same pool, and its name. */
  another: () => Promise<{ peer: RawPeer; id: string }>;
}

/** Sends messages in one segment, masked as the role of the peer demands. */
function send({ pool, peer }: Pick<Ends, 'pool' | 'peer'>, messages: Message[]): void {
  const isMasked = pool.role === 'server';
  const frames = messages.map((message) =>
    typeof message === 'string'
      ? frameOf(Buffer.from(message), { masked: isMasked })
      : frameOf(Buffer.from(message.text), { masked: isMasked, opcode: TEXT }),
  );
  peer.write(...frames);
}

async function withClient(options: Options = {}): Promise<Ends> {
  const pool = await startServer(options);
  const peers: RawPeer[] = [];
  const another: Ends['another'] = async () => {
    const named = await connectOffering(portOf(pool), { tls: options.tls !== undefined });
    peers.push(named.peer);
    return named;
  };
  return {
    pool,
    another,
    ...(await another()),
    async [Symbol.asyncDispose]() {
      for (const { socket } of peers) socket.destroy();
      await pool.close();
    },
  };
}

async function withServer(options: Options = {}): Promise<Ends> {
  let count = 0;
  const idOf = (number: number): string => `0a0b0c0${number}`;
  const raw = await createRawServerPool((peer) => peer.accept(greetingOf(idOf(++count))), {
    minInterval: 10,
    maxInterval: 10,
    maxBackoff: 20,
    ...options,
  });
  await until(raw.pool, () => raw.pool.active() === 1);
  return {
    pool: raw.pool,
    peer: await raw.server.next(),
    id: FIRST,
    another: async () => {
      const peer = await raw.server.next();
      return { peer, id: idOf(raw.server.peers.indexOf(peer) + 1) };
    },
    [Symbol.asyncDispose]() {
      // No close has to be waited for.
      for (const { socket } of raw.server.peers) socket.destroy();
      return raw[Symbol.asyncDispose]();
    },
  };
}

/** A whole use of another link shows that the pool goes on. */
async function expectToGoOn({ pool, another }: Ends): Promise<void> {
  const { peer, id } = await another();
  const connection = await pool.outgoingGet(id);
  const outcome = outcomeOf(connection);
  send({ pool, peer }, ['well', END]);
  expect(await outcome).toMatchObject({ bytes: Buffer.from('well'), ended: true, error: null });
  expect((await peer.frame()).payload).toEqual(EMPTY);
}

/** The peer hears this code, its link is counted, and the pool goes on. */
async function expectViolation(ends: Ends, code: number): Promise<void> {
  expect(closeCodeOf(await ends.peer.frameOfKind(CLOSE))).toBe(code);
  await until(ends.pool, () => ends.pool.stats().closed.violation === 1);
  await ends.peer.rest();
  await expectToGoOn(ends);
  expect(ends.pool.stats()).toMatchObject({ closed: { violation: 1, broken: 0, lost: 0 } });
}

/** Resolves when the pool has read everything that the peer has sent. */
async function untilRead({ pool, peer }: Ends): Promise<void> {
  peer.send(EMPTY, { opcode: PING });
  await peer.frameOfKind(PONG);
  expect(pool.stats().closed).toMatchObject({ violation: 0 });
}

const ROLES: [string, (options?: Options) => Promise<Ends>][] = [
  ['client', withClient],
  ['server', withServer],
];

/** What breaks a rule before our own end: the messages, and the code that they are answered with. */
const BROKEN: [string, number, Message[]][] = [
  ['data after its end', 1002, ['data', END, 'x']],
  ['4 bytes of data after its end', 1002, ['data', END, 'name']],
  ['a second empty message', 1002, ['data', END, END]],
  ['a text message', 1003, ['data', { text: 'x' }]],
  ['an empty text message', 1003, ['data', { text: '' }]],
  ['a text message after its end', 1003, ['data', END, { text: 'x' }]],
];

describe.each(ROLES)('a %s that breaks the rules of protocol 2', (_role, join) => {
  it.each(BROKEN)('in a use, by %s, hears %i, and the application an error', async (_, code, messages) => {
    await using ends = await join();
    const outcome = outcomeOf(await ends.pool.outgoingGet(ends.id));
    send(ends, messages);
    const { bytes, ended, error } = await outcome;
    expect([error?.code, error?.closeCode]).toEqual(['ERR_NPWS_TRUNCATED', code]);
    // What came before is what was sent, its end too.
    expect([bytes.toString(), ended]).toEqual(['data', messages.includes(END)]);
    await expectViolation(ends, code);
  });

  it.each(BROKEN)(
    'in a use, by %s in a segment of its own, hears %i all the same',
    async (_, code, messages) => {
      await using ends = await join();
      const connection = await ends.pool.outgoingGet(ends.id);
      connection.resume();
      const closed = new Promise((resolve) => connection.once('close', resolve));
      for (const message of messages) {
        await untilRead(ends);
        send(ends, [message]);
      }
      await closed;
      expect(connection.errored).toMatchObject({ code: 'ERR_NPWS_TRUNCATED', closeCode: code });
      await expectViolation(ends, code);
    },
  );

  it.each(BROKEN)('by %s, before anybody took it, hears %i and is evicted', async (_, code, messages) => {
    await using ends = await join();
    send(ends, messages);
    await expectViolation(ends, code);
    await expect(ends.pool.outgoingGet(ends.id, 0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    expect(ends.pool.stats()).toMatchObject({ evicted: 1, owed: 0 });
  });

  it.each<[string, number, Message[]]>([
    ['data after its end', 1002, ['data', END, 'x']],
    ['a text message after its end', 1003, ['data', END, { text: 'x' }]],
  ])('by %s, when both have ended, hears %i, and the use nothing', async (_, code, messages) => {
    await using ends = await join();
    const connection = await ends.pool.outgoingGet(ends.id);
    const outcome = outcomeOf(connection);
    connection.end();
    expect((await ends.peer.frame()).payload).toEqual(EMPTY);
    send(ends, messages);
    expect(await outcome).toMatchObject({ bytes: Buffer.from('data'), ended: true, error: null });
    await expectViolation(ends, code);
  });
});

describe('a server that breaks the rules of protocol 2', () => {
  it.each<[string, Message]>([
    ['a second empty message', END],
    ['a new name', 'name'],
  ])(
    'by %s before its client has given the link back hears 1002, and the use nothing',
    async (_, message) => {
      await using ends = await withServer();
      const connection = await ends.pool.outgoingGet(ends.id);
      connection.end();
      expect((await ends.peer.frame()).payload).toEqual(EMPTY);
      // Nobody has read to the end yet.
      send(ends, ['data', END, message]);
      await expectViolation(ends, 1002);
      expect(await outcomeOf(connection)).toMatchObject({
        bytes: Buffer.from('data'),
        ended: true,
        error: null,
      });
    },
  );
});

describe('a client that breaks the rules of protocol 2', () => {
  const LATE: [string, number, Message[]][] = [
    ['a third empty message', 1002, ['data', END, END, END]],
    ['data', 1002, ['data', END, END, 'x']],
    ['a text message', 1003, ['data', END, END, { text: 'x' }]],
  ];

  it.each(LATE.flatMap(([what, ...rest]) => [false, true].map((tls) => [what, tls, ...rest] as const)))(
    'by %s in the segment of what gives the link back (tls: %s) hears %i, and the use nothing',
    async (_, tls, code, messages) => {
      await using ends = await withClient(tls ? { tls: await createCertificate() } : {});
      const connection = await ends.pool.outgoingGet(ends.id);
      const outcome = outcomeOf(connection);
      connection.end();
      expect((await ends.peer.frame()).payload).toEqual(EMPTY);
      send(ends, messages);
      expect(await outcome).toMatchObject({ bytes: Buffer.from('data'), ended: true, error: null });
      // It was named anew before the next message was read, but nobody can have it.
      const id = await nameOf(ends.peer);
      await expectViolation(ends, code);
      await expect(ends.pool.outgoingGet(id, 0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    },
  );

  it.each<[string, number, Message[]]>([
    ['data', 1002, ['x']],
    ['an empty message', 1002, [END]],
    ['two empty messages', 1002, [END, END]],
    ['a text message', 1003, [{ text: 'x' }]],
  ])('by %s right behind its request hears %i', async (_, code, messages) => {
    await using ends = await withClient();
    const eager = await connectRaw(portOf(ends.pool as ServerPool<PoolConnection>));
    eager.write(upgradeRequest(offerLines()), ...messages.map((message) =>
      typeof message === 'string' ? masked(message) : frameOf(Buffer.from(message.text), { masked: true, opcode: TEXT }),
    ));
    await eager.head();
    expect((await eager.frame()).payload).toEqual(EMPTY);
    const id = await nameOf(eager);
    await expectViolation({ ...ends, peer: eager }, code);
    await expect(ends.pool.outgoingGet(id, 0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    eager.socket.destroy();
  }); // prettier-ignore
});

/** A client pool whose link has served and is given back. */
async function givenBack(options: Options = {}): Promise<Ends> {
  // Room for it although a slow machine may have dialled others meanwhile.
  const ends = await withServer({ maxCapacity: 8, ...options });
  const connection = await ends.pool.outgoingGet(ends.id);
  const outcome = outcomeOf(connection);
  send(ends, ['data', END]);
  expect(await outcome).toMatchObject({ bytes: Buffer.from('data'), ended: true, error: null });
  for (const what of ['the end', 'what gives it back']) {
    expect([what, (await ends.peer.frame()).payload]).toEqual([what, EMPTY]);
  }
  return ends;
}

const NO_NAMES: [string, number, Message][] = [
  ['nothing', 1002, END],
  ['1 byte', 1002, 'x'],
  ['3 bytes', 1002, 'xyz'],
  ['5 bytes', 1002, 'xxxxx'],
  ['8 bytes', 1002, '0a0b0c0d'],
  ['4 bytes of text', 1003, { text: 'name' }],
];

describe('a server that names a link', () => {
  it.each(NO_NAMES)('for the first time, by %s, hears %i, and the dial fails', async (_, code, message) => {
    let isFirst = true;
    await using raw = await createRawServerPool(
      async (peer) => {
        const isBroken = isFirst;
        isFirst = false;
        await peer.accept(isBroken ? frameOf(EMPTY) : greetingOf('0a0b0c02'));
        if (isBroken) send({ pool: raw.pool, peer }, [message]);
      },
      { maxBackoff: 20 },
    );
    const [error] = (await once(raw.pool, 'dialError')) as [NpwsError];
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', status: null });
    const peer = await raw.server.next();
    expect(closeCodeOf(await peer.frameOfKind(CLOSE))).toBe(code);
    await peer.gone;
    const { pool, server } = raw;
    await expectToGoOn({
      pool,
      another: async () => ({ peer: await server.next(), id: '0a0b0c02' }),
    } as Ends);
    expect(raw.pool.errorCount()).toBe(1);
  });

  it.each(NO_NAMES)('anew, by %s, hears %i, and the use before nothing', async (_, code, message) => {
    await using ends = await givenBack();
    send(ends, [message]);
    await expectViolation(ends, code);
    expect(ends.pool.stats()).toMatchObject({ reused: 0, errors: 0 });
  });
});

describe('a link that was given back', () => {
  it('is closed with 1000 when no name comes within dialTimeout: no dial has failed', async () => {
    await using ends = await givenBack({ dialTimeout: 300 });
    const close = await ends.peer.frame();
    expect([close.opcode, closeCodeOf(close)]).toEqual([CLOSE, 1000]);
    // A name that comes late names nothing.
    send(ends, ['late']);
    ends.peer.send(closePayload(1000), { opcode: CLOSE });
    await ends.peer.gone;
    await expectToGoOn(ends);
    expect(ends.pool.stats()).toMatchObject({ reused: 0, errors: 0, closed: { unnamed: 1 } });
  });

  it('is none of the client any more when the server closes it with 1000 instead: no dial has failed', async () => {
    await using ends = await givenBack();
    const failed: NpwsError[] = [];
    ends.pool.on('dialError', (error) => failed.push(error));
    ends.peer.send(closePayload(1000, 'no room'), { opcode: CLOSE });
    expect(closeCodeOf(await ends.peer.frame())).toBe(1000);
    await expectToGoOn(ends);
    expect([failed, ends.pool.errorCount(), ends.pool.stats().lastDialError]).toEqual([[], 0, null]);
    expect(ends.pool.stats()).toMatchObject({ reused: 0, closed: { dropped: 1 } });
  });

  it.each<[string, number, CloseReason, Options, (ends: Ends) => unknown]>([
    ['is full', 1000, 'surplus', { maxCapacity: 1 }, ({ another }) => another()],
    ['has had enough of it', 1000, 'retired', { maxUses: 1 }, () => undefined],
    ['is draining', 1001, 'drained', { drainTimeout: 5_000 }, ({ pool }) => { pool.drain(); }],
  ])('by a client to a server that %s is closed with %i', async (_, code, why, options, prepare) => {
    await using ends = await withClient(options);
    const { pool, peer } = ends;
    const outcome = outcomeOf(await pool.outgoingGet(ends.id));
    await prepare(ends);
    send(ends, ['data', END]);
    expect(await outcome).toMatchObject({ ended: true, error: null });
    expect((await peer.frame()).payload).toEqual(EMPTY);
    send(ends, [END]);
    const close = await peer.frame();
    expect([close.opcode, closeCodeOf(close)]).toEqual([CLOSE, code]);
    peer.send(closePayload(code), { opcode: CLOSE });
    await peer.gone;
    expect(pool.stats()).toMatchObject({ reused: 0, rejected: 0, closed: { [why]: 1, finished: 0, broken: 0 } });
  }); // prettier-ignore

  it.each<[string, number, CloseReason, Options, (pool: AnyPool) => unknown]>([
    ['has had enough of it', 1000, 'retired', { maxUses: 1 }, () => undefined],
    ['is draining', 1001, 'drained', { drainTimeout: 5_000 }, (pool) => { pool.drain(); }],
  ])('is closed instead by a client that %s, with %i behind its end', async (_, code, why, options, prepare) => {
    await using ends = await withServer(options);
    const { pool, peer } = ends;
    const outcome = outcomeOf(await pool.outgoingGet(ends.id));
    prepare(pool);
    send(ends, ['data', END]);
    expect(await outcome).toMatchObject({ ended: true, error: null });
    expect((await peer.frame()).payload).toEqual(EMPTY);
    const close = await peer.frame();
    expect([close.opcode, closeCodeOf(close)]).toEqual([CLOSE, code]);
    peer.send(closePayload(code), { opcode: CLOSE });
    await peer.gone;
    expect(pool.stats()).toMatchObject({ reused: 0, closed: { [why]: 1, finished: 0, broken: 0 } });
  }); // prettier-ignore
});

/** Ways in which a pool closes a link that is idle at its end: the code, the pool's options, and what brings it about. */
const UNUSED: [string, number, Options, (pool: AnyPool) => unknown, Message[]][] = [
  ['flush()', 1000, {}, (pool) => pool.flush(), []],
  ['drain()', 1001, {}, (pool) => { pool.drain(); }, []],
  ['maxIdle', 1000, { maxIdle: 100 }, () => undefined, []],
  ['maxLifetime', 1000, { maxLifetime: 100 }, () => undefined, []],
  ['flush() while data are on their way', 1000, {}, (pool) => pool.flush(), ['data']],
  ['drain() while data are on their way', 1001, {}, (pool) => { pool.drain(); }, ['data']],
  ['claimTimeout behind data', 1000, { claimTimeout: 100 }, () => undefined, ['data']],
  ['claimTimeout behind the end', 1000, { claimTimeout: 100 }, () => undefined, [END]],
  ['claimTimeout behind data and the end', 1000, { claimTimeout: 100 }, () => undefined, ['data', END]],
  ['claimTimeout behind 4 MiB', 1000, { claimTimeout: 100 }, () => undefined, ['x'.repeat(4 << 20)]],
]; // prettier-ignore

describe.each(ROLES)('a link that nobody took, with a %s at its other end', (role, join) => {
  it.each(UNUSED)(
    'and that is closed by %s says so: %i, unused',
    async (_, code, options, close, messages) => {
      await using ends = await join(options);
      send(ends, messages);
      close(ends.pool);
      const frame = await ends.peer.frame();
      expect([frame.opcode, closeCodeOf(frame), frame.payload.subarray(2).toString()]).toEqual([
        CLOSE,
        code,
        'unused',
      ]);
    },
  );

  it.each(UNUSED)('and that is closed by %s tells whoever took it there', async (_, _code, options, close, messages) => {
    const closer = role === 'client' ? 'server' : 'client';
    await using pair = await createPair({ [closer]: { drainTimeout: 0, ...options } });
    const taker = pair[closer === 'server' ? 'client' : 'server'];
    const connection = await taker.incomingGet();
    const outcome = outcomeOf(connection);
    for (const message of messages) {
      if (message === END) connection.end();
      else connection.write(message);
    }
    close(pair[closer]);
    const { bytes, ended, error } = await outcome;
    expect([bytes.length, ended, error?.code]).toEqual([0, false, 'ERR_NPWS_UNUSED']);
    expect(taker.stats().closed).toMatchObject({ finished: 0, broken: 0, violation: 0 });
    expect(taker.stats().closed.dropped).toBeGreaterThan(0);
  }); // prettier-ignore
});

describe.each(['client', 'server'] as const)('a connection of protocol 1, taken at a %s', (role) => {
  const closer = role === 'client' ? 'server' : 'client';

  it.each<[string, string[], (pool: AnyPool) => unknown]>([
    ['flush()', [], (pool) => pool.flush()],
    ['drain()', [], (pool) => { pool.drain(); }],
    ['flush() while data are on their way', ['data'], (pool) => pool.flush()],
    ['drain() while data are on their way', ['data'], (pool) => { pool.drain(); }],
  ])('comes to no clean end when the other closes it by %s before anybody has it there', async (_, messages, close) => {
    await using pair = await createPair({ [closer]: { drainTimeout: 0, protocol: 1 } });
    const taker = pair[role];
    const connection = await taker.incomingGet();
    const outcome = outcomeOf(connection);
    for (const message of messages) connection.write(message);
    close(pair[closer]);
    const { bytes, ended, error } = await outcome;
    expect([connection.protocol, bytes.length, ended, error?.code]).toEqual([1, 0, false, 'ERR_NPWS_UNUSED']);
    expect(taker.stats().closed).toMatchObject({ finished: 0, broken: 0 });
  }); // prettier-ignore
});

it('has come to its end under protocol 1 when its peer says unused behind what it has said', async () => {
  await using joined = await createRawClient();
  const outcome = outcomeOf(joined.connection);
  joined.peer.send(Buffer.from('data'));
  joined.peer.send(closePayload(1000, 'unused'), { opcode: CLOSE });
  const { bytes, ended, error } = await outcome;
  expect([bytes.toString(), ended, error]).toEqual(['data', true, null]);
});

/** As `outcomeOf`, but for a reader that does not end in its turn. */
async function silentOutcomeOf(connection: PoolConnection): Promise<Outcome> {
  const parts: Buffer[] = [];
  let ended = false;
  connection.on('data', (part: Buffer) => parts.push(part)).once('end', () => (ended = true));
  await new Promise((resolve) => connection.once('close', resolve));
  return { bytes: Buffer.concat(parts), ended, error: connection.errored };
}

describe.each(ROLES)('a use that its %s closes', (role, join) => {
  it.each<[string, string, number, Message[], number, string]>([
    ['as unused', 'ERR_NPWS_UNUSED', 1000, [], NaN, 'unused'],
    ['as unused, going away', 'ERR_NPWS_UNUSED', 1001, [], NaN, 'unused'],
    ['as unused behind data', 'ERR_NPWS_TRUNCATED', 1000, ['data'], 1000, 'unused'],
    ['as unused behind its end', 'ERR_NPWS_TRUNCATED', 1000, [END], 1000, 'unused'],
    ['as unused behind data and its end', 'ERR_NPWS_TRUNCATED', 1001, ['data', END], 1001, 'unused'],
    ['as unused, with another code', 'ERR_NPWS_TRUNCATED', 1011, [], 1011, 'unused'],
    ['in other words', 'ERR_NPWS_TRUNCATED', 1000, [], 1000, 'Unused'],
    ['in good order before any byte', 'ERR_NPWS_TRUNCATED', 1000, [], 1000, ''],
    ['in good order behind data', 'ERR_NPWS_TRUNCATED', 1000, ['data'], 1000, ''],
    ['going away, behind data', 'ERR_NPWS_TRUNCATED', 1001, ['data'], 1001, ''],
    ['in good order behind its end, but before ours', 'ERR_NPWS_TRUNCATED', 1000, ['data', END], 1000, ''],
  ])('%s is %s to its reader', async (_, expected, code, messages, closeCode, reason) => {
    await using ends = await join();
    const outcome = silentOutcomeOf(await ends.pool.outgoingGet(ends.id));
    send(ends, messages);
    if (messages.length > 0) await untilRead(ends);
    ends.peer.send(closePayload(code, reason), { opcode: CLOSE });
    const { bytes, ended, error } = await outcome;
    expect([error?.code, error?.closeCode ?? NaN]).toEqual([expected, closeCode]);
    expect([bytes.toString(), ended]).toEqual([messages.includes('data') ? 'data' : '', messages.includes(END)]);
    await until(ends.pool, () => ends.pool.stats().used === 0);
    const isUnused = expected === 'ERR_NPWS_UNUSED';
    expect(ends.pool.stats().closed).toMatchObject({ dropped: Number(isUnused), broken: Number(!isUnused) });
    await expectToGoOn(ends);
  }); // prettier-ignore

  const rude: [string, (peer: RawPeer) => unknown][] = [
    ['a reset', (peer) => peer.reset()],
    ['the end of its socket', (peer) => peer.socket.end()],
    ...[1000, 1001, 1011, 1013].map((code): [string, (peer: RawPeer) => unknown] => [
      `close code ${code}`,
      (peer) => {
        peer.send(closePayload(code, 'unused'), { opcode: CLOSE });
      },
    ]),
  ];

  it.each(rude)('by %s behind both ends is complete, however late it is read', async (_, close) => {
    await using ends = await join();
    const connection = await ends.pool.outgoingGet(ends.id);
    const finished = once(connection, 'finish');
    connection.end('answer');
    await finished;
    expect((await ends.peer.frame()).payload.toString()).toBe('answer');
    expect((await ends.peer.frame()).payload).toEqual(EMPTY);
    send(ends, ['data', END]);
    await untilRead(ends);
    close(ends.peer);
    await until(ends.pool, () => ends.pool.stats().used === 0);
    expect([connection.destroyed, connection.errored]).toEqual([false, null]);
    const { bytes, ended, error } = await outcomeOf(connection);
    expect([bytes.toString(), ended, error]).toEqual(['data', true, null]);
    await expectToGoOn(ends);
  });

  it.each(rude.slice(0, 2))('by %s before its end is cut, behind an exact prefix', async (_, close) => {
    await using ends = await join();
    const connection = await ends.pool.outgoingGet(ends.id);
    const outcome = outcomeOf(connection);
    connection.end('answer');
    expect((await ends.peer.frame()).payload.toString()).toBe('answer');
    expect((await ends.peer.frame()).opcode).toBe(BINARY);
    send(ends, ['data']);
    await untilRead(ends);
    close(ends.peer);
    const { bytes, ended, error } = await outcome;
    expect([bytes.toString(), ended, error?.code]).toEqual(['data', false, 'ERR_NPWS_TRUNCATED']);
    expect([role, ends.pool.stats().closed.broken]).toEqual([role, 1]);
    await expectToGoOn(ends);
  });
});
