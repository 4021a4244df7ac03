import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine } from '../support/machine.js';

// npm run nightly [-- --only REGEX] [-- --here]: what takes longer than a change may wait for, part by part, in a process that
// outlives this one; with --here, in this one. A run that was cut off goes on where it was, and what passed stands as long as
// the library and what it is built on are the same. The report is reports/nightly.md, its state beside it in nightly.json
// (both committed), what the parts print is in reports/nightly.log.

interface Part {
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The lines of its output that go into the report. */
  readonly keep: RegExp;
}

interface Outcome {
  readonly commit: string;
  readonly passed: boolean;
  readonly seconds: number;
  readonly lines: readonly string[];
}

interface State {
  /** What it is about. */
  readonly product: string;
  readonly outcomes: Record<string, Outcome>;
}

/** The parts that are run again and again, to find what fails now and then. */
const AGAIN: readonly (Omit<Part, 'name'> & {
  readonly name: (run: number) => string;
  readonly times: number;
})[] = [
  { name: (run) => `npm test, run ${run}`, script: 'test', keep: /✕|●|^Tests:|^Test Suites:/, times: 30 },
  { name: (run) => `faults, run ${run}`, script: 'test:faults', keep: /✕|●|^Tests:/, times: 3 },
  { name: (run) => `peers, run ${run}`, script: 'test:peers', keep: /✕|●|^Tests:/, times: 3 },
  { name: (run) => `interop, run ${run}`, script: 'test:interop', keep: /✕|●|^Tests:/, times: 3 },
  {
    name: (run) => `ledger, run ${run}`,
    script: 'test:ledger',
    keep: /messages in|faults:|problems:/,
    times: 3,
  },
  { name: (run) => `fuzz, run ${run}`, script: 'test:fuzz', keep: /^seed|crashes/, times: 3 },
  {
    name: (run) => `simulation, run ${run}`,
    script: 'test:simulation',
    keep: /^seed|histories in/,
    times: 3,
  },
  { name: (run) => `samples, run ${run}`, script: 'samples', keep: /✕|●|^Tests:|passed|failed/, times: 3 },
  { name: (run) => `packed, run ${run}`, script: 'test:packed', keep: /✕|●|passed|failed/, times: 3 },
];

const PARTS: readonly Part[] = [
  {
    name: 'every planted bug',
    script: 'test:mutants',
    keep: /SURVIVED|planted bugs were found|its patch fits/,
  },
  {
    name: 'the tests on every other Node',
    script: 'test:matrix',
    args: ['others'],
    keep: /^Tests:|passed|failed/,
  },
  {
    name: 'proxies held for 10 minutes',
    script: 'test:peers',
    args: ['proxy-hold'],
    env: { PROXY_MINUTES: '10' },
    keep: /✓|✕|^Tests:/,
  },
  {
    name: 'fuzz: 1,000,000 inputs in memory, 5 minutes on sockets',
    script: 'test:fuzz',
    args: ['--inputs', '1000000', '--seconds', '300'],
    keep: /^seed|^in memory|^on sockets|^ {2}memory|crashes/,
  },
  {
    name: 'simulation: 1,000,000 histories',
    script: 'test:simulation',
    args: ['--histories', '1000000', '--seconds', '3600'],
    keep: /^seed|histories|play it again/,
  },
  {
    name: 'faults: 10,000 cuts in mid-stream, 200 shutdowns under fire and 200 with 1,000 idle connections',
    script: 'test:faults',
    args: ['killed', 'faults/shutdown'],
    env: { CUTS: '10000', CLOSES: '200', CLOSES_IDLE: '200' },
    keep: /^killed|^cut in|^closed|✕|^Tests:/,
  },
  ...[1, 2, 3].map((seed) => ({
    name: `the matrix against the Go peer, seed ${seed}`,
    script: 'test:interop',
    args: ['matrix'],
    env: { INTEROP_SEED: String(seed) },
    keep: /connections|->|^Tests:/,
  })),
  {
    name: 'soak: 60 minutes at 200 uses a second',
    script: 'soak',
    args: ['--minutes', '60'],
    keep: /./,
  },
  {
    name: 'soak: 15 minutes at 200 connections a second, each for one use',
    script: 'soak',
    args: ['--minutes', '15', '--protocol', '1'],
    keep: /./,
  },
  {
    name: 'soak: a planted leak is found in 3 minutes',
    script: 'soak',
    args: ['--minutes', '3', '--plant', 'leak'],
    keep: /^server|^client|left behind|problems|planted/,
  },
  {
    name: 'ledger: 100,000,000 messages, or what 60 minutes hold',
    script: 'test:ledger',
    args: ['--long'],
    keep: /./,
  },
  ...AGAIN.flatMap(({ name, times, ...part }) =>
    Array.from({ length: times }, (_, index) => ({ ...part, name: name(index + 1) })),
  ),
];

const REPORTS = join(import.meta.dirname, '../../reports');
const STATE = join(REPORTS, 'nightly.json');
const LOCK = join(REPORTS, 'nightly.pid');
/** What a run is about. */
const PRODUCT = ['lib', 'package.json', 'package-lock.json', 'tsconfig.json'];
/** What may not change while a part runs. What is neither code nor test may: its report does. */
const CODE = [...PRODUCT, 'test', 'sample', 'jest.config.ts'];
const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, here: { type: 'boolean', default: false } },
});
mkdirSync(REPORTS, { recursive: true });
nameOf(CODE);
if (isRunning()) throw new Error(`one is running: see ${LOCK}`);
if (values.here) await runAll(new RegExp(values.only));
else detach();

/** Names what is committed of these files. Throws where it is not all of them. */
function nameOf(files: readonly string[]): string {
  if (git('status', '--porcelain', ...files) !== '') throw new Error(`commit first: ${files.join(', ')}`);
  return git('rev-parse', ...files.map((file) => `HEAD:${file}`));
}

/** Whether the process of an earlier run is still there. */
function isRunning(): boolean {
  if (!existsSync(LOCK)) return false;
  try {
    return process.kill(Number(readFileSync(LOCK, 'utf8')), 0);
  } catch {
    return false;
  }
}

/** Goes on without this process and its terminal. */
function detach(): void {
  const log = openSync(join(REPORTS, 'nightly.log'), 'a');
  const args = [...process.execArgv, import.meta.filename, '--here', '--only', values.only];
  spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log] }).unref();
  console.log('Goes on by itself. Its report is reports/nightly.md, its output reports/nightly.log.');
}

async function runAll(only: RegExp): Promise<void> {
  const [code, product] = [nameOf(CODE), nameOf(PRODUCT)];
  const commit = git('rev-parse', '--short', 'HEAD');
  writeFileSync(LOCK, String(process.pid));
  const found = existsSync(STATE) ? (JSON.parse(readFileSync(STATE, 'utf8')) as State) : null;
  const state: State = found?.product === product ? found : { product, outcomes: {} };
  for (const part of PARTS) {
    if (state.outcomes[part.name]?.passed || !only.test(part.name)) continue;
    console.log(`=== ${part.name}`);
    const outcome = await run(part, commit);
    if (nameOf(CODE) !== code) throw new Error(`the code was changed while this ran: ${part.name}`);
    state.outcomes[part.name] = outcome;
    writeFileSync(STATE, `${JSON.stringify(state, null, 2)}\n`);
    writeFileSync(join(REPORTS, 'nightly.md'), reportOf(state));
  }
  if (Object.values(state.outcomes).some(({ passed }) => !passed)) process.exitCode = 1;
}

async function run({ script, args = [], env = {}, keep }: Part, commit: string): Promise<Outcome> {
  const start = performance.now();
  const child = spawn('npm', ['run', script, '--', ...args], {
    env: { ...process.env, CI: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      output += text.toString();
      process.stdout.write(text);
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return {
    commit,
    passed: code === 0,
    seconds: Math.round((performance.now() - start) / 1000),
    lines: output.split('\n').filter((line) => keep.test(line)),
  };
}

function reportOf({ outcomes }: State): string {
  const parts = Object.entries(outcomes).map(
    ([name, { commit, passed, seconds, lines }]) =>
      `## ${name}\n\n${passed ? 'Passed' : '**Failed**'} on ${commit} after ${seconds} s.\n\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n`,
  );
  const library = `The library is the same in all commits named here: its tree is ${git('rev-parse', '--short', 'HEAD:lib')}.`;
  return ['# Nightly run', `${machine()}. ${library}`, ...parts].join('\n\n');
}
