import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Depth } from './depth.js';
import { fuzzInMemory, startLanes } from './memory-run.js';
import { Report } from './report.js';
import { nameOf, type Side, SIDES } from './script.js';
import { scriptOf } from './script-of.js';
import { fuzzOnSockets } from './socket-run.js';
import { Watchdog } from './watchdog.js';

// Hostile peers, drawn from a seed: first in memory, then on sockets. `--only client/2:17` plays one input of a seed.

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const report = new Report(seed);
const watchdog = new Watchdog();
console.log(`seed ${seed}`);
if (values.only === undefined) {
  // Errors are made by the hundred thousand: their stacks would take most of the time.
  Error.stackTraceLimit = 0;
  // A script of protocol 2 takes almost twice as long.
  const shareOf = ({ protocol }: Side): number =>
    Math.ceil(Number(values.inputs) * (protocol === 1 ? 0.3 : 0.2));
  for (const side of SIDES) await fuzzInMemory(side, seed, shareOf(side), report, watchdog);
  await fuzzOnSockets(seed, Number(values.seconds), report);
} else {
  await playOne(values.only);
}
await watchdog.stop();
console.log(`${report.crashes} crashes, ${report.failed} failures, seed ${seed}`);
if (report.crashes + report.failed > 0) process.exit(1);

async function playOne(only: string): Promise<void> {
  const [name, index] = only.split(':');
  const side = SIDES.find((one) => nameOf(one) === name);
  if (!side) throw new Error(`no pool is ${name ?? ''}: ${SIDES.map(nameOf).join(', ')}`);
  const lanes = await startLanes(side, new Depth(side.role));
  const script = scriptOf(side, seed, Number(index));
  process.on('uncaughtException', (error) => {
    report.crash(error, [script]);
  });
  const problems = (await lanes[0]?.play(script)) ?? ['no lane'];
  if (problems.length > 0) report.failure(only, script, problems);
  await Promise.all(lanes.map((lane) => lane.close()));
}
