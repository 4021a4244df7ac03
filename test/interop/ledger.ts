import type { PeerConnection, PeerPool, Received } from './peer.js';
import { prefixHash, type Stretch } from '../support/seeded-bytes.js';

/** The largest stream in one direction, in bytes. */
const LARGEST = 16 << 20;

/** What the flows of a cell move in all, both directions together, in bytes: with the early bytes below 256 MiB. */
const BUDGET = 240 << 20;

/** How long a connection may take, in milliseconds: generous for two streams of 16 MiB beside seven others. */
const DEADLINE = 30_000;

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One connection's part of the ledger: what each end sends and who closes. */
export interface Flow {
  toServer: Stretch;
  toClient: Stretch;
  chunk: number;
  closer: 'server' | 'client';
}

/** Draws the flows of a cell: sizes from 1 B to 16 MiB, log-uniform as far as the budget in bytes allows. */
export function* drawFlows(count: number, random: () => number, budget = BUDGET): Generator<Flow> {
  let draws = 2 * count;
  const seed = (): number => Math.floor(random() * 2 ** 32);
  const draw = (): Stretch => {
    // The mean of a log-uniform draw is about a sixteenth of its maximum: so the budget lasts to the end.
    const most = Math.min(LARGEST, (16 * budget) / draws, budget - draws);
    const bytes = draws > 2 * count - 2 ? LARGEST : Math.floor(Math.exp(random() * Math.log(most)));
    budget -= bytes;
    draws--;
    return { bytes, seed: seed() };
  };
  for (let i = 0; i < count; i++) {
    yield {
      toServer: draw(),
      toClient: draw(),
      chunk: 2 ** (8 + Math.floor(random() * 13)),
      closer: random() < 0.5 ? 'server' : 'client',
    };
  }
}

/** How the next connection is found: each end takes by what the other tells, or both by the control connection's ID. */
export type Taking = 'server first' | 'client first' | 'control';

/** What a cell's two pools are, and what follows each ID at once. */
export interface Joint {
  server: PeerPool;
  client: PeerPool;
  early: number;
}

/** One cell's account. */
export class Ledger {
  connections = 0;
  /** What arrived, killed streams aside. */
  bytes = 0;
  killed = 0;
  /** The versions of the protocol that were spoken, as far as either end tells. */
  readonly spoken = new Set<1 | 2>();
  /** Every stream that did not end as it must, in words. */
  readonly wrong: string[] = [];

  /** Takes one connection at both ends, moves a flow through it both ways and checks how both ends saw it. */
  async run(joint: Joint, taking: Taking, flow: Flow): Promise<void> {
    const { atServer, atClient } = await takeBoth(joint, taking);
    for (const { protocol } of [atServer, atClient]) if (protocol) this.spoken.add(protocol);
    const { toServer, toClient, chunk, closer } = flow;
    const early = { bytes: joint.early, seed: parseInt(atServer.id, 16) };
    const giveUp = setTimeout(() => {
      this.wrong.push(`${atServer.id}: not done within ${DEADLINE / 1000} s`);
      // One of the two may not be able to.
      for (const end of [atServer, atClient]) end.cut().catch(() => undefined);
    }, DEADLINE);
    const [server, client] = await Promise.all([
      atServer.exchange({
        send: toClient.bytes,
        seed: toClient.seed,
        chunk,
        receive: toServer.bytes,
        close: closer === 'server',
      }),
      atClient.exchange({
        send: toServer.bytes,
        seed: toServer.seed,
        chunk,
        receive: early.bytes + toClient.bytes,
        close: closer === 'client',
      }),
    ]);
    clearTimeout(giveUp);
    const label = `${atServer.id} (${taking}, ${closer} closes)`;
    this.#complete(`${label} to server`, [toServer], server, closer === 'client');
    this.#complete(`${label} to client`, [early, toClient], client, closer === 'server');
    for (const { sendError, closeError } of [server, client]) {
      if (sendError ?? closeError) this.wrong.push(`${label}: ${sendError ?? closeError ?? ''}`);
    }
    this.connections++;
  }

  /** Enters a stream whose sender was killed: an error behind an exact prefix, and not all of it. */
  cut(label: string, sent: Stretch, seen: Received): void {
    this.killed++;
    if (seen.ended === '' || seen.ended.startsWith('eof'))
      this.wrong.push(`${label}: ended ${seen.ended || 'not at all'}`);
    if (seen.bytes >= sent.bytes) this.wrong.push(`${label}: was complete before the kill`);
    if (prefixHash([sent], seen.bytes) !== seen.sha256) this.wrong.push(`${label}: wrong bytes`);
  }

  #complete(label: string, sent: Stretch[], seen: Received, mustEnd: boolean): void {
    const expected = sent.reduce((sum, { bytes }) => sum + bytes, 0);
    this.bytes += seen.bytes;
    if (seen.bytes !== expected) this.wrong.push(`${label}: ${seen.bytes} of ${expected} bytes`);
    if (prefixHash(sent, seen.bytes) !== seen.sha256) this.wrong.push(`${label}: wrong bytes`);
    if (mustEnd && seen.ended !== 'eof') this.wrong.push(`${label}: ended ${seen.ended || 'not at all'}`);
    if (!mustEnd && seen.ended !== '')
      this.wrong.push(`${label}: ended ${seen.ended} before its reader closed`);
  }
}

async function takeBoth(
  { server, client }: Joint,
  taking: Taking,
): Promise<{ atServer: PeerConnection; atClient: PeerConnection }> {
  if (taking === 'control') {
    const [atServer, atClient] = await Promise.all([
      server.outgoingGet('00000000'),
      client.outgoingGet('00000000'),
    ]);
    return { atServer, atClient };
  }
  if (taking === 'server first') {
    const atServer = await server.incomingGet();
    return { atServer, atClient: await client.outgoingGet(atServer.id) };
  }
  const atClient = await client.incomingGet();
  return { atServer: await server.outgoingGet(atClient.id), atClient };
}
