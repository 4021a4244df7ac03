import { setMaxListeners } from 'node:events';
import type { PoolConnection } from 'nestjs-npws';
import type { CloseReason } from '../../lib/core/closing.js';
import type { PoolRole } from '../../lib/core/errors.js';
import { type EndPlan, type EndSurroundings, UseEnd } from './use-end.js';
import type { Lane, WatchedSocket } from './use-lanes.js';

const SIDES: readonly PoolRole[] = ['client', 'server'];

export const FAULTS = [
  'break its link',
  'break all',
  'flush client',
  'flush server',
  'let time pass',
  'drain client',
  'drain server',
  'close client',
  'close server',
] as const;

/** What befalls the pools so many turns after a use was asked for. */
export interface Fault {
  readonly after: number;
  readonly do: (typeof FAULTS)[number];
}

/** A use: when, who takes it, and what each end does with it. */
export interface UsePlan {
  /** So many turns after the use before it was asked for; null: when all before it are over. */
  readonly after: number | null;
  /** Which end takes any connection. The other one takes the same by its ID. */
  readonly first: PoolRole;
  /** How many turns later; null: never. */
  readonly lag: number | null;
  /** Whether the other one asks in a callback of the event loop, as for an incoming request, or behind an `await`. */
  readonly isAskedInCallback: boolean;
  readonly client: EndPlan;
  readonly server: EndPlan;
  readonly faults: readonly Fault[];
}

/** What came of runs: none may pass without having done what it is for. */
export const blankTally = {
  uses: 0,
  /** Both ways, with nothing wrong. */
  complete: 0,
  /** Uses but the first of a link. */
  reused: 0,
  /** Uses whose first end had written, or ended, before the second took them. */
  early: 0,
  endedEarly: 0,
  /** Readers that held out. */
  slow: 0,
  /** Connections that were there still when their link served again. */
  outlived: 0,
  aborts: 0,
  abortsBehindBoth: 0,
  /** Uses that were under way when their link was broken. */
  broken: 0,
  /** Uses that were over by then, but not closed at both ends. */
  spared: 0,
  flushed: 0,
  /** Ends that were told that their peer never had it. */
  unused: 0,
  lateCalls: 0,
  particular: 0,
  /** Ends that took any, and got the one that the other end had begun to use. */
  crossed: 0,
  bytes: 0,
};

export type Tally = typeof blankTally;

/** How much time passes at once when nothing moves by itself, in milliseconds, and how often until that is a hang. */
const STEP = 100;
const MAX_STEPS = 60;

/** How many bytes arrive although nobody reads them, at the least. */
const AT_ONCE = 60_000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One use and its two ends. */
class Use {
  readonly ends: Readonly<Record<PoolRole, UseEnd>>;
  readonly first: UseEnd;
  readonly second: UseEnd;
  readonly whenBothFinished: (() => void)[] = [];
  /** Ends the second end's wait. */
  readonly search = new AbortController();
  id = '';
  port: number | null = null;
  /** Whether nobody asks for it any more. */
  isOver = false;
  isRefused = false;
  isBroken = false;
  /** Whether both ends have heard each other's end, so that nothing can harm it any more. */
  isBehind = false;

  constructor(
    readonly index: number,
    readonly plan: UsePlan,
    run: EndSurroundings,
  ) {
    const [client, server] = (['client', 'server'] as const).map(
      (side, i) =>
        new UseEnd(
          side,
          `use ${index} at the ${side}`,
          plan[side],
          side === plan.first,
          2 * index + i + 1,
          run,
        ),
    ) as [UseEnd, UseEnd];
    client.peer = server;
    server.peer = client;
    this.ends = { client, server };
    this.first = this.ends[plan.first];
    this.second = this.first.peer;
  }

  /** The ends that have it. */
  get taken(): UseEnd[] {
    return [this.first, this.second].filter(({ connection }) => connection !== null);
  }

  get isSettled(): boolean {
    return this.isOver && this.taken.every(({ closed }) => closed);
  }
}

/** Plays uses on a pair of pools, and tells what is wrong with what came of them. */
export class UseRun implements EndSurroundings {
  readonly #uses: readonly Use[];
  readonly #byId = new Map<string, Use>();
  readonly #problems: string[] = [];
  /** By side and port: which end of a use has, or had, a link last. And the other way round. */
  readonly #last = new Map<string, { use: Use; end: UseEnd }>();
  readonly #ways = new Map<UseEnd, string>();
  readonly #brokenPorts = new Set<number>();
  readonly #closings = { client: new Map<string, CloseReason>(), server: new Map<string, CloseReason>() };
  /** Ends all waits for any connection, when a pool hands out none any more. */
  readonly #shutdown = new AbortController();
  readonly #isShut = { client: false, server: false };
  #hasTimePassed = false;
  #moves = 0;
  #tasks = 0;
  #sleepers = 0;
  #isGivenUp = false;
  #isClosed = false;

  constructor(
    private readonly lane: Lane,
    plans: readonly UsePlan[],
    private readonly tally: Tally,
  ) {
    setMaxListeners(0, this.#shutdown.signal);
    this.#uses = plans.map((plan, index) => new Use(index, plan, this));
    for (const side of SIDES) {
      const pool = lane.pools[side];
      pool.on('change', () => {
        this.moved();
      });
      pool.on('disconnect', ({ id, why }) => this.#closings[side].set(id, why));
    }
  }

  /** Plays all of it to the end, and closes the lane. */
  async play(): Promise<string[]> {
    const onCrash = (error: unknown): void => {
      this.problem(`escaped: ${String(error)}`);
    };
    process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash);
    try {
      await this.#playToEnd();
    } catch (error) {
      this.problem(String(error));
      this.#isGivenUp = true;
      await this.#closeSomehow();
    } finally {
      process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash);
    }
    return this.#problems;
  }

  moved(): void {
    this.#moves++;
  }

  count(what: keyof Tally, by = 1): void {
    this.tally[what] += by;
  }

  problem(what: string): void {
    if (this.#problems.length < 10) this.#problems.push(what);
  }

  ownerOf(bytes: Buffer): string | undefined {
    const sample = bytes.subarray(0, 16);
    const ends = this.#uses.flatMap(({ first, second }) => [first, second]);
    return ends.find((end) => end.bytes.includes(sample))?.name;
  }

  track(task: Promise<unknown>): void {
    this.#tasks++;
    task
      .catch((error: unknown) => {
        this.problem(String(error));
      })
      .finally(() => {
        this.#tasks--;
        this.moved();
      });
  }

  async turns(count: number): Promise<void> {
    this.#sleepers++;
    for (let i = 0; i < count; i++) await turn();
    this.#sleepers--;
  }

  async next(): Promise<void> {
    await turn();
    if (this.#isGivenUp) throw new Error('given up');
  }

  whenBothFinished(end: UseEnd, then: () => void): void {
    const use = this.#useOf(end);
    if (end.finished && end.peer.finished) then();
    else use.whenBothFinished.push(then);
  }

  finished(end: UseEnd): void {
    const use = this.#useOf(end);
    if (!end.peer.finished) return;
    for (const then of use.whenBothFinished.splice(0)) then();
    const { turnsOfTravel } = this.lane;
    // Only what nobody has to read first arrives by itself.
    if (turnsOfTravel === null || use.taken.length < 2 || use.taken.some(({ sent }) => sent > AT_ONCE))
      return;
    this.track(this.turns(turnsOfTravel).then(() => (use.isBehind = !use.isBroken)));
  }

  /** What the peer searches for will not come. */
  closed(end: UseEnd): void {
    const { search } = this.#useOf(end);
    this.moved();
    if (end.peer.connection) return;
    this.track(
      this.turns(10).then(() => {
        search.abort();
      }),
    );
  }

  socketOfNext(end: UseEnd): WatchedSocket | undefined {
    const next = this.#successorOf(end)?.connection;
    return next ? this.lane.socketOf(end.side, next) : undefined;
  }

  async #playToEnd(): Promise<void> {
    const { client, server } = this.lane.pools;
    this.track(this.#beginAll());
    await this.#until('uses', () => this.#tasks === 0 && this.#uses.every(({ isSettled }) => isSettled));
    await this.#until('links', () => client.stats().used + server.stats().used === 0);
    if (this.#isGentle())
      await this.#until('returned links', () =>
        SIDES.every((side) => this.#returned(side) >= this.#uses.length),
      );
    for (const use of this.#uses) this.#judge(use);
    this.#judgePools();
    this.track(this.#close());
    await this.#until('pools', () => this.#isClosed);
    // A socket on its way to the upgrade tells of its end a little later than the listener.
    await this.turns(10);
    this.#judgeRemains();
  }

  /** Lets things move until this holds, and time pass when nothing moves. */
  async #until(what: string, isDone: () => boolean): Promise<void> {
    let [moves, turns, since, steps] = [this.#moves, 0, performance.now(), 0];
    while (!isDone()) {
      await turn();
      turns++;
      if (this.#moves === moves && this.#sleepers === 0) {
        if (!this.lane.isStuck(turns, performance.now() - since)) continue;
        if (!this.#releaseReaders()) {
          if (++steps > MAX_STEPS) throw new Error(`${what} hang: ${this.#state()}`);
          await this.lane.pass(STEP);
        }
      }
      [moves, turns, since] = [this.#moves, 0, performance.now()];
    }
  }

  #releaseReaders(): boolean {
    const held = this.#uses.flatMap(({ taken }) => taken.map(({ release }) => release));
    for (const release of held) release?.();
    return held.some((release) => release !== null);
  }

  async #close(): Promise<void> {
    await this.lane[Symbol.asyncDispose]();
    this.#isClosed = true;
  }

  /** A run that hangs leaves nothing behind for the next. */
  async #closeSomehow(): Promise<void> {
    this.track(this.#close());
    for (let tries = 0; tries < 20 && !this.#isClosed; tries++) {
      await this.turns(20);
      await this.lane.pass(STEP);
    }
  }

  async #beginAll(): Promise<void> {
    for (const use of this.#uses) {
      const { after } = use.plan;
      if (after !== null) await this.turns(after);
      else while (!this.#uses.slice(0, use.index).every(({ isSettled }) => isSettled)) await this.next();
      this.track(this.#begin(use));
    }
  }

  async #begin(use: Use): Promise<void> {
    const { plan, first, second } = use;
    this.count('uses');
    for (const fault of plan.faults) {
      this.track(this.turns(fault.after).then(() => this.#inflict(fault.do, use)));
    }
    await this.#takeAny(use);
    if (plan.lag !== null) {
      await this.turns(plan.lag);
      if (first.connection && !second.connection) await this.#takeNamed(use);
    } else {
      while (first.connection && !first.closed) await this.next();
    }
    use.isOver = true;
  }

  async #takeAny(use: Use): Promise<void> {
    const { side } = use.first;
    try {
      const wait = { timeout: Infinity, signal: this.#shutdown.signal };
      for (;;) {
        const connection = await this.lane.pools[side].incomingGet(wait);
        const other = this.#byId.get(connection.id);
        if (!other) {
          use.id = connection.id;
          this.#byId.set(use.id, use);
          this.#take(use, use.first, connection);
          return;
        }
        // The other end had begun to use this one.
        this.count('crossed');
        this.#take(other, other.ends[side], connection);
        other.search.abort();
      }
    } catch (error) {
      if (!this.#shutdown.signal.aborted) throw error;
      use.isRefused = true;
    }
  }

  async #takeNamed(use: Use): Promise<void> {
    const pool = this.lane.pools[use.second.side];
    const ask = (): Promise<PoolConnection> =>
      pool.outgoingGet(use.id, { timeout: Infinity, signal: use.search.signal });
    try {
      const connection = use.plan.isAskedInCallback
        ? await new Promise<PoolConnection>((resolve, reject) => {
            setImmediate(() => {
              ask().then(resolve, reject);
            });
          })
        : await ask();
      this.#take(use, use.second, connection);
    } catch (error) {
      if (!use.search.signal.aborted && !this.#isShut[use.second.side]) throw error;
    }
  }

  #take(use: Use, end: UseEnd, connection: PoolConnection): void {
    const { side, name, peer } = end;
    const port = this.lane.portOf(side, connection) ?? null;
    if (end.connection) this.problem(`${name}: handed out twice`);
    if (peer.connection) {
      if (use.port !== port && port !== null && use.port !== null)
        this.problem(`${name}: on another link than its peer`);
      if (peer.sent > 0) this.count('early');
      if (peer.finished) this.count('endedEarly');
    }
    // A socket that is gone has no port any more.
    use.isBroken ||= port === null ? this.#brokenPorts.size > 0 : this.#brokenPorts.has(port);
    if (this.lane.socketOf(side, connection)?.isAsNew === false) {
      this.problem(`${name}: has the settings of another use`);
    }
    if (port !== null) this.#follow(use, end, port);
    this.moved();
    end.take(connection);
  }

  /** The link of a port serves this use from here on. */
  #follow(use: Use, end: UseEnd, port: number): void {
    const way = `${end.side} ${port}`;
    const last = this.#last.get(way);
    use.port = port;
    this.#last.set(way, { use, end });
    this.#ways.set(end, way);
    if (last) this.#succeed(last.use, last.end);
  }

  /** The link of a use serves another. */
  #succeed(use: Use, end: UseEnd): void {
    if (use.taken.length < 2 || use.taken.some(({ hasSaidAll }) => !hasSaidAll)) {
      this.problem(`${end.name}: its link serves again before both have ended`);
    }
    if (end.closed) return;
    this.count('outlived');
    end.outlive();
  }

  async #inflict(what: Fault['do'], { port }: Use): Promise<void> {
    const { lane } = this;
    const side = what.endsWith('client') ? 'client' : 'server';
    const pool = lane.pools[side];
    if (what === 'let time pass') {
      this.#hasTimePassed = true;
      await lane.pass(STEP);
    } else if (what === 'break all') this.#break(lane.break());
    else if (what === 'break its link') this.#break(port === null ? [] : lane.break([port]));
    else if (what.startsWith('flush')) this.count('flushed', pool.flush());
    else {
      if (what.startsWith('drain')) pool.drain();
      else {
        for (const use of this.#uses) this.#lose(use);
        void pool.close();
      }
      this.#isShut[side] = true;
      this.#shutdown.abort();
    }
  }

  #break(ports: readonly number[]): void {
    for (const port of ports) this.#brokenPorts.add(port);
    for (const use of this.#uses) if (use.port !== null && ports.includes(use.port)) this.#lose(use);
  }

  /** A use loses its link. If that serves another one since, it was over before. */
  #lose(use: Use): void {
    const isOver = use.taken.some((end) => this.#successorOf(end));
    if (use.isSettled) return;
    if (use.isBehind || isOver) {
      this.count('spared');
      return;
    }
    if (!use.isBroken) this.count('broken');
    use.isBroken = true;
  }

  #judge(use: Use): void {
    const { first, second } = use;
    if (!first.connection) {
      if (!use.isRefused) this.problem(`use ${use.index} never began`);
      return;
    }
    for (const end of use.taken) this.#judgeEnd(use, end);
    if (!second.connection) this.#judgeAlone(use);
    else if (!first.aborted && !second.aborted && !use.isBroken) this.#judgeUnharmed(use);
  }

  /** All bytes and a clean end, or an exact prefix and an error. */
  #judgeEnd(use: Use, end: UseEnd): void {
    const { name, peer, ended, error, aborted, received } = end;
    const code = error?.code ?? null;
    if (!end.isWriterDone) this.problem(`${name}: a write was never answered`);
    if (received > peer.sent) this.problem(`${name}: received ${received} of ${peer.sent} bytes`);
    if (ended && (received < peer.sent || !peer.hasSaidAll)) {
      this.problem(`${name}: a clean end after ${received} of ${peer.sent} bytes`);
    }
    if (!ended && !error && !aborted) this.problem(`${name}: neither an end nor an error`);
    if (code === 'ERR_NPWS_UNUSED') {
      this.count('unused');
      if (peer.connection || received > 0) this.problem(`${name}: was used, but is said not to be`);
    } else if (code === 'ERR_NPWS_TRUNCATED') {
      if (peer.connection && !peer.aborted && !use.isBroken)
        this.problem(`${name}: ${String(error)}, but nobody cut it`);
    } else if (code === 'ERR_NPWS_CLOSED') {
      if (!this.#isShut[end.side]) this.problem(`${name}: ${String(error)}, but nobody closed its pool`);
    } else if (error !== (aborted?.with ?? null)) {
      this.problem(`${name}: ${String(error)} is not its own`);
    }
    if (peer.aborted && !aborted && !use.isBroken) this.#judgeSurvivor(end, peer.aborted);
  }

  /** What its peer's abort must not have taken from an end. */
  #judgeSurvivor(
    { name, ended, error, isReader, cameBroken }: UseEnd,
    by: NonNullable<UseEnd['aborted']>,
  ): void {
    if (by.both && (!ended || error)) {
      this.problem(`${name}: ${String(error)}, ended: ${ended}, by an abort behind both ends`);
    }
    if (by.finished && isReader && !cameBroken && !ended) {
      this.problem(`${name}: ${String(error)}, though its peer had ended before it gave up`);
    }
  }

  #judgeUnharmed({ first, second }: Use): void {
    this.count('complete');
    for (const { name, error, ended, connection, peer, sent } of [first, second]) {
      if (error || !ended) this.problem(`${name}: ${String(error)}, ended: ${ended}, but nothing was wrong`);
      const [read, written] = [connection?.bytesRead, connection?.bytesWritten];
      if (read !== peer.sent || written !== sent) {
        this.problem(
          `${name}: counts ${read ?? 0} of ${peer.sent} bytes read, ${written ?? 0} of ${sent} written`,
        );
      }
    }
  }

  /** Only one end ever had it. */
  #judgeAlone({ first, second, id, port, isBroken }: Use): void {
    const why = this.#closings[second.side].get(id) ?? 'nothing';
    if (first.received > 0 || first.ended) this.problem(`${first.name}: heard from nobody`);
    // A client closes what has no name yet at its end, and gives up its dials, when it drains or they take too long.
    const mayGiveUp = this.#isShut.client || this.#hasTimePassed;
    const isNameless = why === 'nothing' && second.side === 'client' && mayGiveUp;
    const isGivenUp = isNameless && !this.#last.has(`client ${port ?? 0}`);
    if (isBroken || first.aborted || isGivenUp) return;
    if (!isNameless && !['flushed', 'unclaimed', 'drained'].includes(why)) {
      this.problem(`${second.name}: missing because of ${why}`);
    }
    if (first.error?.code !== 'ERR_NPWS_UNUSED') {
      this.problem(`${first.name}: ${String(first.error)}, but it was not used`);
    }
  }

  /** Whether nothing was done that harms a use or a link. */
  #isGentle(): boolean {
    return this.#uses.every(
      ({ plan, taken }) =>
        plan.faults.length === 0 && taken.length === 2 && taken.every(({ aborted }) => !aborted),
    );
  }

  /** How many links were given back: they serve again, or were closed instead. */
  #returned(side: PoolRole): number {
    const { reused, closed } = this.lane.pools[side].stats();
    return Object.values(closed).reduce((sum, count) => sum + count, reused);
  }

  #judgePools(): void {
    for (const side of SIDES) {
      const { reused, errors, closed } = this.lane.pools[side].stats();
      const { violation, broken, lost, flushed, unnamed, unclaimed, replaced, drained } = closed;
      if (side === 'client') this.count('reused', reused);
      if (violation > 0) this.problem(`the ${side} saw ${violation} rules broken`);
      if (!this.#isGentle()) continue;
      const wrong = JSON.stringify({ errors, broken, lost, flushed, unnamed, unclaimed, replaced, drained });
      if (/[1-9]/.test(wrong)) this.problem(`nothing was wrong, but the ${side} tells of ${wrong}`);
      if (this.#returned(side) !== this.#uses.length) {
        this.problem(`${this.#returned(side)} links came back at the ${side} from ${this.#uses.length} uses`);
      }
    }
  }

  #judgeRemains(): void {
    for (const side of SIDES) {
      const { active, owed, used, connecting, waiting } = this.lane.pools[side].stats();
      const remains = JSON.stringify({ active, owed, used, connecting, waiting });
      if (/[1-9]/.test(remains)) this.problem(`left behind at the ${side}: ${remains}`);
    }
    const { pending } = this.lane.clock;
    if (pending > 0) this.problem(`left behind: ${pending} callbacks of the clock`);
  }

  /** The end that has the link of this one by now. */
  #successorOf(end: UseEnd): UseEnd | undefined {
    const last = this.#last.get(this.#ways.get(end) ?? '')?.end;
    return last === end ? undefined : last;
  }

  #useOf(end: UseEnd): Use {
    return this.#uses.find(({ first, second }) => first === end || second === end) as Use;
  }

  #state(): string {
    const uses = this.#uses.flatMap(({ index, isOver, taken }) => [
      ...(isOver ? [] : [`use ${index} is waited for`]),
      ...taken
        .filter(({ closed }) => !closed)
        .map(({ name, received, peer, ended, finished }) =>
          [
            name,
            `received ${received} of ${peer.sent}`,
            ...(ended ? ['ended'] : []),
            ...(finished ? ['finished'] : []),
          ].join(' '),
        ),
    ]);
    const pools = SIDES.map((side) => {
      const { active, owed, used, connecting, waiting } = this.lane.pools[side].stats();
      return `${side} ${JSON.stringify({ active, owed, used, connecting, waiting })}`;
    });
    return [...uses, ...pools, `${this.#tasks} tasks`].join(', ');
  }
}
