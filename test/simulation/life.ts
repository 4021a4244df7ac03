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
    if (what === 'pass') await this.#pass(dice.pick([1, 20, 100, 100, 700, 2_000]));
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

  /** Time passes, in steps that let applications see what happens meanwhile. */
  async #pass(ms: number): Promise<void> {
    const steps = ms < 50 ? 1 : 4;
    for (let step = 0; step < steps; step++) {
      this.#clock.advance(ms / steps);
      await settle();
    }
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
    await this.#pass(LONG);
    this.#check('the calm behind all');
    const pools = [this.#client, this.#server];
    for (const { waiting, used, role } of pools.map((pool) => pool.stats())) {
      if (waiting + used > 0) throw new Error(`${role}: ${waiting} still wait, and ${used} are used`);
    }
    this.tally.reused += this.#client.stats().reused;
    if (pools.some((pool) => pool.stats().state !== 'running')) return;
    // Links may be retired at any time: the two ends see it one after the other.
    for (let tries = 0; tries < 100; tries++) {
      if (!unrest(this.#setup, this.#network, this.#clock.now())) return;
      await this.#pass(40);
      this.#check('the rest behind all');
    }
    throw new Error(`no rest: ${unrest(this.#setup, this.#network, this.#clock.now())}`);
  }

  /** Closes both: nothing is left. */
  async end(): Promise<void> {
    const closed = Promise.all([this.#client.close(), this.#server.close()]).then(() => true);
    await this.#pass(LONG);
    if (!(await Promise.race([closed, settle()]))) throw new Error('the pools do not close');
    this.#check('the end');
    await this.#pass(2 * LONG);
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
