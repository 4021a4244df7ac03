import type { ClientPool, PoolConnection, ServerPool } from 'nestjs-npws';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { acceptOf } from '../support/raw-peer.js';
import { Application } from './application.js';
import type { Depth } from './depth.js';
import { ACCEPT } from './heads.js';
import type { LinkModel } from './link-model.js';
import type { MemorySocket } from './memory-socket.js';
import { MAX_PAYLOAD, MAX_USES, type Script, segmentsOf, type Side } from './script.js';
import { healthyScript } from './script-of.js';
import { blankSeen, type Seen } from './seen.js';
import { judge } from './verdict.js';

/** What pools in memory share. A link does not outlive the time that is given to what is left of a script. */
export const SHARED = {
  maxPayload: MAX_PAYLOAD,
  maxUses: MAX_USES,
  maxLifetime: 30_000,
  claimTimeout: 2_000,
  drainTimeout: 0,
} as const;

/** Longer than anything waits that an application does not hold, in milliseconds. */
const WAIT = 6_000;

/** One turn of the event loop: all that follows from what was fed has happened. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A real pool with a clock of its own on sockets in memory; it is played one script after the other. */
export abstract class MemoryLane {
  protected readonly clock = new FakeClock();
  protected abstract readonly pool: ClientPool<PoolConnection> | ServerPool<PoolConnection>;
  /** The script under way, for who has to tell of a crash. */
  current: Script | null = null;

  constructor(
    readonly side: Side,
    /** Where it is noted how far scripts get. */
    private readonly depth: Depth,
  ) {}

  abstract start(): Promise<void>;

  /** The socket for the next script. Throws when the pool has no place for it. */
  protected abstract next(): Promise<MemorySocket>;

  /** Rejects unless a peer that behaves gets in and is understood to the last byte. */
  async checkHealth(): Promise<void> {
    const problems = await this.play(healthyScript(this.side));
    if (problems.length > 0) throw new Error(problems.join(', '));
  }

  close(): Promise<void> {
    const closed = this.pool.close();
    this.clock.advance(60_000);
    return closed;
  }

  /** Plays a script to its end, whatever that is, and tells what went wrong. */
  async play(script: Script): Promise<string[]> {
    this.current = script;
    const socket = await this.next();
    const seen = blankSeen(answered(script.bytes, socket.output));
    const application = new Application(this.pool, script, seen);
    const onNamed = ({ id, peer }: { id: string; peer: string }): void => {
      if (!peer.endsWith(`:${socket.remotePort}`)) return;
      if (script.isDeaf) socket.isDeaf = true;
      application.named(id);
    };
    const before = this.pool.stats();
    this.pool.on('connect', onNamed).on('reuse', onNamed);
    for (const [i, segment] of segmentsOf(seen.sent, script.cuts).entries()) {
      seen.log.push({ what: 'fed', until: application.fed + segment.length });
      socket.feed(segment);
      application.fed += segment.length;
      await this.#settle(seen, application);
      for (const act of application.actsBehind(i)) {
        if (act.what === 'pause') continue;
        if (act.what === 'wait' && seen.uses.length > 0) await this.#wait(seen);
        else application.perform(act);
        await this.#settle(seen, application);
      }
    }
    await this.#end(script, socket, seen, application);
    const { problems, model } = judge(script, seen, true);
    this.pool.off('connect', onNamed).off('reuse', onNamed);
    problems.push(...(await this.#leaveNothing(script, socket, seen, model)));
    if (model?.isCertain) problems.push(...this.#miscounted(model, before));
    if (model) this.depth.add(model);
    return problems;
  }

  async #settle(seen: Seen, application: Application): Promise<void> {
    application.sip();
    await turn();
    seen.log.push({ what: 'settled' });
  }

  async #wait(seen: Seen): Promise<void> {
    seen.log.push({ what: 'wait' });
    await this.#pass(WAIT);
  }

  async #end({ ending }: Script, socket: MemorySocket, seen: Seen, application: Application): Promise<void> {
    await this.#settle(seen, application);
    if (ending !== 'silence') seen.log.push({ what: 'cut' });
    if (ending === 'fin') socket.feedEnd();
    if (ending === 'reset') socket.reset();
    application.readOn();
    for (let i = 0; i < 3; i++) await turn();
    seen.output = socket.output;
    const isMute = seen.uses.some(({ connection, error, ended }) => connection && !error && !ended);
    // What is owed to a reader after that is told within the time that a close may take.
    if (isMute && ending !== 'silence') await this.#pass(1_000);
  }

  /** Nobody is interested any more: within the deadlines nothing may remain of it. */
  async #leaveNothing(script: Script, socket: MemorySocket, seen: Seen, model: LinkModel | null): Promise<string[]> {
    const connections = seen.uses.flatMap(({ connection }) => connection ?? []);
    for (const connection of connections) {
      // Under protocol 2 the peer may take its time to end; a writer whose peer takes nothing has to give up by itself.
      if (script.isDeaf || connection.protocol === 2) connection.destroy();
      else connection.end().resume();
    }
    this.pool.flush();
    await turn();
    for (const ms of [12_000, 31_000, 1_000]) await this.#pass(ms);
    if (model && (model.isHeldByPeer || !model.isCertain)) socket.reset();
    await turn();
    const { active, used, owed } = this.pool.stats();
    const problems: string[] = [];
    if (!socket.destroyed) problems.push('hangs: its socket is open after every deadline');
    if (connections.some(({ closed }) => !closed)) problems.push('hangs: its connection is open after every deadline');
    if (active + used + owed > 0) problems.push(`left behind: ${active} active, ${used} used, ${owed} owed`);
    return [...problems, ...this.leftBehind()];
  } // prettier-ignore

  /** Whether the pool's own counts differ from what came of the script. */
  #miscounted({ uses, end }: LinkModel, before: ReturnType<ServerPool<PoolConnection>['stats']>): string[] {
    const { reused, closed } = this.pool.stats();
    // Once the application has given up, a peer may break a rule or not.
    const violations = end?.by === 'application' ? null : closed.violation - before.closed.violation;
    const told = [reused - before.reused, violations].join();
    const expected = [
      Math.max(0, uses.length - 1),
      violations === null ? null : Number(end?.by === 'rule' && uses.length > 0),
    ].join();
    return told === expected ? [] : [`counted reuses and broken rules: ${told} instead of ${expected}`];
  }

  async #pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await turn();
    await turn();
  }

  protected leftBehind(): string[] {
    return [];
  }
}

/** The bytes of a script with the answer to the key that `request` bears. */
export function answered(bytes: Buffer, request: Buffer): Buffer {
  const at = bytes.indexOf(ACCEPT);
  const head = request.toString('latin1');
  if (at < 0 || !/^sec-websocket-key:/im.test(head)) return bytes;
  const result = Buffer.from(bytes);
  result.write(acceptOf(head), at, 'latin1');
  return result;
}
