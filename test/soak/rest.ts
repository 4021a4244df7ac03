import { setTimeout as pause } from 'node:timers/promises';
import type { Look } from './orders.js';
import type { PeerProcess } from './peer-process.js';

/** What both processes hold when nobody uses anything and all pools are full: counts by name. */
export type Holdings = Readonly<Record<string, number>>;

/** How often it looks, in milliseconds, and how often nothing may have changed. */
const PERIOD = 500;
const STEADY = 6;

/** How long it may take until all is at rest, in milliseconds. */
const PATIENCE = 60_000;

/**
 * Waits until all is at rest and holds what it held `before`, or else the same for 3 s. What it holds then; after a minute
 * whatever it holds. Throws when it does not come to rest.
 */
export async function rest(peers: readonly PeerProcess[], before?: Holdings): Promise<Holdings> {
  const start = performance.now();
  for (let last = '', same = 0; ;) {
    const looks = await Promise.all(peers.map((peer) => peer.look()));
    const now = Object.assign({}, ...peers.map(({ role }, at) => holdingsOf(role, looks[at]))) as Holdings;
    const busy = looks.find((look) => look.busy !== null)?.busy ?? null;
    same = busy === null && JSON.stringify(now) === last ? same + 1 : 0;
    last = JSON.stringify(now);
    const isLate = performance.now() - start > PATIENCE;
    if (isLate && busy !== null) throw new Error(`not at rest within ${PATIENCE} ms: ${busy}`);
    if (same >= STEADY && (isLate || !before || differences(before, now).length === 0)) return now;
    if (isLate && same === 0) throw new Error(`what is held does not settle within ${PATIENCE} ms`);
    await pause(PERIOD);
  }
}

/** What is not as it was before, as text. */
export function differences(before: Holdings, after: Holdings): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .filter((name) => before[name] !== after[name])
    .map((name) => `${name} ${before[name] ?? 0} -> ${after[name] ?? 0}`);
}

function holdingsOf(role: string, look: Look | undefined): Holdings {
  const { descriptors = null, resources = {} } = look?.vitals ?? {};
  const counts = Object.entries({ ...(descriptors === null ? {} : { descriptors }), ...resources });
  return Object.fromEntries(counts.map(([name, count]) => [`${role} ${name}`, count]));
}
