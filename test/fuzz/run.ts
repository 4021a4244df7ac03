import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fuzzInMemory, startLanes } from './memory-run.js';
import { Report } from './report.js';
import { type Role, scriptOf } from './script.js';
import { fuzzOnSockets } from './socket-run.js';
import { Watchdog } from './watchdog.js';

// Hostile peers, drawn from a seed: first in memory, then on sockets. `--only client:17` plays one input of a seed.

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
  const each = Math.ceil(Number(values.inputs) / 2);
  await fuzzInMemory('server', seed, each, report, watchdog);
  await fuzzInMemory('client', seed, each, report, watchdog);
  await fuzzOnSockets(seed, Number(values.seconds), report);
} else {
  await playOne(values.only);
}
await watchdog.stop();
console.log(`${report.crashes} crashes, ${report.failed} failures, seed ${seed}`);
if (report.crashes + report.failed > 0) process.exit(1);

async function playOne(only: string): Promise<void> {
  const [role, index] = only.split(':') as [Role, string];
  const [lane] = await startLanes(role);
  const script = scriptOf(role, seed, Number(index));
  process.on('uncaughtException', (error) => {
    report.crash(error, [script]);
  });
  const problems = (await lane?.play(script)) ?? ['no lane'];
  if (problems.length > 0) report.failure(only, script, problems);
  process.once('beforeExit', () => process.exit());
}
