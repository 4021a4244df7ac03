import { connectRaw, type RawPeer, RawServer } from '../../support/raw-peer.js';
import { BINARY, frameOf } from '../../support/raw-frames.js';
import type { Role } from '../idle/facing.js';
import type { Subject } from './subject.js';

/** How a subject came out of a scenario. */
export interface Outcome {
  holds: boolean;
  /** What was counted or measured. */
  figure: string;
}

/** A situation in which NPWS fails, the same for every subject: the far ends are raw. */
export interface Scenario {
  /** Its number in the list of NPWS's defects. */
  defect: number;
  /** What must not happen, in few words. */
  what: string;
  /** The subject's role. */
  role: Role;
  run(subject: Subject): Promise<Outcome>;
}

/** A raw client of a server pool that has been named. */
export interface Named {
  id: string;
  peer: RawPeer;
}

/** Dials, and reads the answer: an ID, or null when it is refused. */
export async function dial(port: number): Promise<Named | null> {
  return ask(await connectRaw(port));
}

/** Dials this often, asks for all upgrades at once, and returns those that were named. */
export async function dialAll(port: number, count: number): Promise<Named[]> {
  const peers = await Promise.all(Array.from({ length: count }, () => connectRaw(port)));
  return (await Promise.all(peers.map(ask))).filter((named) => named !== null);
}

async function ask(peer: RawPeer): Promise<Named | null> {
  const head = await peer.upgrade();
  if (!head.startsWith('HTTP/1.1 101')) {
    peer.socket.destroy();
    return null;
  }
  const { payload } = await peer.frameOfKind(BINARY);
  return { id: payload.toString('hex'), peer };
}

/** A raw server that names whom `admits` lets in, and leaves the others without an answer. */
export function nameAll(admits: (number: number) => boolean = () => true): Promise<RawServer> {
  let count = 0;
  return RawServer.listen(undefined, (peer) => {
    const number = ++count;
    return admits(number) ? peer.accept(idFrame(number)) : undefined;
  });
}

/** The frame that carries the ID of this number. */
export function idFrame(number: number): Buffer {
  return frameOf(Buffer.from(idOf(number), 'hex'));
}

/** The ID of a number, never that of the control connection. */
export function idOf(number: number): string {
  return (0x0100_0000 + number).toString(16).padStart(8, '0');
}

/** Asks again and again until the answer is yes, or the time is over. Resolves with the last answer. */
export async function within(timeout: number, ask: () => boolean | Promise<boolean>): Promise<boolean> {
  const end = performance.now() + timeout;
  for (;;) {
    if (await ask()) return true;
    if (performance.now() > end) return false;
    await pause(10);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Whether it was fulfilled. */
export async function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}

/** How many were fulfilled. */
export async function countOf(attempts: Promise<unknown>[]): Promise<number> {
  return (await Promise.all(attempts.map(succeeds))).filter(Boolean).length;
}
