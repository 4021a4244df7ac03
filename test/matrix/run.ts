import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { partOf } from '../support/turn.js';
import { installNode, type NodeBinary } from './node-binary.js';

// npm run test:matrix: the tests on every Node that this package supports; `-- 22 24` runs them on those only, `-- others`
// on those that this is not, `-- turn` on whichever of those is the commit's turn. All use the one node_modules: its native parts are built on Node-API, which is the same in
// all of them.

const ROOT = join(import.meta.dirname, '../..');
const MAJORS = ['20', '22', '24', '26'];
/** These take their time, and what they test runs on no API of Node. */
const SKIPPED = ['/node_modules/', '/test/model/', '/test/simulation/'];
/** How many characters are kept of what jest prints, for when it dies without a report. */
const TAIL = 10_000;

interface Outcome {
  readonly node: NodeBinary;
  readonly passed: number;
  readonly skipped: number;
  /** Each failed test, or file that could not be loaded, with its message. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

/** What is used of jest's JSON report. */
interface Report {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(
    `not run: there are binaries of Node for linux-x64 only, this is ${process.platform}-${process.arch}`,
  );
  process.exit(process.env['CI'] ? 1 : 0);
}
const outcomes: Outcome[] = [];
for (const major of majorsFor(process.argv.slice(2))) {
  const node = installNode(major);
  console.log(`=== Node ${node.version}`);
  const outcome = await runTests(node);
  for (const failure of outcome.failures) console.error(`\n${failure}`);
  outcomes.push(outcome);
}
printOutcomes();
if (outcomes.some(({ failures }) => failures.length > 0)) process.exitCode = 1;

function majorsFor(asked: readonly string[]): readonly string[] {
  if (asked.length === 0) return MAJORS;
  const own = process.versions.node.split('.')[0];
  const others = MAJORS.filter((major) => major !== own);
  if (asked.join() === 'turn') return partOf(others, others.length);
  return asked.join() === 'others' ? others : asked;
}

/** Runs what `npm test` runs, under another Node. */
async function runTests(node: NodeBinary): Promise<Outcome> {
  const start = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'npws-matrix-'));
  const file = join(folder, 'report.json');
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: { test: string };
  };
  const [, ...command] = scripts.test.split(' ');
  const ignored = SKIPPED.map((pattern) => `--testPathIgnorePatterns=${pattern}`);
  const jest = spawn(node.path, [...command, ...ignored, '--json', `--outputFile=${file}`], {
    cwd: ROOT,
    // What asks for `node` by its name gets the same one.
    env: { ...process.env, PATH: `${dirname(node.path)}${delimiter}${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  jest.stderr.on('data', (text: Buffer) => (output = (output + text.toString()).slice(-TAIL)));
  const [code] = (await once(jest, 'close')) as [number | null];
  const seconds = (performance.now() - start) / 1000;
  const text = await readFile(file, 'utf8').catch(() => null);
  await rm(folder, { recursive: true });
  if (text === null)
    return { node, passed: 0, skipped: 0, failures: [output || `ended with ${String(code)}`], seconds };
  const report = JSON.parse(text) as Report;
  const failures = failuresOf(report);
  if (code !== 0 && failures.length === 0) failures.push(output);
  return { node, passed: report.numPassedTests, skipped: report.numPendingTests, failures, seconds };
}

function failuresOf({ testResults }: Report): string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(ROOT, name);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (status === 'failed' && failed.length === 0) return [`${file}: ${message}`];
    return failed.map(
      ({ fullName, failureMessages }) => `${file}: ${fullName}\n${failureMessages.join('\n')}`,
    );
  });
}

function printOutcomes(): void {
  const print = (...cells: readonly (string | number)[]): void => {
    console.log(cells.map((cell) => String(cell).padStart(13)).join(''));
  };
  console.log();
  print('Node', 'V8', 'passed', 'failed', 'skipped', 'seconds');
  for (const { node, passed, failures, skipped, seconds } of outcomes) {
    print(node.version, node.v8.replace(/-.*/, ''), passed, failures.length, skipped, seconds.toFixed(0));
  }
}
