import { Depth } from './depth.js';
import { MemoryTrend, rateOf, type Report } from './report.js';
import { nameOf, type Script, type Side, SIDES } from './script.js';
import { scriptOf } from './script-of.js';
import type { SocketLane } from './socket-lane.js';
import { ClientSocketLane, ServerSocketLane } from './socket-lanes.js';

/** Pools of each kind side by side. */
const LANES = 8;

/** How many times the memory is looked at. */
const LOOKS = 8;

/** The pools of one kind, and how far they have come. */
class Team {
  readonly lanes: readonly SocketLane[];
  readonly depth: Depth;
  played = 0;

  constructor(
    readonly side: Side,
    private readonly seed: number,
  ) {
    const Lane = side.role === 'client' ? ClientSocketLane : ServerSocketLane;
    this.depth = new Depth(side.role);
    this.lanes = Array.from({ length: LANES }, () => new Lane(side, this.depth));
  }

  next(): Script {
    return scriptOf(this.side, this.seed, this.played++);
  }
}

/** Plays scripts on real sockets for so many seconds, against all kinds of pools at once. */
export async function fuzzOnSockets(seed: number, seconds: number, report: Report): Promise<void> {
  if (seconds <= 0 || report.isHopeless) return;
  const teams = SIDES.map((side) => new Team(side, seed));
  const lanes = teams.flatMap((team) => team.lanes);
  await Promise.all(lanes.map((lane) => lane.start()));
  const onCrash = (error: unknown): void => {
    report.crash(error, lanes.map(({ current }) => current));
  }; // prettier-ignore
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash);
  const trend = new MemoryTrend();
  const since = performance.now();
  for (let look = 1; look <= LOOKS; look++) {
    const end = since + (seconds * 1_000 * look) / LOOKS;
    await Promise.all(teams.flatMap((team) => team.lanes.map((lane) => playUntil(end, lane, team, report))));
    await trend.sample();
  }
  for (const { side, played, depth } of teams) {
    console.log(`on sockets, ${rateOf(nameOf(side), played, since)}`);
    if (side.protocol === 2) console.log(`  reached: ${depth.toString()}`);
  }
  console.log(`  ${trend.toString()}`);
  if (!trend.isFlat) report.failure('on sockets', null, ['memory grows']);
  // A pool that is broken may never close.
  const healthy = report.failed + report.crashes > 0 ? [] : lanes;
  await Promise.all(healthy.map((lane) => checkAndClose(lane, report)));
  process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash);
}

async function playUntil(end: number, lane: SocketLane, team: Team, report: Report): Promise<void> {
  while (performance.now() < end && !report.isHopeless) {
    const script = team.next();
    const problems = await lane.play(script).catch((error: unknown) => [String(error)]);
    const where = `on sockets, ${nameOf(team.side)} input ${script.index}`;
    if (problems.length > 0) report.failure(where, script, problems);
  }
}

async function checkAndClose(lane: SocketLane, report: Report): Promise<void> {
  lane.current = null;
  const problems = await lane.checkHealth().catch((error: unknown) => [String(error)]);
  const where = `on sockets, ${nameOf(lane.side)}`;
  if (problems.length > 0) report.failure(where, null, ['no healthy peer gets in afterwards', ...problems]);
  await lane.close();
}
