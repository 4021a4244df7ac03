import { MemoryTrend, rateOf, type Report } from './report.js';
import { scriptOf } from './script.js';
import { ClientSocketLane, ServerSocketLane, type SocketLane } from './socket-lane.js';

/** Pools of each role side by side. */
const LANES = 8;

/** How many times the memory is looked at. */
const LOOKS = 8;

/** Plays scripts on real sockets for so many seconds, against both roles at once. */
export async function fuzzOnSockets(seed: number, seconds: number, report: Report): Promise<void> {
  if (seconds <= 0 || report.isHopeless) return;
  const lanes: SocketLane[] = [];
  for (let i = 0; i < LANES; i++) lanes.push(new ServerSocketLane(), new ClientSocketLane());
  await Promise.all(lanes.map((lane) => lane.start()));
  const onCrash = (error: unknown): void => {
    report.crash(error, lanes.map(({ current }) => current));
  }; // prettier-ignore
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash);
  const next = { client: 0, server: 0 };
  const trend = new MemoryTrend();
  const since = performance.now();
  for (let look = 1; look <= LOOKS; look++) {
    const end = since + (seconds * 1_000 * look) / LOOKS;
    await Promise.all(
      lanes.map(async (lane) => {
        while (performance.now() < end && !report.isHopeless) {
          const script = scriptOf(lane.role, seed, next[lane.role]++);
          const problems = await lane.play(script).catch((error: unknown) => [String(error)]);
          if (problems.length > 0) report.failure(`on sockets, ${lane.role} input ${script.index}`, script, problems);
        }
      }),
    );
    await trend.sample();
  }
  console.log(`on sockets, ${rateOf('server', next.server, since)}; ${rateOf('client', next.client, since)}`);
  console.log(`  ${trend.toString()}`);
  if (!trend.isFlat) report.failure('on sockets', null, ['memory grows']);
  // A pool that is broken may never close.
  const healthy = report.failed + report.crashes > 0 ? [] : lanes;
  await Promise.all(
    healthy.map(async (lane) => {
      lane.current = null;
      const problems = await lane.checkHealth().catch((error: unknown) => [String(error)]);
      if (problems.length > 0) report.failure(`on sockets, ${lane.role}`, null, ['no healthy peer gets in afterwards', ...problems]);
      await lane.close();
    }),
  );
  process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash);
} // prettier-ignore
