import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

// npm run nightly: what takes longer than a change may wait for, part by part. A run that was cut off goes on where it
// was, as long as the commit is the same. The report is reports/nightly.md.

interface Part {
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The lines of its output that go into the report. */
  readonly keep: RegExp;
}

interface Outcome {
  readonly passed: boolean;
  readonly seconds: number;
  readonly lines: readonly string[];
}

interface State {
  readonly commit: string;
  readonly outcomes: Record<string, Outcome>;
}

const PARTS: readonly Part[] = [
  {
    name: 'every planted bug',
    script: 'test:mutants',
    keep: /SURVIVED|planted bugs were found|its patch fits/,
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
  ...[1, 2, 3].map((seed) => ({
    name: `the matrix against the Go peer, seed ${seed}`,
    script: 'test:interop',
    args: ['matrix'],
    env: { INTEROP_SEED: String(seed) },
    keep: /connections|->|^Tests:/,
  })),
];

const REPORTS = join(import.meta.dirname, '../../reports');
const STATE = join(REPORTS, 'nightly.json');
const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();

const commit = git('rev-parse', '--short', 'HEAD');
mkdirSync(REPORTS, { recursive: true });
const found = existsSync(STATE) ? (JSON.parse(readFileSync(STATE, 'utf8')) as State) : null;
const state: State = found?.commit === commit ? found : { commit, outcomes: {} };
for (const part of PARTS) {
  if (state.outcomes[part.name]?.passed) continue;
  console.log(`=== ${part.name}`);
  state.outcomes[part.name] = await run(part);
  writeFileSync(STATE, `${JSON.stringify(state, null, 2)}\n`);
  writeFileSync(join(REPORTS, 'nightly.md'), reportOf(state));
}
if (Object.values(state.outcomes).some(({ passed }) => !passed)) process.exitCode = 1;

async function run({ script, args = [], env = {}, keep }: Part): Promise<Outcome> {
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
    passed: code === 0,
    seconds: Math.round((performance.now() - start) / 1000),
    lines: output.split('\n').filter((line) => keep.test(line)),
  };
}

function reportOf({ outcomes }: State): string {
  const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}`;
  const parts = Object.entries(outcomes).map(
    ([name, { passed, seconds, lines }]) =>
      `## ${name}\n\n${passed ? 'Passed' : '**Failed**'} after ${seconds} s.\n\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n`,
  );
  return [`# Nightly run`, `Commit ${commit}. ${machine}.`, ...parts].join('\n\n');
}
