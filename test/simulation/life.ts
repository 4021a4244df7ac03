import { readClientOptions, type ResolvedClientOptions } from '../../lib/core/client-options.js';
import { ClientPool } from '../../lib/core/client-pool.js';
import { CONTROL_ID } from '../../lib/core/connection-id.js';
import type { PoolRole } from '../../lib/core/errors.js';
import type { Pool } from '../../lib/core/pool.js';
import { readServerOptions, type ResolvedServerOptions } from '../../lib/core/server-options.js';
import { ServerPool } from '../../lib/core/server-pool.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { Dice } from '../support/dice.js';
import type { Deed, Tally } from './history.js';
import { DIAL_TIMEOUT, Network } from './network.js';
import { leftovers, type Setup, unrest, wrong } from './rules.js';
import type { Loss, SimUse } from './sim-link.js';
import { Visitors } from './visitors.js';

/** Longer than any wait, deadline or patience of a history, in milliseconds. */
const LONG = 6_000;

/** How long both pools must be at rest, seen every so often: longer than a link may be missing, in milliseconds. */
const LASTING = 1_000;
const STEP = 100;

/** Read once: a history sets what it needs. */
const CLIENT = readClientOptions({ address: 'sim:1' }, []);
const SERVER = readServerOptions({ listen: { port: 0 } }, []);

/** Lets promises settle: pools and applications wait for nothing but these and the clock. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Two pools, a network between them, and those who visit them, from their start to their end. */
export class Life {
  readonly #clock = new FakeClock();
  readonly #network: Network;
  readonly #visitors: Visitors;
  readonly #setup: Setup;
  readonly #client: ClientPool<SimUse>;
  readonly #server: ServerPool<SimUse>;
  #isCalm = false;

  constructor(
    seed: number,
    private readonly tally: Tally,
  ) {
    const dice = new Dice(seed);
    const max = 1 + dice.below(6);
    this.#setup = {
      min: 1 + dice.below(max),
      max: { client: max, server: dice.percent(20) ? 1 : max + dice.below(3) },
      reserveControl: dice.percent(30),
      maxInterval: 600,
    };
    this.#network = new Network(this.#clock, dice, dice.pick([0, 50, 100, 100, 100]), tally);
    const { client, server } = optionsOf(this.#setup, dice);
    const random = (): number => (dice.percent(10) ? dice.below(4) : dice.next());
    this.#client = new ClientPool('sim', client, this.#network.dial, null, this.#clock, random);
    this.#server = new ServerPool('sim', server, this.#network.listen, null, this.#clock, random);
    const pools = { client: this.#client, server: this.#server };
    this.#visitors = new Visitors(pools, this.#setup, this.#network, this.#clock, tally);
  }

  async start(): Promise<void> {
    await this.#server.start();
    await this.#client.start();
    await settle();
    this.#check('the start');
  }

  async act({ do: what, n }: Deed, where: string): Promise<void> {
    const dice = new Dice(n);
    const role = dice.pick<PoolRole>(['client', 'server']);
    if (what === 'pass') await this.#pass(dice.pick([1, 20, 100, 100, 700, 2_000]), where);
    else this.#do(what, role, dice);
    await settle();
    this.#check(where);
  }

  #do(what: Exclude<Deed['do'], 'pass'>, role: PoolRole, dice: Dice): void {
    const pool = this.#pool(role);
    const link = this.#network.one(dice);
    switch (what) {
      case 'visit':
        this.#visitors.visit(role, dice);
        break;
      case 'visits':
        for (let left = 2 + dice.below(8); left > 0; left--) this.#visitors.visit(role, dice);
        break;
      case 'rivals':
        if (link) this.#visitors.rivals(role, link[role].id);
        break;
      case 'lose':
        if (link) this.tally.lost++;
        link?.lose(dice.pick<Loss>(['reset', 'reset', 'client is silent', 'server is silent']));
        break;
      case 'stall':
        link?.stall();
        this.#clock.after(dice.pick([10, 300, 1_500]), () => link?.resume());
        break;
      case 'outage':
        this.#network.fail(dice.pick([50, 500, 1_500]), dice.percent(50));
        break;
      case 'flush':
        pool.flush();
        break;
      case 'astray':
        // An ID that nobody bears, or one that was told to nobody.
        this.#visitors.leave(role, dice.percent(50) ? '0badcafe' : CONTROL_ID, dice.pick([0, 100]));
        break;
      case 'abort':
        this.#visitors.abortOne(dice);
        break;
      case 'listener':
        this.#listen(pool, role, dice);
        break;
      case 'end':
        if (dice.percent(70)) break;
        this.tally.ends++;
        if (dice.percent(50)) pool.drain();
        else void pool.close();
        break;
    }
  }

  /** Somebody does something from within an event: at the moment of an arrival, a hand-over, an end. */
  #listen(pool: Pool<SimUse>, role: PoolRole, dice: Dice): void {
    const then = dice.pick(['take', 'take', 'flush', 'abort', 'close']);
    pool.once(dice.pick(['connect', 'reuse', 'disconnect', 'change'] as const), () => {
      if (this.#isCalm) return;
      if (then === 'flush') pool.flush();
      else if (then === 'abort') this.#visitors.abortOne(dice);
      else if (then === 'take') this.#visitors.visit(role, dice);
      else if (dice.percent(40)) void pool.close();
    });
  }

  #pool(role: PoolRole): Pool<SimUse> {
    return role === 'client' ? this.#client : this.#server;
  }

  /** Time passes: after each alarm applications see what has come of it, and all must hold. */
  async #pass(ms: number, where: string): Promise<void> {
    const end = this.#clock.now() + ms;
    for (let next = this.#clock.next; next <= end; next = this.#clock.next) {
      this.#clock.advance(Math.max(0, next - this.#clock.now()));
      await settle();
      this.#check(where);
    }
    this.#clock.advance(end - this.#clock.now());
  }

  #check(where: string): void {
    for (const pool of [this.#client, this.#server]) {
      const problem = wrong(pool, this.#setup, this.#network, this.#visitors);
      if (problem) throw new Error(`${pool.role}: ${problem} (behind ${where})`);
    }
  }

  /** When nothing is in the way any more, both pools come to rest: full, agreed, and nobody waits. */
  async calm(): Promise<void> {
    this.#isCalm = true;
    this.#network.heal();
    const end = this.#clock.now() + 2 * LONG;
    let unrest: string | null = null;
    // Links may be retired at any time, and what is missing just then is there again a moment later: so the rest has to last.
    for (let restful = 0; restful < LASTING; restful = unrest ? 0 : restful + STEP) {
      if (this.#clock.now() > end) throw new Error(`no rest: ${unrest ?? 'it does not last'}`);
      await this.#pass(STEP, 'the calm behind all');
      unrest = this.#unrest();
    }
    this.tally.reused += this.#client.stats().reused;
  }

  /** What is missing until both pools are at rest, or null. */
  #unrest(): string | null {
    const stats = [this.#client.stats(), this.#server.stats()];
    for (const { waiting, used, role } of stats) {
      if (waiting + used > 0) return `${role}: ${waiting} still wait, and ${used} are used`;
    }
    if (stats.some(({ state }) => state !== 'running')) return null;
    return unrest(this.#setup, this.#network, this.#clock.now());
  }

  /** Closes both: nothing is left. */
  async end(): Promise<void> {
    const closed = Promise.all([this.#client.close(), this.#server.close()]).then(() => true);
    await this.#pass(LONG, 'the end');
    if (!(await Promise.race([closed, settle()]))) throw new Error('the pools do not close');
    await this.#pass(2 * LONG, 'the end');
    this.tally.unused += this.#visitors.unused;
    const left = leftovers([this.#client, this.#server], this.#network, this.#visitors, this.#clock);
    if (left) throw new Error(`${left} (behind the end)`);
  }
}

function optionsOf(
  { min, max, reserveControl, maxInterval }: Setup,
  dice: Dice,
): { client: ResolvedClientOptions; server: ResolvedServerOptions } {
  const both = {
    reserveControl,
    claimTimeout: dice.pick([400, 1_500]),
    drainTimeout: dice.pick([0, 200, 1_500]),
    maxUses: dice.pick([1, 2, 1_000, 1_000]),
    maxLifetime: dice.pick([2_000, 1_800_000]),
    maxIdle: dice.pick([1_500, 1_800_000, 1_800_000]),
    maxWaiters: dice.pick([2, 10_000]),
  };
  const pace = { minInterval: 100, maxInterval, maxBackoff: 400, dialTimeout: DIAL_TIMEOUT };
  return {
    client: { ...CLIENT, ...both, ...pace, minCapacity: min, maxCapacity: max.client },
    server: { ...SERVER, ...both, maxCapacity: max.server },
  };
}
