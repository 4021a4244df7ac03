import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Dice } from './dice.js';
import { reset } from './reset.js';

/** What a way does to all that goes through it, until it is healed. */
export interface Trouble {
  /** How late everything comes, and by how much more at random, in milliseconds. */
  readonly delay?: number;
  readonly jitter?: number;
  /** The longest piece that is sent at once, in bytes. */
  readonly slice?: number;
  /** Bytes a second. */
  readonly rate?: number;
}

/** Called whenever it befalls somebody. */
type Fired = () => void;

const nothing: Fired = () => undefined;
const CALM = { fired: nothing };

/** How many bytes may wait in a way before it reads no more. */
const DEPTH = 64 * 1024;

/** How many pieces a segment is cut into at most: of the rest one is made. */
const MOST_SLICES = 100;

/** Ways between clients and a server on this machine, which all kinds of trouble befall. `await using` drops everything. */
export class FaultRelay implements AsyncDisposable {
  readonly ways = new Set<Way>();
  /** Ways that were cut or fell silent with all others. */
  injected = 0;
  readonly #server: Server;
  #refusal: { readonly until: number; readonly fired: Fired } | null = null;
  #isSilent = false;

  private constructor(
    private readonly target: () => number,
    private readonly dice: Dice,
  ) {
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      this.#accept(near);
    });
  }

  /** `target` tells the server's port, whenever somebody comes. */
  static async to(target: number | (() => number), dice = new Dice(0)): Promise<FaultRelay> {
    const relay = new FaultRelay(typeof target === 'number' ? () => target : target, dice);
    await once(relay.#server.listen(0, '127.0.0.1'), 'listening');
    return relay;
  }

  /** The way of the client that has this port. */
  wayOf(port: number | undefined): Way | undefined {
    return [...this.ways].find((way) => way.clientPort === port);
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Resets whoever comes, for a time. */
  refuse(ms: number, fired: Fired = nothing): void {
    this.#refusal = { until: performance.now() + ms, fired };
  }

  /** Nothing passes any more on any way, nor on those that come; no end either. */
  blackHole(): void {
    this.#isSilent = true;
    this.injected += this.ways.size;
    for (const way of this.ways) way.silence();
  }

  /** Resets all ways. */
  cut(): void {
    this.injected += this.ways.size;
    for (const way of this.ways) way.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const way of this.ways) way.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    near.on('error', () => undefined);
    if (this.#refusal && performance.now() < this.#refusal.until) {
      this.#refusal.fired();
      reset(near);
      return;
    }
    const way = new Way(
      near,
      connect({ port: this.target(), host: '127.0.0.1', allowHalfOpen: true }),
      this.dice,
    );
    if (this.#isSilent) way.silence();
    this.ways.add(way);
    void way.gone.then(() => this.ways.delete(way));
  }
}

/** One connection through the relay. */
export class Way {
  readonly gone: Promise<unknown>;
  readonly clientPort: number | undefined;
  readonly #lanes: readonly [OneWay, OneWay];

  constructor(
    private readonly near: Socket,
    private readonly far: Socket,
    dice: Dice,
  ) {
    this.clientPort = near.remotePort;
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      // A reset goes on as one.
      socket.on('error', () => {
        this.reset();
      });
    }
    this.#lanes = [new OneWay(near, far, dice), new OneWay(far, near, dice)];
    this.gone = Promise.all(
      [near, far].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
    for (const socket of [near, far])
      socket.once('close', () => {
        this.reset();
      });
  }

  /** Troubles both directions for a time, or until the next trouble. */
  trouble(trouble: Trouble, ms: number, fired: Fired = nothing): void {
    const now = { ...trouble, fired };
    for (const lane of this.#lanes) lane.trouble = now;
    later(ms, () => {
      for (const lane of this.#lanes) if (lane.trouble === now) lane.trouble = CALM;
    });
  }

  silence(): void {
    for (const lane of this.#lanes) lane.isSilent = true;
  }

  /** Nothing passes any more, not even an end; later a reset tells of it, as a router does that has forgotten the way. */
  blackHole(ms: number): void {
    this.silence();
    later(ms, () => {
      this.reset();
    });
  }

  /** Resets both sides, or ends both without a word of the protocol, when so many more bytes have passed either way. */
  cutBehind(bytes: number, how: 'reset' | 'end' = 'reset', fired: Fired = nothing): void {
    for (const lane of this.#lanes) lane.cut = { in: bytes, how, fired };
  }

  /** Says in the name of one side that it has said all; the rest is lost. Later both are reset. */
  halfClose(side: 'client' | 'server', ms: number): void {
    const [fromClient, fromServer] = this.#lanes;
    (side === 'client' ? fromClient : fromServer).isSilent = true;
    (side === 'client' ? this.far : this.near).end();
    later(ms, () => {
      this.reset();
    });
  }

  reset(): void {
    for (const socket of [this.near, this.far]) reset(socket);
  }
}

/** One direction of a way: what waits in it comes out in order. */
class OneWay {
  trouble: Trouble & { readonly fired: Fired } = CALM;
  isSilent = false;
  /** How many bytes may pass yet, and what comes behind them. */
  cut: { in: number; readonly how: 'reset' | 'end'; readonly fired: Fired } = {
    in: Infinity,
    how: 'reset',
    fired: nothing,
  };
  /** Bytes on their way, and what else waits for its time, in order. */
  #waiting = 0;
  #pending = 0;
  #line = Promise.resolve();
  #last = 0;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly dice: Dice,
  ) {
    from.on('data', (bytes: Buffer) => {
      this.#take(bytes);
    });
    from.on('end', () => {
      this.#later(0, () => to.end());
    });
    to.on('drain', () => {
      this.#resume();
    });
  }

  #take(bytes: Buffer): void {
    if (this.isSilent) return;
    const { rate, slice, fired } = this.trouble;
    fired();
    this.#waiting += bytes.length;
    this.#later(rate ? (bytes.length / rate) * 1_000 : 0, () => {
      this.#waiting -= bytes.length;
      this.#send(bytes, slice);
      this.#resume();
    });
    if (this.#waiting > DEPTH) this.from.pause();
  }

  #send(bytes: Buffer, slice: number | undefined): void {
    let rest = bytes.subarray(0, this.cut.in);
    this.cut.in -= rest.length;
    for (let pieces = 0; slice && pieces < MOST_SLICES && rest.length > 0; pieces++) {
      const length = 1 + this.dice.below(slice);
      this.#write(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    if (rest.length > 0) this.#write(rest);
    if (this.cut.in > 0) return;
    this.isSilent = true;
    this.cut.fired();
    for (const socket of [this.from, this.to]) {
      if (this.cut.how === 'reset') reset(socket);
      else socket.end();
    }
  }

  #write(bytes: Buffer): void {
    if (this.to.writable && !this.to.write(bytes)) this.from.pause();
  }

  #resume(): void {
    if (this.#waiting <= DEPTH && !this.to.writableNeedDrain) this.from.resume();
  }

  /** Does something when all before it is done: at once where nothing is in the way. */
  #later(takes: number, then: () => void): void {
    const { delay = 0, jitter = 0 } = this.trouble;
    const now = performance.now();
    const at = Math.max(this.#last, now) + takes;
    const due = Math.max(at, now + delay + (jitter && this.dice.below(jitter)));
    this.#last = due;
    const go = (): void => {
      if (!this.isSilent && !this.to.destroyed) then();
    };
    // Timers of one moment go off in the order of their making, but not beside what needs none.
    if (due <= now && this.#pending === 0) {
      go();
      return;
    }
    this.#pending++;
    this.#line = this.#line.then(async () => {
      const wait = due - performance.now();
      if (wait > 0)
        await new Promise<void>((resolve) => {
          later(wait, resolve);
        });
      this.#pending--;
      go();
    });
  }
}

/** What is to come keeps no process. */
function later(ms: number, then: () => void): void {
  setTimeout(then, ms).unref();
}
