import { ClientLane, type MemoryLane, ServerLane } from './memory-lane.js';
import { MemoryTrend, rateOf, type Report } from './report.js';
import { type Role, scriptOf } from './script.js';
import type { Watchdog } from './watchdog.js';

/** Pools side by side: one would mostly wait for the next turn of the event loop. */
const LANES = 8;

/** How many times the memory is looked at. */
const LOOKS = 12;

/** Lanes of one role, ready to play. */
export async function startLanes(role: Role): Promise<MemoryLane[]> {
  const lanes = Array.from({ length: LANES }, () => (role === 'client' ? new ClientLane() : new ServerLane()));
  await Promise.all(lanes.map((lane) => lane.start()));
  return lanes;
} // prettier-ignore

/** Plays `inputs` scripts in memory against pools of this role. */
export async function fuzzInMemory(role: Role, seed: number, inputs: number, report: Report, watchdog: Watchdog): Promise<void> {
  const lanes = await startLanes(role);
  const onCrash = (error: unknown): void => {
    report.crash(error, lanes.map(({ current }) => current));
  };
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash);
  const trend = new MemoryTrend();
  const since = performance.now();
  let index = 0;
  for (let look = 1; look <= LOOKS; look++) {
    const end = Math.floor((inputs * look) / LOOKS);
    await Promise.all(
      lanes.map(async (lane) => {
        while (index < end && !report.isHopeless) {
          const script = scriptOf(role, seed, index++);
          watchdog.at(script.index);
          const problems = await lane.play(script).catch((error: unknown) => [String(error)]);
          if (problems.length > 0) report.failure(`in memory, ${role} input ${script.index}`, script, problems);
        }
      }),
    );
    await trend.sample();
  }
  console.log(`in memory, ${rateOf(role, inputs, since)}`);
  console.log(`  ${trend.toString()}`);
  if (!trend.isFlat) report.failure(`in memory, ${role}`, null, ['memory grows']);
  // A pool that is broken may never close.
  for (const lane of report.failed + report.crashes > 0 ? [] : lanes) {
    lane.current = null;
    await lane.checkHealth().catch((error: unknown) => {
      report.failure(`in memory, ${role}`, null, [`no healthy peer gets in afterwards: ${String(error)}`]);
    });
    await lane.close();
  }
  process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash);
} // prettier-ignore
