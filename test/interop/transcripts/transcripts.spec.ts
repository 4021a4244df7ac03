import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CONTROL_ID, type NpwsError, type PoolConnection } from 'nestjs-npws';
import { outcomeOf } from '../../support/raw-bytes.js';
import { BINARY, CLOSE, closeCodeOf } from '../../support/raw-frames.js';
import { createRawServerPool, portOf, startServer } from '../../support/raw-joined.js';
import { connectNamed, connectRaw, type RawPeer, switching } from '../../support/raw-peer.js';
import { type Direction, framesOf, headOf, parseTranscript, type Turn } from './transcript.js';

/** What was recorded: the request, the answer, and then turn by turn. */
function turnsOf(name: string): [request: Turn, answer: Turn, ...more: Turn[]] {
  const text = readFileSync(join(import.meta.dirname, `${name}.txt`), 'utf8');
  return parseTranscript(text).turns as [Turn, Turn, ...Turn[]];
}

/** The recorded answer, as the server would have given it to this request. */
function answerTo(request: string, recorded: Turn): Buffer {
  const accept = /Sec-WebSocket-Accept: (\S+)/i;
  const [, ours = ''] = accept.exec(switching(request).toString('latin1')) ?? [];
  const [, theirs = ''] = accept.exec(headOf(recorded)) ?? [];
  return Buffer.from(recorded.bytes.toString('latin1').replace(theirs, ours), 'latin1');
}

const statusOf = (head: string): string => head.split('\r\n', 1)[0] ?? '';

/** Reads data frames until this much has come, and checks who masked them. */
async function dataFrom(peer: RawPeer, length: number, masked: boolean): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let left = length; left > 0;) {
    const frame = await peer.frame();
    expect([frame.opcode, frame.masked, frame.fin]).toEqual([BINARY, masked, true]);
    parts.push(frame.payload);
    left -= frame.payload.length;
  }
  return Buffer.concat(parts);
}

/** Plays one side byte by byte, has our connection say what the other side said, and compares what arrives. */
async function play(
  side: Direction,
  peer: RawPeer,
  connection: PoolConnection,
  turns: readonly Turn[],
  before: Buffer[] = [],
): Promise<void> {
  const outcome = outcomeOf(connection);
  const played = [...before];
  let hasClosed = false;
  for (const turn of turns) {
    if (turn.from === side) peer.write(turn.bytes);
    for (const { opcode, payload, ...frame } of framesOf(turn)) {
      if (turn.from === side) {
        if (opcode === CLOSE) hasClosed = true;
        else played.push(payload);
      } else if (opcode === CLOSE) {
        while (connection.bytesRead < Buffer.concat(played).length) await once(connection, 'data');
        if (!hasClosed) connection.end();
        const ours = await peer.frameOfKind(CLOSE);
        expect([closeCodeOf(ours), ours.masked]).toEqual([
          closeCodeOf({ opcode, payload, ...frame }),
          side === '<',
        ]);
      } else {
        connection.write(payload);
        expect(await dataFrom(peer, payload.length, side === '<')).toEqual(payload);
      }
    }
  }
  const { bytes, ended, error } = await outcome;
  expect([bytes.toString(), ended, error]).toEqual([Buffer.concat(played).toString(), true, null]);
  expect(bytes.length).toBeGreaterThan(40);
  peer.socket.end();
  await peer.gone;
}

describe('what was recorded of NPWS on the wire', () => {
  it.each(['client-closes', 'server-closes'])('%s: its server gets on with our client', async (name) => {
    const [request, answer, ...turns] = turnsOf(name);
    const peers: RawPeer[] = [];
    const requests: string[] = [];
    await using raw = await createRawServerPool(async (peer) => {
      if (peers.push(peer) > 1) return;
      requests.push(await peer.head());
      peer.write(answerTo(requests[0] ?? '', answer));
    });
    const connection = await raw.pool.outgoingGet(CONTROL_ID);
    const [, early] = framesOf(answer);
    await play('<', peers[0] as RawPeer, connection, turns, early ? [early.payload] : []);
    const lines = (head: string): string[] => head.toLowerCase().split('\r\n');
    for (const line of [
      'get / http/1.1',
      'host: 127.0.0.1',
      'upgrade: websocket',
      'sec-websocket-version: 13',
    ]) {
      expect(lines(headOf(request))).toContain(line);
      expect(lines(requests[0] ?? '')).toContain(line);
    }
  });

  it.each(['client-closes', 'server-closes'])('%s: its client gets on with our server', async (name) => {
    const [request, answer, ...turns] = turnsOf(name);
    await using pool = await startServer();
    const peer = await connectRaw(portOf(pool));
    peer.write(request.bytes);
    expect(statusOf(await peer.head())).toBe(statusOf(headOf(answer)));
    const [id, ...early] = framesOf(answer);
    expect((await peer.frame()).payload).toEqual(id?.payload);
    const connection = await pool.outgoingGet(CONTROL_ID);
    for (const { payload } of early) {
      connection.write(payload);
      expect(await dataFrom(peer, payload.length, false)).toEqual(payload);
    }
    await play('>', peer, connection, turns);
  });

  it.each([
    ['forbidden', 403],
    ['full', 503],
  ])('%s: its refusal is a typed error of our client', async (name, status) => {
    const [, answer] = turnsOf(name);
    await using raw = await createRawServerPool(async (peer) => {
      await peer.head();
      peer.write(answer.bytes);
    });
    const error = await new Promise<NpwsError>((resolve) => raw.pool.once('dialError', resolve));
    expect(error).toMatchObject({ code: 'ERR_NPWS_HANDSHAKE', status });
  });

  it.each([
    ['forbidden', { clientIP: '192.0.2.1' }],
    ['full', { maxCapacity: 1 }],
  ])('%s: our server refuses its client with the same status', async (name, options) => {
    const [request, answer] = turnsOf(name);
    await using pool = await startServer(options);
    const first = name === 'full' ? await connectNamed(portOf(pool)) : null;
    const peer = await connectRaw(portOf(pool));
    peer.write(request.bytes);
    expect(statusOf(await peer.head())).toBe(statusOf(headOf(answer)));
    await peer.gone;
    first?.peer.socket.destroy();
  });
});
