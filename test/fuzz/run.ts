import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Depth } from './depth.js';
import { fuzzInMemory, startLanes } from './memory-run.js';
import { Report } from './report.js';
import { nameOf, type Side, SIDES } from './script.js';
import { scriptOf } from './script-of.js';
import { fuzzOnSockets } from './socket-run.js';
import { Watchdog } from './watchdog.js';

// Hostile peers, drawn from a seed: first in memory, pools of each kind in a process of their own, then on sockets. `--side
// client/2` plays those of one kind in memory, `--only client/2:17` one input of a seed.

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    side: { type: 'string' },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const report = new Report(seed);
const watchdog = new Watchdog();
if (values.only !== undefined) {
  await playOne(values.only);
} else {
  // Errors are made by the hundred thousand: their stacks would take most of the time.
  Error.stackTraceLimit = 0;
  await (values.side === undefined ? playAll() : playSide(sideOf(values.side)));
}
await watchdog.stop();
if (values.side === undefined || report.crashes + report.failed > 0)
  console.log(`${report.crashes} crashes, ${report.failed} failures, seed ${seed}`);
if (report.crashes + report.failed > 0) process.exit(1);

async function playAll(): Promise<void> {
  console.log(`seed ${seed}`);
  // Those that take longest come first.
  const left = [...SIDES].sort((one, other) => one.role.localeCompare(other.role)).values();
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (const side of left) await playElsewhere(nameOf(side));
    }),
  );
  await fuzzOnSockets(seed, Number(values.seconds), report);
}

async function playElsewhere(side: string): Promise<void> {
  const args = ['--side', side, '--seed', String(seed), '--inputs', values.inputs];
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== 0) report.failure(`in memory, ${side}`, null, [`it ended with ${code ?? signal}`]);
}

async function playSide(side: Side): Promise<void> {
  // A script of protocol 2 takes almost twice as long.
  const share = Math.ceil(Number(values.inputs) * (side.protocol === 1 ? 0.3 : 0.2));
  await fuzzInMemory(side, seed, share, report, watchdog);
}

function sideOf(name: string | undefined): Side {
  const side = SIDES.find((one) => nameOf(one) === name);
  if (!side) throw new Error(`no pool is ${name ?? ''}: ${SIDES.map(nameOf).join(', ')}`);
  return side;
}

async function playOne(only: string): Promise<void> {
  const [name, index] = only.split(':');
  const side = sideOf(name);
  const lanes = await startLanes(side, new Depth(side.role));
  const script = scriptOf(side, seed, Number(index));
  process.on('uncaughtException', (error) => {
    report.crash(error, [script]);
  });
  const problems = (await lanes[0]?.play(script)) ?? ['no lane'];
  if (problems.length > 0) report.failure(only, script, problems);
  await Promise.all(lanes.map((lane) => lane.close()));
}
