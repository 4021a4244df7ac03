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
  const all = network.ends(role);
  const kept = all.filter(isKept);
  const named = kept.filter(isFree);
  const idle = named.filter(({ begun }) => !begun);
  const begun = named.length - idle.length;
  // What a peer has said to the end waits for its reader, a while.
  const whole = kept.filter(({ use, isEnded }) => isEnded && use?.begun && use.hasAll).length;
  const used = all.filter(({ use, isGone }) => use?.isTaken && !use.isOver && !isGone);
  const renamed = kept.reduce((sum, { names: times }) => sum + times - 1, 0);
  const waiting = visitors.waiting(role);
  const names = [...named, ...(role === 'server' ? used : [])].map(({ id }) => id);
  const closed = Object.values(stats.closed).reduce((sum, count) => sum + count);
  const missed = waiting.find(({ id }) =>
    id === undefined ? idle.some((end) => !isAside(setup, end.id)) : named.some((end) => end.id === id),
  );
  const holders = visitors.gets.filter((get) => get.role === role && get.use).length;
  const taken = all.reduce((sum, { checkOuts }) => sum + checkOuts, 0);
  const filling = named.filter(({ id }) => !isAside(setup, id)).length;
  return (
    visitors.problems[0] ??
    differs('active', stats.active, idle.length) ??
    (owed >= begun && owed <= begun + whole
      ? null
      : `owed is ${owed}, expected ${begun} and up to ${whole} more`) ??
    differs('used', stats.used, used.length) ??
    differs('waiting', stats.waiting, waiting.length) ??
    differs('opened', stats.opened, kept.length) ??
    differs('reused', stats.reused, renamed) ??
    differs('closed', closed, kept.filter(({ isEnded }) => isEnded).length) ??
    differs('what is held', taken, holders) ??
    (missed ? `somebody waits for ${missed.id ?? 'any'} although it is there` : null) ??
    (new Set(names).size < names.length ? `an ID is borne twice: ${names.join(' ')}` : null) ??
    (role === 'server'
      ? overfull(filling + promised(setup, network), setup.max.server)
      : (differs('connecting', stats.connecting, network.dialling + kept.filter(isNameless).length) ??
        overfull(
          idle.filter(({ id }) => !isAside(setup, id)).length + stats.connecting,
          setup.max.client + (setup.reserveControl ? 1 : 0),
        ) ??
        outOfBounds(stats.capacity, setup.min, setup.max.client)))
  );
}

/** What is missing until both pools are at rest, or null: they agree, and are full but for what was retired just now. */
export function unrest(setup: Setup, network: Network, now: number): string | null {
  const ends = (role: PoolRole): SimEnd[] => network.ends(role).filter((end) => isKept(end) && isFree(end));
  const idsOf = (of: readonly SimEnd[]): string => of.map(({ id }) => id).sort().join(' '); // prettier-ignore
  const [client, server] = [idsOf(ends('client')), idsOf(ends('server'))];
  if (client !== server) return `the client has ${client}, the server ${server}`;
  const isLately = ({ endedAt }: SimEnd): boolean => now - endedAt <= setup.maxInterval + MARGIN;
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
