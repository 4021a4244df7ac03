import type { Dial } from '../../lib/core/client-pool.js';
import { ClientPool } from '../../lib/core/client-pool.js';
import type { ConnectionId } from '../../lib/core/connection-id.js';
import { type NpwsError, NpwsDialError, NpwsHandshakeError } from '../../lib/core/errors.js';
import type { Link, LinkEnd, LinkKeeper } from '../../lib/core/link.js';
import { type ClientPoolOptions } from '../../lib/core/client-options.js';
import { resolveOptions } from '../../lib/core/options.js';
import { type ServerPoolSettings } from '../../lib/core/server-options.js';
import type { Random } from '../../lib/core/random.js';
import { type Gate, ServerPool, type Slot } from '../../lib/core/server-pool.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';

/** How a link ended, where it was then, and what for a pool had closed it, if one had. */
export interface StubEnding {
  readonly clean: boolean;
  readonly place: 'idle' | 'owed' | 'used' | 'nameless';
  readonly closedFor: string | null;
}

let namings = 0;

/** A link without a network. What an application gets to hold is the link itself. */
export class StubLink implements Link<StubLink> {
  keeper: LinkKeeper<Link<StubLink>> | null = null;
  readonly peer = 'stub:1';
  readonly bytes = { received: 3, sent: 4 };
  begun = false;
  heard = false;
  isGone = false;
  /** How often it was handed out under its present name: more than once would be a bug. */
  checkOuts = 0;
  /** How often it was handed out since it was set up. */
  uses = 0;
  /** Whether only what it had left was handed out. */
  wasGoneAtCheckOut = false;
  closedWith: number | null = null;
  /** What the peer was told when it was closed. */
  closedFor: string | null = null;
  /** How it ended, and as what. */
  ending: StubEnding | null = null;
  wasCut = false;
  /** Whether it came back from a use and was not named since. */
  isReturned = false;
  /** How often it came back and was named anew. */
  renewals = 0;
  /** Grows with each naming of any link: the order of age. */
  namedAs = namings++;
  /** Names a link that a client has given back. */
  #named: (() => void) | undefined;

  constructor(
    public id: ConnectionId,
    readonly renewable = false,
    readonly openedAt = 0,
  ) {}

  /** Whether a client has given it back and waits for its name. */
  get isGivenBack(): boolean {
    return this.#named !== undefined && this.isLive;
  }

  get isEnded(): boolean {
    return this.ending !== null;
  }

  get isLive(): boolean {
    return !this.isEnded && this.closedWith === null && !this.wasCut;
  }

  /** Whether an application holds it. */
  get isUsed(): boolean {
    return this.checkOuts > 0 && !this.isReturned && !this.isGone && !this.wasGoneAtCheckOut;
  }

  name(id: ConnectionId): void {
    this.#expectBetweenUses('named');
    this.id = id;
    this.#renew();
  }

  giveBack(named: () => void): void {
    this.#expectBetweenUses('given back');
    this.#named = named;
  }

  /** The server names a link that was given back. */
  rename(id: string): void {
    const named = this.#named;
    if (!named || !this.isLive) return;
    this.#named = undefined;
    this.id = id as ConnectionId;
    this.#renew();
    named();
  }

  /** Its application and the peer's are done with it. */
  comeBack(): void {
    if (!this.renewable || this.checkOuts === 0 || this.isReturned || !this.isLive) return;
    this.isReturned = true;
    this.keeper?.returned(this);
  }

  #expectBetweenUses(what: string): void {
    if (!this.isReturned || !this.isLive || this.#named) throw new Error(`${this.id} can't be ${what} now`);
  }

  #renew(): void {
    this.isReturned = false;
    this.checkOuts = 0;
    this.heard = false;
    this.renewals++;
    this.namedAs = namings++;
  }

  checkOut(): this {
    this.checkOuts++;
    this.uses++;
    this.wasGoneAtCheckOut = this.isGone;
    this.begun = false;
    return this;
  }

  close(code: number, reason: string): void {
    this.closedWith ??= code;
    this.closedFor ??= reason;
  }

  cut(): void {
    this.wasCut = true;
  }

  /** The peer begins to write before anybody took the link. */
  begin(): void {
    if (this.begun || this.checkOuts > 0 || !this.isLive) return;
    this.begun = this.heard = true;
    this.keeper?.begun(this);
  }

  /** Nothing more comes: by a clean close, or not. */
  end(clean: boolean, particulars: Partial<LinkEnd> = {}): void {
    if (this.isEnded) return;
    const untaken = this.begun ? 'owed' : 'idle';
    const place = this.isUsed ? 'used' : this.isReturned ? 'nameless' : untaken;
    this.ending = { clean, place, closedFor: this.closedFor };
    const end: LinkEnd = {
      code: clean ? 1000 : 1006,
      reason: '',
      clean,
      whole: clean,
      violation: false,
      ours: this.closedWith !== null || this.wasCut,
      error: clean ? null : new Error('cut'),
      ...particulars,
    };
    this.keeper?.ended(this, end);
  }

  /** The socket is gone, as after every end. */
  vanish(clean = false): void {
    if (this.isGone) return;
    this.end(clean);
    this.isGone = true;
    this.keeper?.gone(this);
  }
}

/** A dial in flight, settled by hand. */
export interface StubFlight {
  readonly startedAt: number;
  /** The server has named the link; with `begun` bytes came along with the ID. */
  arrive(id: string, begun?: boolean, renewable?: boolean): StubLink;
  fail(error?: NpwsError): void;
  /** The server answers 503. */
  refuse(status?: number): void;
}

/** A client pool whose dials are settled by hand. */
export class ClientRig {
  readonly pool: ClientPool<StubLink>;
  readonly flights = new Set<StubFlight>();
  readonly links: StubLink[] = [];
  /** When each dial began. */
  readonly dials: number[] = [];

  constructor(
    readonly clock: FakeClock,
    options: Partial<ClientPoolOptions> = {},
    random: Random = () => 0x8000_0000,
  ) {
    const { client } = resolveOptions({ client: { address: 'stub:1', ...options } });
    if (!client) throw new Error('no client options');
    this.pool = new ClientPool('test', client, this.#dial, null, clock, random);
  }

  /** Settles all dials in flight with fresh links. */
  arriveAll(nextId: () => string, renewable = false): void {
    for (const flight of [...this.flights]) flight.arrive(nextId(), false, renewable);
  }

  readonly #dial: Dial<StubLink> = (events) => {
    this.dials.push(this.clock.now());
    const settle = (): void => {
      if (!this.flights.delete(flight)) throw new Error('this dial is settled already');
    };
    const flight: StubFlight = {
      startedAt: this.clock.now(),
      arrive: (id, begun = false, renewable = false) => {
        settle();
        const link = new StubLink(id as ConnectionId, renewable, this.clock.now());
        link.begun = link.heard = begun;
        this.links.push(link);
        events.arrived(link);
        return link;
      },
      fail: (error = new NpwsDialError('refused')) => {
        settle();
        events.failed(error);
      },
      refuse: (status = 503) => {
        settle();
        events.failed(new NpwsHandshakeError('full', status));
      },
    };
    this.flights.add(flight);
    return () => void this.flights.delete(flight);
  };
}

/** Draws the lowest number there is, always. */
export const LOWEST: Random = () => 0;

/** Draws the highest number there is, always. */
export const HIGHEST: Random = () => 0xffff_ffff;

/** Draws 1, 2, 3 ... */
export function counter(): Random {
  let drawn = 0;
  return () => ++drawn;
}

/** A client pool that has begun to dial. */
export async function startedClient(
  options?: Partial<ClientPoolOptions>,
  random?: Random,
): Promise<ClientRig> {
  const rig = new ClientRig(new FakeClock(), options, random);
  await rig.pool.start();
  return rig;
}

/** A server pool that listens nowhere; `connect` lets a client in. */
export class ServerRig {
  readonly pool: ServerPool<StubLink>;
  readonly links: StubLink[] = [];
  isListening = false;
  #gate: Gate<StubLink> | undefined;

  constructor(
    readonly clock: FakeClock,
    options: ServerPoolSettings = {},
    random: Random = () => 0x8000_0000,
    private readonly bind: () => Promise<void> = () => Promise.resolve(),
  ) {
    const { server } = resolveOptions({ server: { listen: { port: 0 }, ...options } });
    if (!server) throw new Error('no server options');
    this.pool = new ServerPool(
      'test',
      server,
      async (gate) => {
        await this.bind();
        this.#gate = gate;
        this.isListening = true;
        return {
          url: 'stub://',
          address: { host: 'stub', port: 1 },
          isOpen: true,
          close: () => {
            this.isListening = false;
            return Promise.resolve();
          },
        };
      },
      null,
      clock,
      random,
    );
  }

  get gate(): Gate<StubLink> {
    if (!this.#gate) throw new Error('not started');
    return this.#gate;
  }

  /** Lets a client in, or returns null when there is no slot. */
  connect(renewable = false): StubLink | null {
    const slot = this.gate.reserve();
    return slot ? this.fill(slot, renewable) : null;
  }

  /** Lets a client in that there is room for: one of protocol 2 unless said. */
  admit(renewable = true): StubLink {
    const link = this.connect(renewable);
    if (!link) throw new Error('there is no slot');
    return link;
  }

  /** The connection of a slot has come about. */
  fill(slot: Slot<StubLink>, renewable = false): StubLink {
    const link = new StubLink(slot.id, renewable, this.clock.now());
    this.links.push(link);
    slot.fill(link);
    return link;
  }
}

/** A server pool that listens, with room for 3. */
export async function startedServer(
  options: ServerPoolSettings = {},
  random = counter(),
): Promise<ServerRig> {
  const rig = new ServerRig(new FakeClock(), { maxCapacity: 3, ...options }, random);
  await rig.pool.start();
  return rig;
}

/** Fresh IDs, none of them the control ID. */
export function idSource(): () => string {
  let next = 1;
  return () => (next++).toString(16).padStart(8, '0');
}
