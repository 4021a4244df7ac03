import { CONTROL_ID } from '../../lib/core/connection-id.js';
import type { PoolRole } from '../../lib/core/errors.js';
import type { Pool } from '../../lib/core/pool.js';
import type { FakeClock } from '../../lib/testing/fake-clock.js';
import type { Network } from './network.js';
import type { SimEnd, SimUse } from './sim-link.js';
import type { Visitors } from './visitors.js';

/** What the rules know of how two pools were set up. */
export interface Setup {
  readonly min: number;
  readonly max: Readonly<Record<PoolRole, number>>;
  readonly reserveControl: boolean;
  readonly maxInterval: number;
}

/** How long a dial takes that nothing delays, and a late look at what is missing, in milliseconds. */
const MARGIN = 200;

/** What must hold for a pool at any time, and does not; or null. */
export function wrong(pool: Pool<SimUse>, setup: Setup, network: Network, visitors: Visitors): string | null {
  const { role } = pool;
  const stats = pool.stats();
  const { owed } = stats;
  const count = countOf(role, setup, network);
  const closed = Object.values(stats.closed).reduce((sum, closings) => sum + closings);
  const waiting = visitors.waiting(role);
  const missed = waiting.find(({ id }) => (id === undefined ? count.idle.filling > 0 : count.free.has(id)));
  const holders = visitors.gets.filter((get) => get.role === role && get.use).length;
  return (
    visitors.problems[0] ??
    differs('active', stats.active, count.idle.all) ??
    (owed >= count.begun && owed <= count.begun + count.whole
      ? null
      : `owed is ${owed}, expected ${count.begun} and up to ${count.whole} more`) ??
    differs('used', stats.used, count.used) ??
    differs('waiting', stats.waiting, waiting.length) ??
    differs('opened', stats.opened, count.kept) ??
    differs('reused', stats.reused, count.names - count.kept) ??
    differs('closed', closed, count.ended) ??
    differs('what is held', count.checkOuts, holders) ??
    (missed ? `somebody waits for ${missed.id ?? 'any'} although it is there` : null) ??
    (count.twice === null ? null : `an ID is borne twice: ${count.twice}`) ??
    (role === 'server'
      ? overfull(count.filling + promised(setup, network), setup.max.server)
      : (differs('connecting', stats.connecting, network.dialling + count.nameless) ??
        overfull(count.idle.filling + stats.connecting, setup.max.client + (setup.reserveControl ? 1 : 0)) ??
        outOfBounds(stats.capacity, setup.min, setup.max.client)))
  );
}

/** What there is at one end of all links: counted in one go, as it is done behind each step of each history. */
function countOf(role: PoolRole, setup: Setup, network: Network) {
  const count = {
    /** Taken in by the pool at all, those that have ended again, and how often they were named and taken. */
    kept: 0,
    ended: 0,
    names: 0,
    checkOuts: 0,
    /** Named and not taken: by ID; those whose peer has not begun, and those whose peer has. `filling`: with a place in the capacity. */
    free: new Set<string>(),
    filling: 0,
    idle: { all: 0, filling: 0 },
    begun: 0,
    /** What a peer has said to the end waits for its reader, a while. */
    whole: 0,
    nameless: 0,
    used: 0,
    /** An ID that two bear. */
    twice: null as string | null,
  };
  const borne = new Set<string>();
  for (const { [role]: end } of network.links) {
    const { id, use } = end;
    count.checkOuts += end.checkOuts;
    const isUsed = use !== null && use.isTaken && !use.isOver && !end.isGone;
    if (isUsed) count.used++;
    const kept = isKept(end);
    const free = kept && isFree(end);
    if (kept) {
      count.kept++;
      count.names += end.names;
      if (end.isEnded) count.ended++;
      if (end.isEnded && use?.begun && use.hasAll) count.whole++;
      if (isNameless(end)) count.nameless++;
    }
    // A client's that is in use may lose its name to a newer one.
    if (free || (isUsed && role === 'server')) {
      if (borne.has(id)) count.twice = id;
      borne.add(id);
    }
    if (!free) continue;
    count.free.add(id);
    const fills = !isAside(setup, id);
    if (fills) count.filling++;
    if (end.begun) count.begun++;
    else {
      count.idle.all++;
      if (fills) count.idle.filling++;
    }
  }
  return count;
}

/** What is missing until both pools are at rest, or null: they agree, and are full but for what was retired just now. */
export function unrest(setup: Setup, network: Network, now: number): string | null {
  const ends = (role: PoolRole): SimEnd[] => network.ends(role).filter((end) => isKept(end) && isFree(end));
  const idsOf = (of: readonly SimEnd[]): string => of.map(({ id }) => id).sort().join(' '); // prettier-ignore
  const [client, server] = [idsOf(ends('client')), idsOf(ends('server'))];
  if (client !== server) return `the client has ${client}, the server ${server}`;
  const isLately = ({ closedAt }: SimEnd): boolean => now - closedAt <= setup.maxInterval + MARGIN;
  const renewed = network.ends('client').filter((end) => isKept(end) && (isFree(end) || isLately(end)));
  const count = renewed.filter(({ id }) => !isAside(setup, id)).length;
  const wanted = Math.min(setup.min, setup.max.server);
  if (count < wanted) return `${count} are idle or retired just now, ${wanted} expected`;
  if (setup.reserveControl && !renewed.some(({ id }) => isAside(setup, id)))
    return 'the control connection is missing';
  return null;
}

/** What is left of closed pools, or null. */
export function leftovers(
  pools: readonly Pool<SimUse>[],
  network: Network,
  visitors: Visitors,
  clock: FakeClock,
): string | null {
  for (const pool of pools) {
    const { active, owed, used, connecting, waiting, state, role } = pool.stats();
    const left =
      differs('what is left', active + owed + used + connecting + waiting, 0) ??
      (state === 'closed' ? null : `is ${state}`);
    if (left) return `${role}: ${left}`;
  }
  const links = network.links.filter(({ client, server }) => !client.isGone || !server.isGone);
  return (
    differs('alarms left', clock.pending, 0) ??
    differs('links left', links.length, 0) ??
    differs('abort listeners left', visitors.listening, 0)
  );
}

/** Whether a pool has taken an end in. A client's that was never named is its dial's. */
function isKept({ names, keeper }: SimEnd): boolean {
  return names > 0 && keeper !== null && 'used' in keeper;
}

/** Whether it has a name, and nobody holds it. */
export function isFree({ use, isEnded, isClosing }: SimEnd): boolean {
  return use !== null && !use.isTaken && !isEnded && !isClosing;
}

function isNameless({ use, isEnded, isClosing }: SimEnd): boolean {
  return use === null && !isEnded && !isClosing;
}

/** Whether an ID is that of the reserved control connection. */
export function isAside({ reserveControl }: Setup, id: string): boolean {
  return reserveControl && id === CONTROL_ID;
}

function promised(setup: Setup, network: Network): number {
  return [...network.promised].filter((id) => !isAside(setup, id)).length;
}

function differs(what: string, actual: number, expected: number): string | null {
  return actual === expected ? null : `${what} is ${actual}, expected ${expected}`;
}

function overfull(count: number, max: number): string | null {
  return count > max ? `${count} are idle or on their way, of ${max}` : null;
}

function outOfBounds(capacity: number, min: number, max: number): string | null {
  return capacity < min || capacity > max ? `capacity is ${capacity}, of ${min} to ${max}` : null;
}
