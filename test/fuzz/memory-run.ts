import { Depth } from './depth.js';
import type { MemoryLane } from './memory-lane.js';
import { ClientLane, ServerLane } from './memory-lanes.js';
import { MemoryTrend, rateOf, type Report } from './report.js';
import { nameOf, type Side } from './script.js';
import { scriptOf } from './script-of.js';
import type { Watchdog } from './watchdog.js';

/** Pools side by side: one would mostly wait for the next turn of the event loop. */
const LANES = 8;

/** How many times the memory is looked at. */
const LOOKS = 12;

/** Lanes of one kind, ready to play. */
export async function startLanes(side: Side, depth: Depth): Promise<MemoryLane[]> {
  const Lane = side.role === 'client' ? ClientLane : ServerLane;
  const lanes = Array.from({ length: LANES }, () => new Lane(side, depth));
  await Promise.all(lanes.map((lane) => lane.start()));
  return lanes;
}

/** Plays `inputs` scripts in memory against pools of this kind. */
export async function fuzzInMemory(side: Side, seed: number, inputs: number, report: Report, watchdog: Watchdog): Promise<void> {
  const depth = new Depth(side.role);
  const lanes = await startLanes(side, depth);
  const name = nameOf(side);
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
          const script = scriptOf(side, seed, index++);
          watchdog.at(script.index);
          const problems = await lane.play(script).catch((error: unknown) => [String(error)]);
          if (problems.length > 0) report.failure(`in memory, ${name} input ${script.index}`, script, problems);
        }
      }),
    );
    await trend.sample();
  }
  console.log(`in memory, ${rateOf(name, inputs, since)}`);
  console.log(`  ${trend.toString()}`);
  if (side.protocol === 2) console.log(`  depth: ${depth.toString()}`);
  if (!trend.isFlat) report.failure(`in memory, ${name}`, null, ['memory grows']);
  // A pool that is broken may never close.
  for (const lane of report.failed + report.crashes > 0 ? [] : lanes) {
    lane.current = null;
    await lane.checkHealth().catch((error: unknown) => {
      report.failure(`in memory, ${name}`, null, [`no healthy peer gets in afterwards: ${String(error)}`]);
    });
    await lane.close();
  }
  process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash);
} // prettier-ignore
