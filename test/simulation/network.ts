import type { Dial } from '../../lib/core/client-pool.js';
import type { ConnectionId } from '../../lib/core/connection-id.js';
import { NpwsDialError, type NpwsError, NpwsHandshakeError, type PoolRole } from '../../lib/core/errors.js';
import type { Gate, Listen } from '../../lib/core/server-pool.js';
import type { FakeClock } from '../../lib/testing/fake-clock.js';
import type { Dice } from '../support/dice.js';
import type { Tally } from './history.js';
import { type SimEnd, SimLink, type SimUse } from './sim-link.js';

/** How long a dial may take, in milliseconds. */
export const DIAL_TIMEOUT = 900;

/** What lies between the pools: dials, the listener, and all links that ever were. */
export class Network {
  readonly links: SimLink[] = [];
  /** IDs that the server has promised to dials. */
  readonly promised = new Set<string>();
  readonly #dials = new Set<object>();
  #gate: Gate<SimUse> | null = null;
  #isDown = false;

  /** `protocol2` is the share of links whose ends both speak protocol 2, in percent. */
  constructor(
    private readonly clock: FakeClock,
    private readonly dice: Dice,
    private readonly protocol2: number,
    private readonly tally: Tally,
  ) {}

  /** Dials under way at the client. */
  get dialling(): number {
    return this.#dials.size;
  }

  ends(role: PoolRole): SimEnd[] {
    return this.links.map((link) => link[role]);
  }

  /** Any link that is not broken, if there is one. */
  one(dice: Dice): SimLink | undefined {
    const links = this.links.filter(({ isBroken }) => !isBroken);
    return links[dice.below(Math.max(1, links.length))];
  }

  /** No dial comes through for a time; `all` loses every link, too. */
  fail(ms: number, all: boolean): void {
    this.#isDown = true;
    if (all) for (const link of this.links) link.lose('reset');
    this.clock.after(ms, () => (this.#isDown = false));
  }

  /** Nothing is in the way any more. */
  heal(): void {
    this.#isDown = false;
    for (const link of this.links) link.resume();
  }

  readonly listen: Listen<SimUse> = (gate) => {
    this.#gate = gate;
    const close = (): Promise<void> => {
      this.#gate = null;
      return Promise.resolve();
    };
    return Promise.resolve({ url: 'sim://', address: { host: 'sim', port: 1 }, isOpen: true, close });
  };

  readonly dial: Dial<SimUse> = (events) => {
    const flight = {};
    this.#dials.add(flight);
    const cancels: (() => void)[] = [];
    let made: SimLink | null = null;
    const isOver = (): boolean => {
      for (const cancel of cancels.splice(0)) cancel();
      return !this.#dials.delete(flight);
    };
    const after = (ms: number, then: () => void): void => {
      cancels.push(this.clock.after(ms, then));
    };
    const fail = (error: NpwsError): void => {
      if (isOver()) return;
      made?.lose('reset');
      events.failed(error);
    };
    const knock = (): void => {
      const slot = this.#isDown ? undefined : this.#gate?.reserve();
      if (!slot) {
        this.tally.refusedDials++;
        const isThere = this.#gate !== null && !this.#isDown;
        const error = isThere ? new NpwsHandshakeError('full', 503) : new NpwsDialError('refused');
        after(this.dice.pick([0, 20]), () => {
          fail(error);
        });
        return;
      }
      this.promised.add(slot.id);
      const release = (): void => {
        if (this.promised.delete(slot.id)) slot.release();
      };
      cancels.push(release);
      after(this.dice.pick([0, 0, 30]), () => {
        if (this.dice.percent(5)) {
          fail(new NpwsDialError('cut'));
          return;
        }
        this.promised.delete(slot.id);
        made = this.#greet(slot.id, fail, (end) => {
          if (!isOver()) events.arrived(end);
        });
        slot.fill(made.server);
        slot.release();
      });
    };
    after(this.dice.pick([0, 1, 40]), knock);
    after(DIAL_TIMEOUT, () => {
      fail(new NpwsDialError('timed out'));
    });
    return () => {
      if (!isOver()) made?.lose('reset');
    };
  };

  /** A link whose server has named it, and whose client does not know yet. */
  #greet(id: ConnectionId, fail: (error: NpwsError) => void, arrived: (end: SimEnd) => void): SimLink {
    const link = new SimLink(this.clock, this.dice, this.dice.percent(this.protocol2));
    this.links.push(link);
    link.client.awaitName(() => {
      arrived(link.client);
    });
    const ended = (): void => {
      fail(new NpwsDialError('cut'));
    };
    const nothing = (): undefined => undefined;
    link.client.keeper = { begun: nothing, returned: nothing, gone: nothing, ended };
    link.server.name(id);
    return link;
  }
}
