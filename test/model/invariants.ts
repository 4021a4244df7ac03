import type { Pool } from '../../lib/core/pool.js';
import type { StubLink } from '../support/stub-link.js';

/** A get that is followed to its end. */
export interface Get {
  /** The ID it named, or undefined when any would do. */
  readonly id: string | undefined;
  /** How often it settled: more than once would be a bug. */
  settled: number;
  link: StubLink | null;
}

/** What can be seen of a pool from outside. Links stand in the order of their arrival, gets in that of their asking. */
export interface World {
  readonly pool: Pool<StubLink>;
  readonly links: readonly StubLink[];
  readonly gets: readonly Get[];
  /** IDs promised to connections being set up (server). */
  readonly promised: readonly string[];
  /** Dials in flight (client). */
  readonly inFlight: number;
  readonly reserveControl: boolean;
  readonly maxCapacity: number;
  /** Free links and waiting gets before the last step. */
  before: { readonly free: readonly StubLink[]; readonly waiting: readonly Get[] };
}

/** Returns what is wrong, or null. */
type Invariant = (world: World) => string | null;

/** Links that nobody took, that have not ended, and that nobody closed. */
export function free({ links }: Pick<World, 'links'>): StubLink[] {
  return links.filter((link) => link.checkOuts === 0 && link.isLive);
}

export function waiting({ gets }: Pick<World, 'gets'>): Get[] {
  return gets.filter(({ settled }) => settled === 0);
}

function isForAnyone({ reserveControl }: World, { id, begun }: StubLink): boolean {
  return !begun && !(reserveControl && id === '00000000');
}

function fillsCapacity({ reserveControl }: World, id: string): boolean {
  return !(reserveControl && id === '00000000');
}

function used({ links }: World): StubLink[] {
  return links.filter((link) => link.checkOuts > 0 && !link.isGone && !link.wasGoneAtCheckOut);
}

function equal(what: string, actual: number, expected: number): string | null {
  return actual === expected ? null : `${what} is ${actual}, expected ${expected}`;
}

export const INVARIANTS: Readonly<Record<string, Invariant>> = {
  I1_aLiveConnectionIsInOnePlace(world) {
    const twice = world.links.find(({ checkOuts }) => checkOuts > 1);
    if (twice) return `${twice.id} was handed out ${twice.checkOuts} times`;
    const closed = world.links.find(({ checkOuts, closedWith }) => checkOuts > 0 && closedWith !== null);
    if (closed) return `${closed.id} was closed although it is in use`;
    return equal('used', world.pool.stats().used, used(world).length);
  },

  I2_activeIsTheNumberOfLiveIdleOnes(world) {
    return equal('active', world.pool.active(), free(world).filter(({ begun }) => !begun).length);
  },

  I3_nobodyWaitsWhileOneTheyWouldAcceptIsIdle(world) {
    for (const get of waiting(world)) {
      const match = free(world).find((link) =>
        get.id === undefined ? isForAnyone(world, link) : link.id === get.id,
      );
      if (match) return `somebody waits for ${get.id ?? 'any'} although ${match.id} is free`;
    }
    return null;
  },

  I4_oldestFirstNamedBeforeAny(world) {
    for (const get of world.gets) {
      const { link, id } = get;
      if (!link || get.settled !== 1 || world.before.free.length + world.before.waiting.length === 0)
        continue;
      if (world.before.free.includes(link)) {
        const oldest = world.before.free.find((other) => isForAnyone(world, other) || other === link);
        if (id === undefined && oldest !== link) return `${link.id} was taken before the older ${oldest?.id}`;
      } else if (world.before.waiting.includes(get)) {
        const named = world.before.waiting.filter((other) => other.id === link.id);
        const line =
          named.length > 0 ? named : world.before.waiting.filter((other) => other.id === undefined);
        if (line[0] !== get) return `${link.id} went to one who waits for ${id ?? 'any'}, out of turn`;
      }
    }
    return null;
  },

  I5_idsAreUnique(world) {
    const inUse = world.pool.role === 'server' ? used(world) : [];
    const names = [...free(world).map(({ id }) => id), ...inUse.map(({ id }) => id), ...world.promised];
    return equal('the number of distinct IDs', new Set<string>(names).size, names.length);
  },

  I6_boundsHold(world) {
    const { capacity, minCapacity, maxCapacity, interval, owed } = world.pool.stats();
    if (capacity < minCapacity || capacity > maxCapacity || interval < 0) return `capacity ${capacity}`;
    const filling = free(world).filter(({ id }) => fillsCapacity(world, id));
    if (world.pool.role === 'server') {
      const promised = world.promised.filter((id) => fillsCapacity(world, id)).length;
      return filling.length + promised <= maxCapacity
        ? null
        : `${filling.length} filled, ${promised} promised`;
    }
    if (owed > maxCapacity) return `${owed} owed`;
    const limit = maxCapacity + (world.reserveControl ? 1 : 0);
    const idle = filling.filter(({ begun }) => !begun).length;
    return idle + world.inFlight <= limit ? null : `${idle} idle and ${world.inFlight} in flight`;
  },

  I7_everyWaitSettlesOnce(world) {
    const twice = world.gets.find(({ settled }) => settled > 1);
    return twice
      ? `a get settled ${twice.settled} times`
      : equal('waiting', world.pool.stats().waiting, waiting(world).length);
  },

  I8_nothingIsHandedToNobody(world) {
    const lost = world.links.find(
      (link) => link.checkOuts > 0 && !world.gets.some((get) => get.link === link),
    );
    return lost ? `${lost.id} was handed to nobody` : null;
  },
};
