import { openSync } from 'node:fs';
import {
  type ClientPool,
  createClientPool,
  createServerPool,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { Dice } from '../support/dice.js';
import { type Lane, LANES, type Look, type Order, type Setup, type Told } from './orders.js';
import { answer, ask, LONGEST, STARTS } from './talk.js';
import { VitalSigns } from './vitals.js';

// One end of the soak, as a process: makes uses at an even pace, follows those of the other end, and tells how it is. It
// holds nothing of its own that grows. It ends by itself when its pools are closed.

/** How often it looks whether uses are due, in milliseconds. */
const TICK = 5;

/** How often a link of protocol 2 serves until it is closed. */
const USES = 20;

/** Longer than any soak: no idle connection is closed at one end while the other takes it. */
const LIFETIME = 7 * 24 * 3_600_000;

const WAIT = 30_000;

/** How many problems are kept for the next look. */
const MOST_PROBLEMS = 20;

type OwnPool = ClientPool<PoolConnection> | ServerPool<PoolConnection>;

process.once('message', (setup: Setup) => {
  void new Peer(setup).run();
});

class Peer {
  readonly #pools: ReadonlyMap<Lane, OwnPool>;
  readonly #signs = new VitalSigns();
  readonly #dice: Dice;
  /** How many connections each client keeps idle. */
  readonly #capacity: number;
  #begun = 0;
  #whole = 0;
  #failed = 0;
  #problems: string[] = [];
  #loading: NodeJS.Timeout | undefined;
  /** What the planted leak has. */
  readonly #leaked: Buffer[] = [];

  constructor(private readonly setup: Setup) {
    this.#dice = new Dice(setup.seed);
    // Half a second's uses, and some for bursts.
    this.#capacity = 20 + Math.ceil(setup.rate / 2);
    this.#pools = new Map(setup.lanes.map((lane) => [lane, this.#pool(lane)]));
  }

  async run(): Promise<void> {
    process.on('disconnect', abandoned);
    const pools = [...this.#pools.values()];
    for (const pool of pools) pool.on('warning', () => undefined); // known: a certificate of our own
    await Promise.all(pools.map((pool) => pool.start()));
    process.on('message', (order: Order) => {
      this.#obey(order);
    });
    tell({ is: 'ready', ports: LANES.map((_, lane) => this.#pools.get(lane as Lane)?.address()?.port ?? 0) });
  }

  #pool(lane: Lane): OwnPool {
    const { role, ports, tls } = this.setup;
    const both = {
      protocol: LANES[lane].protocol,
      maxUses: USES,
      maxLifetime: LIFETIME,
      acquireTimeout: WAIT,
    };
    return role === 'server'
      ? // Room for those, too, that the client has taken and nobody here yet.
        createServerPool({
          listen: { host: '127.0.0.1', port: 0 },
          tls,
          maxCapacity: 3 * this.#capacity,
          ...both,
        })
      : createClientPool({
          address: `127.0.0.1:${ports[lane] ?? 0}`,
          tlsMode: 'self-signed',
          minCapacity: this.#capacity,
          maxCapacity: this.#capacity,
          minInterval: 50,
          maxInterval: 100,
          ...both,
        });
  }

  #obey(order: Order): void {
    switch (order.do) {
      case 'load':
        this.#load();
        break;
      case 'rest':
        clearInterval(this.#loading);
        break;
      case 'follow':
        void this.#use(order.lane, async (pool) => answer(await pool.outgoingGet(order.id)));
        break;
      case 'look':
        void this.#look().then((look) => {
          tell({ is: 'look', look });
        });
        break;
      case 'close':
        void this.#close();
        break;
    }
  }

  /** Makes uses as they are due, however long those before them take. */
  #load(): void {
    const mine = this.setup.lanes.filter((lane) => LANES[lane].taker === this.setup.role);
    const start = performance.now();
    let made = 0;
    this.#loading = setInterval(() => {
      const due = ((performance.now() - start) / 1_000) * this.setup.rate;
      for (; made < due; made++)
        for (const lane of mine) void this.#use(lane, (pool) => this.#ask(lane, pool));
    }, TICK);
  }

  async #ask(lane: Lane, pool: OwnPool): Promise<string | null> {
    const connection = await pool.incomingGet();
    tell({ is: 'taken', lane, id: connection.id });
    const length = (): number => 1 + this.#dice.below(LONGEST);
    return ask(connection, { start: this.#dice.below(STARTS), question: length(), answer: length() });
  }

  async #use(lane: Lane, talk: (pool: OwnPool) => Promise<string | null>): Promise<void> {
    this.#begun++;
    if (this.setup.leaks) this.#leak();
    const problem = await talk(this.#pools.get(lane) as OwnPool).catch(String);
    if (problem === null) {
      this.#whole++;
      return;
    }
    this.#failed++;
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push(`${this.setup.role}: ${problem}`);
  }

  async #look(): Promise<Look> {
    const vitals = await this.#signs.look();
    const problems = this.#problems;
    this.#problems = [];
    const idle = [...this.#pools.values()].reduce((sum, pool) => sum + pool.active(), 0);
    return {
      begun: this.#begun,
      whole: this.#whole,
      failed: this.#failed,
      idle,
      busy: this.#busy(),
      problems,
      vitals,
    };
  }

  #busy(): string | null {
    const open = this.#begun - this.#whole - this.#failed;
    if (open > 0) return `${open} uses are open`;
    for (const [lane, pool] of this.#pools) {
      const { active, used, owed, connecting, waiting } = pool.stats();
      if (active === this.#capacity && used + owed + connecting + waiting === 0) continue;
      const now = JSON.stringify({ active, used, owed, connecting, waiting });
      return `protocol ${LANES[lane].protocol}: ${now} of ${this.#capacity}`;
    }
    return null;
  }

  async #close(): Promise<void> {
    this.#signs.stop();
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
    tell({ is: 'closed', problems: [...this.#pools].flatMap(([lane, pool]) => this.#audit(lane, pool)) });
    process.off('disconnect', abandoned);
    process.disconnect();
  }

  /** What a pool that nothing befell must not have counted. */
  #audit(lane: Lane, pool: OwnPool): string[] {
    const { errorsEver: errors, rejected, closed, dialFailures } = pool.stats();
    const { broken, violation, lost, unnamed, unclaimed, replaced, flushed } = closed;
    const counts = { errors, rejected, broken, violation, lost, unnamed, unclaimed, replaced, flushed, ...dialFailures }; // prettier-ignore
    const wrong = Object.entries(counts).filter(([, count]) => count > 0);
    return wrong.map(
      ([name, count]) => `${this.setup.role}, protocol ${LANES[lane].protocol}: ${name} ${count}`,
    );
  }

  /** 1 KiB of each use, and once a timer and a descriptor. */
  #leak(): void {
    if (this.#leaked.length === 0) {
      setInterval(() => undefined, 60_000);
      openSync(process.execPath, 'r');
    }
    this.#leaked.push(Buffer.alloc(1024));
  }
}

/** Its run has gone. */
function abandoned(): void {
  process.exit(1);
}

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}
