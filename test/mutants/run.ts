import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FOUND_BY_SIMULATION } from '../simulation/planted-bugs.js';
import { partOf } from '../support/turn.js';
import { type Mutant, MUTANTS as LISTED } from './mutants.js';

// Plants one bug after the other in copies of the project. A bug that no test finds, or that can't be planted, fails.
// With an argument (npm run test:mutants -- 'given back'): only the bugs whose name or file matches it. With `-- part`: an
// eighth of them, whichever is the commit's turn.

/** How many parts there are. */
const PARTS = 8;

const [asked = ''] = process.argv.slice(2);
const ALL = [...LISTED, ...FOUND_BY_SIMULATION.map(alone)];
const MUTANTS =
  asked === 'part'
    ? partOf(ALL, PARTS)
    : ALL.filter(({ name, file }) => new RegExp(asked).test(`${name} ${file}`));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = [
  'lib',
  'test',
  'sample',
  'docs',
  'README.md',
  'jest.config.ts',
  'package.json',
  'tsconfig.json',
];

const SETTINGS = ['--runInBand', '--testTimeout=5000'];
/** How long the tests of one bug may take, and all of them without one, in milliseconds. */
const PATIENCE = 60_000;
const PATIENCE_FOR_ALL = 300_000;
/** How many histories the simulation may take to find a bug: one in 3,000 shows the rarest. */
const HISTORIES = '20000';
/** How much is kept of what jest tells, for when it ends without a report. */
const TAIL = 5_000;

interface Verdict {
  /** Whether every test file could be loaded and every test passed. */
  readonly success: boolean;
  readonly failed: number;
  /** Whether the run has told what came of it: a bug may take it down, or keep it busy for ever. */
  readonly hasEnded: boolean;
  /** The names of what failed. */
  readonly failures: readonly string[];
}

/** What is used of jest's JSON report. */
interface Report {
  readonly success: boolean;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const folder = await mkdtemp(join(tmpdir(), 'npws-mutants-'));
const complaints: string[] = [];
try {
  // A bug at a time in each: its tests keep one core busy.
  const lanes = await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, copyProject));
  const patterns = [...new Set(MUTANTS.flatMap(({ killedBy }) => killedBy))];
  // The first run compiles everything, too.
  const healthy = await runTests(
    lanes[0] ?? '',
    patterns,
    [`--maxWorkers=${lanes.length}`, '--testTimeout=15000'],
    PATIENCE_FOR_ALL,
  );
  if (!healthy.success) {
    throw new Error(`the tests fail without a planted bug:\n  ${healthy.failures.join('\n  ')}`);
  }
  const queue = MUTANTS.values();
  await Promise.all(
    lanes.map(async (lane) => {
      for (const mutant of queue) await tryMutant(lane, mutant);
    }),
  );
} finally {
  await rm(folder, { recursive: true });
}
console.log(`\n${MUTANTS.length - complaints.length} of ${MUTANTS.length} planted bugs were found`);
for (const complaint of complaints) console.error(complaint);
if (complaints.length > 0) process.exitCode = 1;

/** A listed bug that the simulation has to find by itself. */
function alone(name: string): Mutant {
  const mutant = LISTED.find((listed) => listed.name === name);
  if (!mutant) throw new Error(`no planted bug is called '${name}'`);
  return { ...mutant, name: `${name} (simulation)`, killedBy: ['test/simulation'] };
}

async function copyProject(_: unknown, lane: number): Promise<string> {
  const copy = join(folder, String(lane));
  for (const item of COPIED) await cp(join(ROOT, item), join(copy, item), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

async function tryMutant(copy: string, { name, file, find, replace, killedBy }: Mutant): Promise<void> {
  const start = performance.now();
  const path = join(copy, file);
  const original = await readFile(path, 'utf8');
  const places = original.split(find).length - 1;
  let result = `its patch fits ${places} places instead of 1`;
  if (places === 1) {
    await writeFile(
      path,
      original.replace(find, () => replace),
    );
    const { failed, hasEnded } = await runTests(copy, killedBy, SETTINGS, PATIENCE, { HISTORIES });
    await writeFile(path, original);
    result = failed === 0 ? 'SURVIVED' : hasEnded ? 'found' : 'no end';
  }
  if (result !== 'found' && result !== 'no end') complaints.push(`${file}: ${name}: ${result}`);
  console.log(
    `${((performance.now() - start) / 1000).toFixed(1).padStart(5)} s  ${result.padEnd(9)} ${name}`,
  );
}

/** Runs the test files that match. Tests that can't even be loaded do not count as failed. */
async function runTests(
  copy: string,
  patterns: readonly string[],
  settings: readonly string[],
  patience: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Verdict> {
  const report = join(copy, 'report.json');
  await rm(report, { force: true });
  const jest = spawn(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--bail', ...settings, '--env=./test/mutants/first-failure.ts', '--json', `--outputFile=${report}`, ...patterns],
    { cwd: copy, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } },
  ); // prettier-ignore
  let told = '';
  jest.stderr.on('data', (chunk: Buffer) => (told = (told + chunk.toString()).slice(-TAIL)));
  const impatience = setTimeout(() => jest.kill('SIGKILL'), patience);
  const [code] = (await once(jest, 'exit')) as [number | null];
  clearTimeout(impatience);
  const text = await readFile(report, 'utf8').catch(() => '');
  // Having failed early, it may leave none behind.
  if (code !== 0 && !text.trimEnd().endsWith('}')) {
    const hasEnded = /^Tests: +\d+ failed/m.test(told);
    return { success: false, failed: 1, hasEnded, failures: [`no report\n${told}`] };
  }
  const { success, numFailedTests, testResults } = JSON.parse(text) as Report;
  const failures = testResults.flatMap(({ name, status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    const file = relative(copy, name);
    if (status === 'failed' && failed.length === 0) return [`${file} can't be loaded`];
    return failed.map(({ fullName }) => `${file}: ${fullName}`);
  });
  return { success, failed: numFailedTests, hasEnded: true, failures };
}
