import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { ClientPoolOptions, NpwsError, PoolConnection, ServerPool } from 'nestjs-npws';
import { createPair, takeBoth, until } from '../support/pair.js';
import { outcomeOf } from '../support/raw-bytes.js';
import { BINARY, CLOSE, closeCodeOf, closePayload, frameOf, PING, PONG } from '../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../support/raw-joined.js';
import { connectOffering, EMPTY, greetingOf, masked, nameOf } from '../support/raw-offer.js';
import { acceptOf, connectRaw, type RawPeer } from '../support/raw-peer.js';

const KEY = 'd0DAiwqTuS1bBO8htdqk8g==';
const OTHER_KEY = 'AAAAAAAAAAAAAAAAAAAAAA==';
const ID = Buffer.from('0a0b0c0d', 'hex');
const NORMAL = frameOf(closePayload(1000), { opcode: CLOSE });

/** The whole head of the answer to a request with `KEY`. */
const HEAD = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: Upgrade',
  `Sec-WebSocket-Accept: ${acceptOf(`Sec-WebSocket-Key: ${KEY}`)}`,
  '',
  '',
].join('\r\n');

/** A client that has asked for the upgrade with `KEY` and these lines; `head` is the answer. */
async function upgraded(
  pool: ServerPool<PoolConnection>,
  lines: string[],
): Promise<{ peer: RawPeer; head: string }> {
  const peer = await connectRaw(portOf(pool));
  return { peer, head: await peer.upgrade([`Sec-WebSocket-Key: ${KEY}`, ...lines]) };
}

/** Speaks protocol 1 with the connection that was just opened: every byte of the server is expected. */
async function speakOne(pool: ServerPool<PoolConnection>, peer: RawPeer, head: string): Promise<void> {
  const connection = await pool.incomingGet();
  expect(connection.protocol).toBe(1);
  const outcome = outcomeOf(connection);
  connection.write('which?');
  peer.write(masked('Hel', EMPTY, 'lo', EMPTY, EMPTY));
  while (connection.bytesRead < 5) await once(connection, 'data');
  peer.send(closePayload(1000), { opcode: CLOSE });
  const { bytes, ended, error } = await outcome;
  expect([bytes.toString(), ended, error]).toEqual(['Hello', true, null]);
  const frames = [frameOf(Buffer.from(connection.id, 'hex')), frameOf(Buffer.from('which?')), NORMAL];
  expect(head).toBe(HEAD);
  expect((await peer.rest()).toString('hex')).toBe(Buffer.concat(frames).toString('hex'));
}

/** What a socket gives to the kernel in one call, when it is more than one piece: such bytes leave in one segment. */
function noteTogether(socket: Socket): string[] {
  const together: string[] = [];
  const send = socket._writev?.bind(socket);
  socket._writev = (chunks, callback) => {
    together.push(
      chunks.map(({ chunk, encoding }) => Buffer.from(chunk as string, encoding).toString('hex')).join(''),
    );
    send?.(chunks, callback);
  };
  return together;
}

describe('a server', () => {
  it.each([
    ['as clients of ours write it', `Npws-Protocol: 2 ${KEY}`],
    ['in small letters', `npws-protocol: 2 ${KEY}`],
    ['with blanks around it', `Npws-Protocol:   2 ${KEY}  `],
  ])(
    'greets whoever offers protocol 2, %s, with one empty message before the ID, and says nothing in the head',
    async (_, line) => {
      await using pool = await startServer();
      const { peer, head } = await upgraded(pool, [line]);
      expect(head).toBe(HEAD);
      const greeting = await peer.frame();
      const id = await nameOf(peer);
      expect([greeting.opcode, greeting.fin, greeting.masked, greeting.size]).toEqual([
        BINARY,
        true,
        false,
        2,
      ]);
      const connection = await pool.outgoingGet(id);
      expect(connection.protocol).toBe(2);
      connection.end();
      expect((await peer.frame()).payload).toEqual(EMPTY);
      peer.write(masked('bye', EMPTY, EMPTY));
      expect((await outcomeOf(connection)).bytes.toString()).toBe('bye');
      expect(await nameOf(peer)).not.toBe(id);
      peer.socket.destroy();
    },
  );

  it('chooses no subprotocol for it, though one be offered', async () => {
    await using pool = await startServer();
    const { peer, head } = await upgraded(pool, [
      `Npws-Protocol: 2 ${KEY}`,
      'Sec-WebSocket-Protocol: npws.2',
    ]);
    expect(head).toBe(HEAD);
    expect((await peer.frame()).payload).toEqual(EMPTY);
    peer.socket.destroy();
  });

  it.each([
    ['no header', []],
    ['the key of another request', [`Npws-Protocol: 2 ${OTHER_KEY}`]],
    ['the key in other letters', [`Npws-Protocol: 2 ${KEY.toLowerCase()}`]],
    ['a key that is cut', [`Npws-Protocol: 2 ${KEY.slice(0, -1)}`]],
    ['no key', ['Npws-Protocol: 2']],
    ['the key alone', [`Npws-Protocol: ${KEY}`]],
    ['version 1', [`Npws-Protocol: 1 ${KEY}`]],
    ['version 3', [`Npws-Protocol: 3 ${KEY}`]],
    ['version 02', [`Npws-Protocol: 02 ${KEY}`]],
    ['version 2.0', [`Npws-Protocol: 2.0 ${KEY}`]],
    ['no blank', [`Npws-Protocol: 2${KEY}`]],
    ['two blanks', [`Npws-Protocol: 2  ${KEY}`]],
    ['more behind the key', [`Npws-Protocol: 2 ${KEY} x`]],
    ['two versions', [`Npws-Protocol: 1 ${KEY}, 2 ${KEY}`]],
    ['the header twice', [`Npws-Protocol: 2 ${KEY}`, `Npws-Protocol: 2 ${KEY}`]],
    ['another header behind it', [`Npws-Protocol: 2 ${KEY}`, `Npws-Protocol: 2 ${OTHER_KEY}`]],
    ['an empty header', ['Npws-Protocol: ']],
    ['garbage', ['Npws-Protocol: \x80\xff{"2":"__proto__"}']],
    ['a header of 10,000 characters', [`Npws-Protocol: 2 ${KEY.repeat(416)}`]],
    ['another name', [`X-Npws-Protocol: 2 ${KEY}`]],
  ])('speaks protocol 1, byte for byte, with a client that sends %s', async (_, lines) => {
    await using pool = await startServer({ ping: 'off' });
    const { peer, head } = await upgraded(pool, lines);
    await speakOne(pool, peer, head);
  });

  it('speaks protocol 1, byte for byte, under `protocol: 1`, whatever is offered', async () => {
    await using pool = await startServer({ protocol: 1, ping: 'off' });
    const { peer, head } = await upgraded(pool, [`Npws-Protocol: 2 ${KEY}`]);
    await speakOne(pool, peer, head);
  });

  it('sends the 101, the empty message and the ID in one segment', async () => {
    const notes: string[][] = [];
    const listener = createServer((socket) => notes.push(noteTogether(socket))).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    await using pool = await startServer({ listener });
    const { peer, id } = await connectOffering(portOf(pool));
    const status = Buffer.from('HTTP/1.1 101').toString('hex');
    expect(notes.flat()).toEqual([expect.stringMatching(`^${status}.*0d0a0d0a82008204${id}$`)]);
    peer.socket.destroy();
  });

  it('names a link anew as soon as it is given back: before it answers the ping behind that', async () => {
    await using pool = await startServer();
    const { peer, id } = await connectOffering(portOf(pool));
    const connection = await pool.outgoingGet(id);
    connection.resume().end();
    expect((await peer.frame()).payload).toEqual(EMPTY);
    peer.write(masked(EMPTY, EMPTY), frameOf(Buffer.from('p'), { opcode: PING, masked: true }));
    const [name, pong] = [await peer.frame(), await peer.frame()];
    expect([name.opcode, name.size, pong.opcode]).toEqual([BINARY, 6, PONG]);
    expect(pool.stats()).toMatchObject({ active: 1, used: 0, opened: 1, reused: 1 });
    const next = await pool.outgoingGet(name.payload.toString('hex'));
    next.write('next');
    expect((await peer.frame()).payload.toString()).toBe('next');
    peer.socket.destroy();
  });

  it('names a link that a client gives back in several segments, once', async () => {
    await using pool = await startServer();
    const { peer, id } = await connectOffering(portOf(pool));
    const connection = await pool.outgoingGet(id);
    connection.resume().end();
    expect((await peer.frame()).payload).toEqual(EMPTY);
    peer.send(EMPTY);
    await once(connection, 'close');
    expect(pool.stats()).toMatchObject({ used: 1, reused: 0 });
    const back = masked(EMPTY);
    for (const byte of back.subarray(0, -1)) {
      peer.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pool.stats()).toMatchObject({ used: 1, reused: 0 });
    peer.write(back.subarray(-1));
    expect(await nameOf(peer)).not.toBe(id);
    peer.send(EMPTY, { opcode: PING });
    expect((await peer.frame()).opcode).toBe(PONG);
    peer.socket.destroy();
  });
});

/** A client pool whose server answers with these frames behind the 101, and the requests that it got. */
async function answered(
  frames: Uint8Array[],
  options: Partial<ClientPoolOptions> = {},
): Promise<Awaited<ReturnType<typeof createRawServerPool>> & { requests: string[] }> {
  const requests: string[] = [];
  const raw = await createRawServerPool(
    (peer) => peer.accept(...frames).then((head) => requests.push(head)),
    {
      ping: 'off',
      maxBackoff: 60_000,
      ...options,
    },
  );
  return Object.assign(raw, { requests });
}

/** The offers and keys in the heads of requests. */
function offersOf(requests: string[]): { offers: string[]; keys: string[] } {
  const values = (name: string): string[] =>
    requests.flatMap((head) =>
      head
        .split('\r\n')
        .filter((line) => line.toLowerCase().startsWith(`${name}: `))
        .map((line) => line.slice(name.length + 2)),
    );
  return { offers: values('npws-protocol'), keys: values('sec-websocket-key') };
}

describe('a client', () => {
  it('offers protocol 2 with the key of each request, a new one each time', async () => {
    let count = 0;
    const requests: string[] = [];
    await using raw = await createRawServerPool(
      (peer) => peer.accept(greetingOf(`0000000${++count}`)).then((head) => requests.push(head)),
      { minCapacity: 3, maxCapacity: 3 },
    );
    await until(raw.pool, () => raw.pool.active() === 3);
    const { offers, keys } = offersOf(requests);
    expect(offers).toEqual(keys.map((key) => `2 ${key}`));
    expect(new Set(keys).size).toBe(3);
  });

  it('offers nothing under `protocol: 1`, and an empty message means nothing to it', async () => {
    const frames = [
      greetingOf('0a0b0c0d'),
      frameOf(EMPTY),
      frameOf(Buffer.from('data')),
      frameOf(EMPTY),
      NORMAL,
    ];
    await using raw = await answered(frames, { protocol: 1 });
    const connection = await raw.pool.outgoingGet('0a0b0c0d');
    const { bytes, ended, error } = await outcomeOf(connection);
    expect([connection.protocol, bytes.toString(), ended, error]).toEqual([1, 'data', true, null]);
    expect(offersOf(raw.requests)).toMatchObject({ offers: [] });
  });

  it.each([
    ['the ID', [frameOf(ID), frameOf(Buffer.from('data'))]],
    ['the ID with data behind it', [frameOf(Buffer.concat([ID, Buffer.from('data')]))]],
    ['half of the ID', [frameOf(ID.subarray(0, 2)), frameOf(ID.subarray(2)), frameOf(Buffer.from('data'))]],
    [
      'half of the ID, then nothing, then the rest with data',
      [frameOf(ID.subarray(0, 2)), frameOf(EMPTY), frameOf(Buffer.concat([ID.subarray(2), Buffer.from('data')]))],
    ],
    [
      'the ID in fragments, the first of them empty',
      [
        frameOf(EMPTY, { fin: false }),
        frameOf(Buffer.concat([ID, Buffer.from('data')]), { opcode: 0 }),
      ],
    ],
    ['a ping, then the ID', [frameOf(EMPTY, { opcode: PING }), frameOf(ID), frameOf(Buffer.from('data'))]],
  ])('that offered and gets %s first speaks protocol 1', async (_, frames) => {
    await using raw = await answered([...frames, frameOf(EMPTY), frameOf(EMPTY), frameOf(Buffer.from('!')), NORMAL]);
    const connection = await raw.pool.outgoingGet('0a0b0c0d');
    const peer = await raw.server.next();
    const { bytes, ended, error } = await outcomeOf(connection);
    expect([connection.protocol, bytes.toString(), ended, error]).toEqual([1, 'data!', true, null]);
    expect(offersOf(raw.requests).offers).toHaveLength(1);
    // Its end is a close, not an empty message.
    let answer = await peer.frame();
    if (answer.opcode === PONG) answer = await peer.frame();
    expect([answer.opcode, closeCodeOf(answer)]).toEqual([CLOSE, 1000]);
  }); // prettier-ignore

  it.each([
    ['in one segment', [greetingOf('0a0b0c0d')]],
    ['with a ping between', [frameOf(EMPTY), frameOf(Buffer.from('p'), { opcode: PING }), frameOf(ID)]],
    [
      'as fragments of two messages',
      [
        frameOf(EMPTY, { fin: false }),
        frameOf(EMPTY, { opcode: 0 }),
        frameOf(ID.subarray(0, 1), { fin: false }),
        frameOf(ID.subarray(1), { opcode: 0 }),
      ],
    ],
  ])('that offered and gets the empty message and the ID %s speaks protocol 2', async (_, frames) => {
    await using raw = await answered([...frames, frameOf(Buffer.from('data')), frameOf(EMPTY)]);
    const connection = await raw.pool.outgoingGet('0a0b0c0d');
    const peer = await raw.server.next();
    const { bytes, ended, error } = await outcomeOf(connection);
    expect([connection.protocol, bytes.toString(), ended, error]).toEqual([2, 'data', true, null]);
    // Its end, and the link given back.
    expect(await peer.frameOfKind(BINARY)).toMatchObject({ payload: EMPTY, masked: true });
    expect(await peer.frameOfKind(BINARY)).toMatchObject({ payload: EMPTY, masked: true });
    peer.write(frameOf(Buffer.from('0a0b0c0e', 'hex')));
    await until(raw.pool, () => raw.pool.stats().reused === 1);
    expect((await raw.pool.outgoingGet('0a0b0c0e', 0)).id).toBe('0a0b0c0e');
  });

  it('waits for the ID behind the empty message until its dial times out', async () => {
    await using raw = await answered([frameOf(EMPTY)], { dialTimeout: 200 });
    const [error] = (await once(raw.pool, 'dialError')) as [NpwsError];
    expect(error.message).toContain('timed out after 200 ms while awaiting the ID');
    await (
      await raw.server.next()
    ).gone;
  });

  it.each([
    ['nothing', EMPTY],
    ['1 byte', ID.subarray(0, 1)],
    ['2 bytes', ID.subarray(0, 2)],
    ['3 bytes', ID.subarray(0, 3)],
    ['5 bytes', Buffer.alloc(5)],
    ['8 bytes', Buffer.alloc(8)],
    ['1,000 bytes', Buffer.alloc(1_000)],
  ])('wants exactly 4 bytes behind the empty message: %s fail the dial with 1002', async (_, message) => {
    await using raw = await answered([frameOf(EMPTY), frameOf(message)]);
    const [error] = (await once(raw.pool, 'dialError')) as [NpwsError];
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', status: null });
    expect(error.message).toContain('no ID behind the offer of protocol 2 (close code 1002)');
    const peer = await raw.server.next();
    expect(closeCodeOf(await peer.frameOfKind(CLOSE))).toBe(1002);
    await peer.gone;
    expect(raw.pool.stats()).toMatchObject({ active: 0, errors: 1, opened: 0 });
  });

  it('sends its end and what gives the link back in one segment', async () => {
    const notes: string[][] = [];
    const note = (message: unknown): void => {
      notes.push(noteTogether((message as { socket: Socket }).socket));
    };
    subscribe('net.client.socket', note);
    await using raw = await answered([greetingOf('0a0b0c0d')]);
    const connection = await raw.pool.outgoingGet('0a0b0c0d');
    unsubscribe('net.client.socket', note);
    const peer = await raw.server.next();
    const ended = once(connection.resume(), 'end');
    peer.write(frameOf(EMPTY));
    await ended;
    connection.end();
    expect([(await peer.frame()).payload, (await peer.frame()).payload]).toEqual([EMPTY, EMPTY]);
    // Two empty messages, each with a mask.
    expect(notes.flat()).toContainEqual(expect.stringMatching(/^8280.{8}8280.{8}$/));
  });
});

describe('two pools', () => {
  it.each([
    [2, 2, 2],
    [2, 1, 1],
    [1, 2, 1],
    [1, 1, 1],
  ] as const)('of protocols %i and %i speak %i, and both tell so', async (server, client, spoken) => {
    await using pair = await createPair({ server: { protocol: server }, client: { protocol: client } });
    const { atServer, atClient } = await takeBoth(pair);
    expect([atServer.protocol, atClient.protocol]).toEqual([spoken, spoken]);
    atClient.resume().end('hello');
    const { bytes, ended } = await outcomeOf(atServer);
    expect([bytes.toString(), ended]).toEqual(['hello', true]);
    await until(pair.client, () => pair.client.stats().used === 0 && pair.client.stats().connecting === 0);
    expect([pair.client.stats().reused, pair.server.stats().reused]).toEqual([spoken - 1, spoken - 1]);
  });
});
