import { CLOSINGS } from '../../lib/core/closing.js';
import type { Pool } from '../../lib/core/pool.js';
import type { ServiceLimits } from '../../lib/core/retirement.js';
import type { StubEnding, StubLink } from '../support/stub-link.js';

/** A get that is followed to its end. */
export interface Get {
  /** The ID it named, or undefined when any would do. */
  readonly id: string | undefined;
  /** How often it settled: more than once would be a bug. */
  settled: number;
  link: StubLink | null;
  /** The name that its link had then. */
  name: string | null;
}

/** When a link was set up, and when it was last named. */
export interface Service {
  readonly since: number;
  readonly idleSince: number;
}

/** What can be seen of a pool from outside. Gets stand in the order of their asking. */
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
  readonly limits: ServiceLimits;
  readonly now: number;
  readonly services: ReadonlyMap<StubLink, Service>;
  /** Free links, waiting gets and the number of all gets before the last step. */
  before: { readonly free: readonly StubLink[]; readonly waiting: readonly Get[]; readonly gets: number };
}

/** Returns what is wrong, or null. */
type Invariant = (world: World) => string | null;

/** The least pause between two looks at what is to be retired. */
const LOOK_PERIOD = 1_000;

/** How far a lifetime may be from the one asked for. */
const SPREAD = 0.1;

/** Links that have a name and that nobody took, that have not ended, and that nobody closed; the longest idle first. */
export function free({ links }: Pick<World, 'links'>): StubLink[] {
  return links
    .filter((link) => link.checkOuts === 0 && link.isLive)
    .sort((one, other) => one.namedAs - other.namedAs);
}

export function waiting({ gets }: Pick<World, 'gets'>): Get[] {
  return gets.filter(({ settled }) => settled === 0);
}

/** Links that came back and have no name yet. */
function nameless({ links }: World): StubLink[] {
  return links.filter(({ isReturned, isLive }) => isReturned && isLive);
}

function used({ links }: World): StubLink[] {
  return links.filter(({ isUsed }) => isUsed);
}

function isForAnyone({ reserveControl }: World, { id, begun }: StubLink): boolean {
  return !begun && !(reserveControl && id === '00000000');
}

function fillsCapacity({ reserveControl }: World, id: string): boolean {
  return !(reserveControl && id === '00000000');
}

function count<T>(things: readonly T[], is: (thing: T) => boolean): number {
  return things.filter(is).length;
}

function equal(what: string, actual: number, expected: number): string | null {
  return actual === expected ? null : `${what} is ${actual}, expected ${expected}`;
}

export const INVARIANTS: Readonly<Record<string, Invariant>> = {
  I1_aLiveConnectionIsInOnePlace(world) {
    const twice = world.links.find(({ checkOuts }) => checkOuts > 1);
    if (twice) return `${twice.id} was handed out ${twice.checkOuts} times`;
    const closed = world.links.find(({ isUsed, closedWith }) => isUsed && closedWith !== null);
    if (closed) return `${closed.id} was closed although it is in use`;
    const lost = nameless(world).find(({ isGivenBack }) => !isGivenBack);
    if (lost) return `${lost.id} came back and was neither named, given back nor closed`;
    return equal('used', world.pool.stats().used, used(world).length);
  },

  I1_whatIsBeingSetUpIsCounted(world) {
    const { role, connecting } = world.pool.stats();
    const expected = role === 'client' ? world.inFlight + nameless(world).length : world.promised.length;
    return equal('connecting', connecting, expected);
  },

  I2_activeIsTheNumberOfLiveIdleOnes(world) {
    return equal(
      'active',
      world.pool.active(),
      count(free(world), ({ begun }) => !begun),
    );
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
    const { before } = world;
    const settled = [...before.waiting, ...world.gets.slice(before.gets)];
    for (const get of settled) {
      const { link, id, name } = get;
      if (!link || get.settled !== 1) continue;
      if (before.free.includes(link)) {
        const oldest = before.free.find((other) => isForAnyone(world, other) || other === link);
        if (id === undefined && oldest !== link) return `${link.id} was taken before the older ${oldest?.id}`;
      } else if (before.waiting.includes(get)) {
        const named = before.waiting.filter((other) => other.id === name);
        const line = named.length > 0 ? named : before.waiting.filter((other) => other.id === undefined);
        if (line[0] !== get) return `${name} went to one who waits for ${id ?? 'any'}, out of turn`;
      }
    }
    return null;
  },

  I4_whoNamedAConnectionGetsThatOne({ gets }) {
    const other = gets.find(({ id, link, name }) => link && id !== undefined && id !== name);
    return other ? `${other.name} went to one who named ${other.id}` : null;
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
      const promised = count(world.promised, (id) => fillsCapacity(world, id));
      return filling.length + promised <= maxCapacity
        ? null
        : `${filling.length} filled, ${promised} promised`;
    }
    if (owed > maxCapacity) return `${owed} owed`;
    const limit = maxCapacity + (world.reserveControl ? 1 : 0);
    const idle = count(filling, ({ begun }) => !begun);
    const coming = world.inFlight + nameless(world).length;
    return idle + coming <= limit ? null : `${idle} idle and ${coming} on their way`;
  },

  I7_everyWaitSettlesOnce(world) {
    const twice = world.gets.find(({ settled }) => settled > 1);
    return twice
      ? `a get settled ${twice.settled} times`
      : equal('waiting', world.pool.stats().waiting, waiting(world).length);
  },

  I8_nothingIsHandedToNobody({ links, gets }) {
    const lost = links.find((link) => link.uses !== count(gets, (get) => get.link === link));
    return lost ? `${lost.id} was handed out ${lost.uses} times, and not to as many` : null;
  },

  openedLessClosedIsWhatIsLive({ pool, links }) {
    const { opened, reused, closed, evicted } = pool.stats();
    const endings = links.flatMap(({ ending }) => ending ?? []);
    const reasons = endings.map(reasonOf);
    for (const [reason, number] of Object.entries(closed)) {
      const problem = equal(
        reason,
        number,
        count(reasons, (other) => other === reason),
      );
      if (problem) return problem;
    }
    const renewals = links.reduce((sum, link) => sum + link.renewals, 0);
    return (
      equal('opened', opened, links.length) ??
      equal('reused', reused, renewals) ??
      equal('evicted', evicted, count(endings, isEviction))
    );
  },

  linksRetireInTime({ links, services, limits, now, reserveControl }) {
    for (const link of links) {
      const { since, idleSince } = services.get(link) ?? { since: now, idleSince: now };
      const isNamed = link.checkOuts === 0;
      if (link.uses > (link.renewable ? limits.maxUses : 1)) return `${link.id} served ${link.uses} times`;
      if (link.closedFor === CLOSINGS.retired.words) {
        const isOver = link.uses >= limits.maxUses || now - since >= limits.maxLifetime * (1 - SPREAD);
        if (!link.renewable) return `${link.id} is of protocol 1, but was retired`;
        if (!isOver && !(isNamed && now - idleSince >= limits.maxIdle)) return `${link.id} was retired early`;
      }
      const isAside = reserveControl && link.id === '00000000';
      if (!link.renewable || !link.isLive || !isNamed || link.begun || isAside) continue;
      // A name may come when the link's time is over already.
      const due = Math.max(since + limits.maxLifetime * (1 + SPREAD), idleSince);
      if (now - Math.min(due, idleSince + limits.maxIdle) > LOOK_PERIOD) return `${link.id} was not retired`;
    }
    return null;
  },
};

/** Why a link was closed: by the pool, or by what befell it. */
function reasonOf({ clean, place, closedFor }: StubEnding): string {
  const ours = Object.entries(CLOSINGS).find(([, { words }]) => words === closedFor);
  if (ours) return ours[0];
  if (clean) return place === 'used' ? 'finished' : 'dropped';
  return place === 'used' ? 'broken' : 'lost';
}

/** Whether a link was lost that somebody could have taken. What a peer wrote before a clean end is there still. */
function isEviction({ clean, place, closedFor }: StubEnding): boolean {
  return closedFor === null && (place === 'idle' || (place === 'owed' && !clean));
}
