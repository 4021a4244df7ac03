import { once } from 'node:events';
import {
  type ClientPool,
  createClientPool,
  createServerPool,
  NpwsError,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { Dice } from '../support/dice.js';
import { Exchange } from './exchange.js';
import type { Heading } from './letter.js';
import { type Lane, LANE_NUMBERS, LANES, type Order, type Setup, Summing, type Told } from './orders.js';

// One end of both lanes, as a process: takes connections, tells the other end their IDs, follows what that has taken, and
// writes and reads letters on all of them. It ends when it is told to, by SIGTERM, or whenever it is killed.

/** How many streams of a lane it has opened at a time. */
const STREAMS = 8;
const WAIT = 4_000;
/** How often it tells what it has seen, in milliseconds. */
const PERIOD = 200;

type OwnPool = ClientPool<PoolConnection> | ServerPool<PoolConnection>;

process.once('message', (setup: Setup) => {
  void new Peer(setup).run();
});

class Peer {
  readonly #pools: readonly OwnPool[];
  readonly #sums = LANE_NUMBERS.map((lane) => new Summing(lane));
  /** The connections that are held, and their lanes. */
  readonly #open = new Map<PoolConnection, Lane>();
  readonly #dice: Dice;
  #letters = 0;
  /** Whether it takes no more, and whether that is what was asked of it. */
  #isFinishing = false;
  #isAsked = false;
  readonly #deaf = new Set<Lane>();

  constructor(private readonly setup: Setup) {
    this.#dice = new Dice(setup.seed);
    this.#pools = LANE_NUMBERS.map((lane) => this.#pool(lane));
  }

  async run(): Promise<void> {
    process.on('SIGTERM', () => void this.#close());
    // Its run has gone.
    process.on('disconnect', () => process.exit());
    for (const pool of this.#pools) pool.on('warning', () => undefined); // known: a certificate of our own
    await Promise.all(this.#pools.map((pool) => pool.start()));
    tell({ is: 'ready', ports: this.#pools.map((pool) => pool.address()?.port ?? 0) });
    process.on('message', (order: Order) => {
      this.#obey(order);
    });
    const telling = setInterval(() => {
      tell({ is: 'sums', sums: this.#sums.map((sum) => sum.take()) });
    }, PERIOD);
    const mine = LANE_NUMBERS.filter((lane) => LANES[lane].taker === this.setup.role);
    await Promise.all(mine.flatMap((lane) => Array.from({ length: STREAMS }, () => this.#take(lane))));
    while (this.#open.size > 0) await once(process, 'settled');
    clearInterval(telling);
    tell({ is: 'sums', sums: this.#sums.map((sum) => sum.take()) });
    if (this.#isAsked) tell({ is: 'finished' });
  }

  #pool(lane: Lane): OwnPool {
    const { role, ports, tls } = this.setup;
    const both = {
      protocol: LANES[lane].protocol,
      keepAlive: 1_000,
      claimTimeout: 2_000,
      drainTimeout: 400,
      maxUses: 200,
      acquireTimeout: WAIT,
    };
    return role === 'server'
      ? createServerPool({
          listen: { host: '127.0.0.1', port: ports[lane] ?? 0 },
          tls,
          maxCapacity: 40,
          ...both,
        })
      : createClientPool({
          address: `127.0.0.1:${ports[lane] ?? 0}`,
          tlsMode: 'self-signed',
          minCapacity: 12,
          maxCapacity: 32,
          minInterval: 50,
          maxInterval: 500,
          maxBackoff: 500,
          dialTimeout: 3_000,
          ...both,
        });
  }

  #poolOf(lane: Lane): OwnPool {
    return this.#pools[lane] as OwnPool;
  }

  /** Takes one connection after the other and opens a stream on each. */
  async #take(lane: Lane): Promise<void> {
    const pool = this.#poolOf(lane);
    while (!this.#isFinishing) {
      try {
        const connection = await pool.incomingGet();
        tell({ is: 'taken', lane, id: connection.id });
        await this.#exchange(lane, connection, this.#heading(this.#dice.percent(40)));
      } catch (error) {
        this.#failed(lane, error);
      }
    }
  }

  async #follow(lane: Lane, id: string): Promise<void> {
    try {
      await this.#exchange(lane, await this.#poolOf(lane).outgoingGet(id), null);
    } catch (error) {
      this.#failed(lane, error);
    }
  }

  async #exchange(lane: Lane, connection: PoolConnection, opens: Heading | null): Promise<void> {
    this.#open.set(connection, lane);
    const exchange = new Exchange(connection, opens, (asked) => ({
      ...this.#heading(asked.atOnce),
      messages: asked.answer,
      answers: asked,
    }));
    if (this.#deaf.has(lane)) connection.pause();
    this.#sums[lane]?.add(await exchange.settled);
    this.#open.delete(connection);
    process.emit('settled' as never);
  }

  #heading(atOnce: boolean): Heading {
    const dice = this.#dice;
    const length = (): number =>
      // Some are more than all buffers on their way hold.
      dice.percent(1) ? 20_000 : dice.pick([0, 1, dice.below(20), dice.below(200), dice.below(1_000)]);
    const [messages, answer] = [length(), length()];
    return {
      writer: this.setup.writer,
      number: this.#letters++,
      seed: dice.next(),
      messages,
      answer,
      atOnce,
      answers: null,
    };
  }

  #failed(lane: Lane, error: unknown): void {
    if (!(error instanceof NpwsError)) throw error;
    this.#sums[lane]?.fail(`get: ${error.code}`);
  }

  #obey(order: Order): void {
    switch (order.do) {
      case 'follow':
        void this.#follow(order.lane, order.id);
        break;
      case 'flush':
        if (this.#poolOf(order.lane).flush() > 0) tell({ is: 'befell', fault: order.do });
        break;
      case 'event-loop stall':
        for (const end = Date.now() + order.ms; Date.now() < end;);
        tell({ is: 'befell', fault: order.do });
        break;
      case 'full buffers':
        this.#readNothing(order.lane, order.ms);
        break;
      case 'finish':
        this.#isFinishing = this.#isAsked = true;
        break;
    }
  }

  #readNothing(lane: Lane, ms: number): void {
    const held = (): PoolConnection[] => [...this.#open].filter(([, of]) => of === lane).map(([one]) => one);
    this.#deaf.add(lane);
    for (const connection of held()) connection.pause();
    setTimeout(() => {
      this.#deaf.delete(lane);
      const isFull = (one: PoolConnection): boolean => one.readableLength >= one.readableHighWaterMark;
      if (held().some(isFull)) tell({ is: 'befell', fault: 'full buffers' });
      for (const connection of held()) connection.resume();
    }, ms);
  }

  async #close(): Promise<void> {
    this.#isFinishing = true;
    await Promise.all(this.#pools.map((pool) => pool.close()));
    process.disconnect();
  }
}

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}
