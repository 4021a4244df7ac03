import type { ClientPool, PoolConnection, ServerPool } from 'nestjs-npws';
import { Application } from './application.js';
import type { Depth } from './depth.js';
import { decode } from './frame-model.js';
import { answered } from './memory-lane.js';
import { MAX_PAYLOAD, MAX_USES, type Act, rulesOf, type Script, segmentsOf, type Side } from './script.js';
import { healthyScript } from './script-of.js';
import { blankSeen, type Seen } from './seen.js';
import type { SocketPeer } from './socket-peer.js';
import { judge, type Verdict } from './verdict.js';

/** How long anything may take to come out as it should, in milliseconds: far more than a loaded machine needs. */
export const DEADLINE = 10_000;

/** How long a peer waits for what may never come before it goes on, in milliseconds. */
const PATIENCE = 50;

/** What pools on sockets share. The deadlines are short, as hostile peers sit them out; under protocol 2 they do not. */
export const sharedBy = ({ protocol }: Side) =>
  ({
    protocol,
    maxPayload: MAX_PAYLOAD,
    maxUses: MAX_USES,
    claimTimeout: protocol === 1 ? 500 : 5_000,
    drainTimeout: 0,
  }) as const;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A real pool on real sockets and the real clock, played one script after the other. */
export abstract class SocketLane {
  protected abstract readonly pool: ClientPool<PoolConnection> | ServerPool<PoolConnection>;
  current: Script | null = null;

  constructor(
    readonly side: Side,
    /** Where it is noted how far scripts get. */
    private readonly depth: Depth,
  ) {}

  abstract start(): Promise<void>;
  protected abstract next(): Promise<SocketPeer>;
  /** Whether this is the name that the pool gives to the peer. */
  protected abstract isPeer(peer: SocketPeer, name: string): boolean;
  abstract close(): Promise<void>;

  checkHealth(): Promise<string[]> {
    return this.play(healthyScript(this.side));
  }

  async play(script: Script): Promise<string[]> {
    this.current = script;
    const peer = await this.next();
    const bytes = answered(script.bytes, peer.output);
    // What makes a peer wait for an answer is sent as well.
    const seen = blankSeen(script.isPlay ? Buffer.alloc(0) : bytes);
    const application = new Application(this.pool, script, seen);
    const onNamed = ({ id, peer: name }: { id: string; peer: string }): void => {
      if (!this.isPeer(peer, name)) return;
      if (script.isDeaf) peer.socket.pause();
      application.named(id);
    };
    const since = performance.now();
    let isLate = false;
    const onDialError = ({ message }: Error): void => {
      isLate ||= seen.uses.length === 0 && message.includes('timed out');
    };
    this.pool.on('connect', onNamed).on('reuse', onNamed).on('dialError', onDialError);
    if (script.isPlay) await this.#takeTurns(script, bytes, peer, seen, application);
    else await this.#send(script, bytes, peer);
    // Nobody can tell what the pool had closed by then.
    isLate ||= performance.now() - since >= sharedBy(this.side).claimTimeout;
    if (script.ending !== 'silence') seen.log.push({ what: 'cut' });
    if (script.ending === 'fin') peer.socket.end();
    if (script.ending === 'reset') peer.reset();
    application.readOn();
    // A dial that had waited too long for its script tells nothing.
    const { problems, model } = await this.#verdict(script, peer, seen, () => isLate);
    this.pool.off('connect', onNamed).off('reuse', onNamed).off('dialError', onDialError);
    if (model?.isCertain) this.depth.add(model);
    return [...problems, ...(await this.#leaveNothing(script, peer, seen))];
  }

  async #send({ cuts }: Script, bytes: Buffer, { socket }: SocketPeer): Promise<void> {
    for (const segment of segmentsOf(bytes, cuts)) {
      if (socket.writable) socket.write(segment);
      await pause(0);
    }
  }

  /** The application acts only when what was sent before has had its effect. */
  async #takeTurns(script: Script, bytes: Buffer, peer: SocketPeer, seen: Seen, application: Application): Promise<void> {
    let isSure = !script.isDeaf && script.headLength !== null;
    if (!isSure) seen.log.push({ what: 'doubt' });
    const feed = (part: Buffer): void => {
      if (peer.socket.writable) peer.socket.write(part);
      seen.sent = Buffer.concat([seen.sent, part]);
      seen.log.push({ what: 'fed', until: seen.sent.length });
    };
    // A ping behind its close frame could reset the socket, and the answer to it would be lost.
    const hasClosed = (): boolean => decode(seen.sent.subarray(script.headLength ?? 0), rulesOf(script)).end.kind === 'closed';
    const settle = async (): Promise<void> => {
      isSure &&= await (hasClosed() ? peer.hungUp(PATIENCE) : peer.settle(this.side.role, feed, PATIENCE));
      if (!isSure) await pause(0);
      application.sip();
      seen.log.push({ what: isSure ? 'settled' : 'doubt' });
    };
    for (const [i, segment] of segmentsOf(bytes, script.cuts).entries()) {
      feed(segment);
      await pause(0);
      const acts = application.actsBehind(i);
      if (acts.length > 0) await settle();
      for (const act of acts) {
        application.perform(act);
        isSure &&= await hasHadEffect(act, seen);
      }
    }
    await settle();
  } // prettier-ignore

  async #verdict(script: Script, peer: SocketPeer, seen: Seen, isLate: () => boolean): Promise<Verdict> {
    const since = performance.now();
    for (;;) {
      seen.output = peer.output;
      const verdict = judge(script, seen, false);
      if (isLate()) return { problems: [], model: null };
      if (verdict.problems.length === 0 || performance.now() - since > DEADLINE) return verdict;
      await pause(1);
    }
  }

  async #leaveNothing(script: Script, { socket }: SocketPeer, seen: Seen): Promise<string[]> {
    const connections = seen.uses.flatMap(({ connection }) => connection ?? []);
    for (const connection of connections) connection.destroy();
    // What nobody has taken is kept for as long as `claimTimeout`: now and then it is waited for.
    const isPatient = script.protocol === 1 && script.index % 8 === 0;
    for (const { id, isAskedFor } of seen.uses) {
      if (isPatient || isAskedFor) continue;
      this.pool.outgoingGet(id, 0).then((connection) => connection.destroy(), () => undefined);
    }
    socket.destroy();
    this.pool.flush();
    const since = performance.now();
    while (performance.now() - since < DEADLINE) {
      const { active, used, owed } = this.pool.stats();
      if (active + used + owed === 0 && connections.every(({ closed }) => closed)) return [];
      await pause(1);
    }
    const left = this.pool.stats();
    return [`left behind after ${DEADLINE} ms: ${left.active} active, ${left.used} used, ${left.owed} owed`];
  } // prettier-ignore
}

/** Waits until what the application has done is sent. False when that can't be told. */
async function hasHadEffect({ what, use }: Act, seen: Seen): Promise<boolean> {
  await pause(0);
  const connection = seen.uses[use]?.connection;
  if (what !== 'end' || !connection) return true;
  const since = performance.now();
  while (performance.now() - since < PATIENCE) {
    if (connection.writableFinished || connection.destroyed) return true;
    await pause(1);
  }
  return false;
}
