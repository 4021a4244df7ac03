import type { Dice } from '../support/dice.js';
import type { FaultRelay, Trouble, Way } from '../support/fault-relay.js';
import { type Lane, LANE_NUMBERS, type Order } from './orders.js';

/** What a fault can lay hands on. */
export interface Victims {
  /** One of each lane. */
  readonly relays: readonly FaultRelay[];
  readonly client: Victim;
  readonly server: Victim;
}

/** A process that faults befall; each tells whether it could be done. */
export interface Victim {
  send(order: Order): boolean;
  /** Stops it, and lets it go on after so many milliseconds. */
  stop(ms: number): boolean;
  /** Ends it by a signal; another takes its place. */
  end(signal: 'SIGKILL' | 'SIGTERM'): boolean;
}

/** Lets a fault befall somebody, now or when its moment comes, and calls `befell` then. */
type Fault = (victims: Victims, dice: Dice, befell: () => void) => void;

const lane = (dice: Dice): Lane => dice.pick(LANE_NUMBERS);
const victim = ({ client, server }: Victims, dice: Dice): Victim => dice.pick([client, server]);

/** Befalls one connection that is there. */
function onWay(fault: (way: Way, dice: Dice, befell: () => void) => void): Fault {
  return ({ relays }, dice, befell) => {
    const ways = [...(relays[lane(dice)]?.ways ?? [])];
    const way = ways[dice.below(Math.max(1, ways.length))];
    if (way) fault(way, dice, befell);
  };
}

/** Befalls a process that tells when it does. */
const ordered =
  (order: (dice: Dice) => Order): Fault =>
  (victims, dice) => {
    victim(victims, dice).send(order(dice));
  };

/** Befalls a process from without. */
const signalled =
  (fault: (victim: Victim, dice: Dice) => boolean): Fault =>
  (victims, dice, befell) => {
    if (fault(victim(victims, dice), dice)) befell();
  };

const troubled = (of: (dice: Dice) => Trouble): Fault =>
  onWay((way, dice, befell) => {
    way.trouble(of(dice), 200 + dice.below(1_500), once(befell));
  });

/** It is one fault, whatever it befalls. */
function once(befell: () => void): () => void {
  let isOver = false;
  return () => {
    if (!isOver) befell();
    isOver = true;
  };
}

/** Every kind of fault, and how often it is drawn beside the others: a process lives for ten seconds, or streams could not last. */
export const FAULTS = {
  delay: [20, troubled((dice) => ({ delay: 1 + dice.below(300) }))],
  jitter: [20, troubled((dice) => ({ jitter: 1 + dice.below(100) }))],
  slicing: [20, troubled((dice) => ({ slice: dice.pick([1, 2, 7, 100]) }))],
  bandwidth: [20, troubled((dice) => ({ rate: dice.pick([5_000, 50_000, 500_000]) }))],
  'black hole': [
    20,
    onWay((way, dice, befell) => {
      way.blackHole(dice.below(3_000));
      befell();
    }),
  ],
  'reset at a byte': [
    24,
    onWay((way, dice, befell) => {
      way.cutBehind(dice.pick([0, dice.below(100), dice.below(5_000), dice.below(100_000)]), 'reset', befell);
    }),
  ],
  'half-close': [
    16,
    onWay((way, dice, befell) => {
      way.halfClose(dice.pick(['client', 'server']), dice.below(500));
      befell();
    }),
  ],
  refusal: [
    8,
    ({ relays }, dice, befell) => {
      relays[lane(dice)]?.refuse(20 + dice.below(200), once(befell));
    },
  ],
  flush: [12, ordered((dice) => ({ do: 'flush', lane: lane(dice) }))],
  'full buffers': [
    16,
    ordered((dice) => ({ do: 'full buffers', lane: lane(dice), ms: 50 + dice.below(800) })),
  ],
  'event-loop stall': [8, ordered((dice) => ({ do: 'event-loop stall', ms: 50 + dice.below(500) }))],
  SIGSTOP: [6, signalled((process, dice) => process.stop(50 + dice.below(1_000)))],
  SIGKILL: [1, signalled((process) => process.end('SIGKILL'))],
  restart: [1, signalled((process) => process.end('SIGTERM'))],
} as const satisfies Record<string, readonly [weight: number, fault: Fault]>;

export type FaultName = keyof typeof FAULTS;

/** How many faults are drawn at a time at most: some find nobody to befall, or only later. */
const TRIES = 2;

/** Draws faults and lets them befall the victims. */
export class Fate {
  readonly counts: Partial<Record<FaultName, number>> = {};
  readonly #urn: FaultName[];
  readonly #since = performance.now();

  /** `names` are the faults to draw from. */
  constructor(
    readonly names: readonly FaultName[],
    private readonly victims: Victims,
    private readonly dice: Dice,
  ) {
    this.#urn = names.flatMap((name) => Array.from({ length: FAULTS[name][0] }, () => name));
    for (const name of names) this.counts[name] = 0;
  }

  /** How many faults have befallen somebody. */
  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  /**
   * Draws of the kinds of which there were fewer than their share of what should have been by now, at `pace` a second: where
   * nothing goes on, nothing is cut, and more restarts instead would keep it so.
   */
  catchUp(pace: number): void {
    const due = ((performance.now() - this.#since) / 1_000) * pace;
    const shareOf = (name: FaultName): number => (due * FAULTS[name][0]) / this.#urn.length;
    for (let tries = 0; tries < TRIES; tries++) {
      const late = this.#urn.filter((name) => (this.counts[name] ?? 0) < shareOf(name));
      const name = late[this.dice.below(Math.max(1, late.length))];
      if (!name) return;
      FAULTS[name][1](this.victims, this.dice, () => {
        this.befell(name);
      });
    }
  }

  befell(name: FaultName): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}

/** The faults of these names, or all. Throws for a name that is none. */
export function namesOf(list: string | undefined): readonly FaultName[] {
  const all = Object.keys(FAULTS) as FaultName[];
  return (list?.split(',') ?? all).map((name) => {
    const found = all.find((fault) => fault === name);
    if (!found) throw new Error(`--faults: expected some of ${all.join(', ')}, got ${name}`);
    return found;
  });
}
