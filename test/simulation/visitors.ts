import { getEventListeners } from 'node:events';
import { NpwsError, type PoolRole } from '../../lib/core/errors.js';
import type { Pool } from '../../lib/core/pool.js';
import type { FakeClock } from '../../lib/testing/fake-clock.js';
import { Dice } from '../support/dice.js';
import type { Tally } from './history.js';
import type { Network } from './network.js';
import { isAside, isFree, type Setup } from './rules.js';
import { nextMoment, type SimEnd, type SimUse } from './sim-link.js';

/** A get that is followed to its end. */
export interface Get {
  readonly role: PoolRole;
  /** The ID it named, or undefined when any would do. */
  readonly id: string | undefined;
  readonly abort: AbortController | null;
  /** When it was asked for, as a moment. */
  readonly askedAs: number;
  /** When it gives up, on the clock. */
  readonly until: number;
  isSettled: boolean;
  use: SimUse | null;
}

type Then = (use: SimUse) => void;

/** How long an application keeps what it holds, in milliseconds, whatever comes. */
const PATIENCE = 2_000;

/** The applications at both ends: what they asked for, and what they got. */
export class Visitors {
  readonly gets: Get[] = [];
  /** What went wrong at a moment of its own. */
  readonly problems: string[] = [];
  readonly #lastArrival: Record<PoolRole, number> = { client: -1, server: -1 };

  constructor(
    private readonly pools: Readonly<Record<PoolRole, Pool<SimUse>>>,
    private readonly setup: Setup,
    private readonly network: Network,
    private readonly clock: FakeClock,
    private readonly tally: Tally,
  ) {
    for (const pool of Object.values(pools)) {
      for (const event of ['connect', 'reuse'] as const)
        pool.on(event, () => (this.#lastArrival[pool.role] = clock.now()));
    }
  }

  /** Uses whose peer saw nothing of them. */
  get unused(): number {
    return this.gets.filter(({ use }) => use?.isUnused).length;
  }

  waiting(role: PoolRole): Get[] {
    return this.gets.filter((get) => get.role === role && !get.isSettled);
  }

  /** Who has left an abort listener behind. */
  get listening(): number {
    const isHeard = ({ abort }: Get): boolean =>
      abort !== null && getEventListeners(abort.signal, 'abort').length > 0;
    return this.gets.filter(isHeard).length;
  }

  /** One end takes any connection and tells the other its ID; both do with it whatever applications do. */
  visit(taker: PoolRole, dice: Dice): void {
    const follower = taker === 'client' ? 'server' : 'client';
    const plan = new Dice(dice.next());
    const abort = dice.percent(20) ? new AbortController() : null;
    this.#get(taker, undefined, dice.pick([0, 300, 1_000]), abort, (use) => {
      this.#live(use, plan);
      if (plan.percent(8)) return; // it is never told
      this.clock.after(plan.pick([0, 5, 80]), () => {
        this.#get(follower, use.id, plan.pick([0, 200, 1_000]), null, (other) => {
          this.#live(other, plan);
          this.#compare(use, other, `${follower} took another one than ${taker} told: ${use.id}`);
        });
      });
    });
  }

  /** Two ask for one ID at once. */
  rivals(role: PoolRole, id: string): void {
    const [one, other] = [this.leave(role, id, 0), this.leave(role, id, 0)];
    queueMicrotask(() => {
      if (one.use && other.use) this.problems.push(`two have got ${id}`);
      if (one.use || other.use) this.tally.rivals++;
    });
  }

  /** Somebody takes a connection by its ID, and lets go at once. */
  leave(role: PoolRole, id: string, timeout: number): Get {
    return this.#get(role, id, timeout, null, (use) => {
      use.destroy();
    });
  }

  abortOne(dice: Dice): void {
    const waiting = this.gets.filter(({ isSettled, abort }) => !isSettled && abort);
    waiting[dice.below(Math.max(1, waiting.length))]?.abort?.abort();
  }

  #get(
    role: PoolRole,
    id: string | undefined,
    timeout: number,
    abort: AbortController | null,
    then: Then,
  ): Get {
    const get: Get = {
      role,
      id,
      abort,
      askedAs: nextMoment(),
      until: this.clock.now() + timeout,
      isSettled: false,
      use: null,
    };
    this.gets.push(get);
    const pool = this.pools[role];
    const wait = abort ? { timeout, signal: abort.signal } : { timeout };
    (id === undefined ? pool.incomingGet(wait) : pool.outgoingGet(id, wait)).then(
      (use) => {
        get.isSettled = true;
        get.use = use;
        if (use.end.role !== role) this.problems.push(`${role} was given the other end`);
        if (id !== undefined && use.id !== id) this.problems.push(`${role} was given ${use.id} for ${id}`);
        if (id === undefined) this.#checkTurn(role, use);
        then(use);
      },
      (error: unknown) => {
        get.isSettled = true;
        if (!(error instanceof NpwsError)) throw error;
        this.#count(error.code, role, timeout);
      },
    );
    return get;
  }

  #count(code: string, role: PoolRole, timeout: number): void {
    if (code === 'ERR_NPWS_TIMEOUT') this.tally.timeouts++;
    if (code === 'ERR_NPWS_ABORTED') this.tally.aborted++;
    if (code === 'ERR_NPWS_CLOSED' || code === 'ERR_NPWS_DRAINING') this.tally.refused++;
    if (code === 'ERR_NPWS_TIMEOUT' && timeout > 0 && this.#lastArrival[role] === this.clock.now())
      this.tally.tooLate++;
  }

  /** Who asks for any gets the one that is idle longest, and none that somebody else has asked for. */
  #checkTurn(role: PoolRole, { id, end, takenAs }: SimUse): void {
    const isOlder = (other: SimEnd): boolean =>
      other.namedAs < end.namedAs && isFree(other) && !other.begun && !isAside(this.setup, other.id);
    if (this.network.ends(role).some(isOlder)) this.problems.push(`${id} was not the oldest idle one`);
    // Others may have given up in the meantime.
    const hasWaited = (get: Get): boolean =>
      get.id === id && get.askedAs < takenAs && get.until > this.clock.now() && !get.abort?.signal.aborted;
    if (this.pools[role].stats().state === 'running' && this.waiting(role).some(hasWaited))
      this.problems.push(`${id} was given to anyone although somebody had asked for it`);
  }

  #compare(use: SimUse, other: SimUse, problem: string): void {
    const far = use.end.link.otherOf(use.end);
    if (other.end === far && other.number === use.number) this.tally.met++;
    else if (use.isDead || far.isEnded || far.use?.number !== use.number)
      // Its name may be another's by now, when the use that it was told of is over there.
      return;
    // One of the same name that is dead at the taker's end, of which this end has not heard yet, breaks: no harm is done.
    else if (!other.end.link.otherOf(other.end).isEnded) this.problems.push(problem);
  }

  /** What an application does with a use: it says something, ends, reads, or gives up. In the end it lets go. */
  #live(use: SimUse, plan: Dice): void {
    const soon = (): number => plan.pick([0, 0, 10, 150]);
    const then = (ms: number, what: () => void): void => {
      this.clock.after(ms, what);
    };
    if (plan.percent(60)) then(soon(), () => { use.say(); });
    if (plan.percent(10)) then(soon(), () => { use.destroy(); });
    then(soon() + soon(), () => { use.finish(); });
    then(soon(), () => { use.readToEnd(); });
    then(PATIENCE, () => { use.destroy(); });
  } // prettier-ignore
}
