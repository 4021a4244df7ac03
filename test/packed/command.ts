import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

interface CommandOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** How long it may take before it is killed, in milliseconds. Default: 3 minutes. */
  readonly timeout?: number;
}

/** How many of a failed command's last lines are told. */
const TAIL = 40;

/** Runs a command to its end and returns what it printed. Rejects with the end of that unless it exits with 0. */
export async function run(
  [program = '', ...args]: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...strangersEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // What it starts itself holds the pipes too, and goes with it.
    detached: true,
  });
  const giveUp = setTimeout(() => {
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
  }, options.timeout ?? 180_000);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => (output += text.toString()));
  }
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(giveUp);
  if (code === 0) return output;
  const tail = output.trimEnd().split('\n').slice(-TAIL).join('\n');
  throw new Error(`'${[program, ...args].join(' ')}' ended with ${String(code ?? signal)}:\n${tail}`);
}

/** The environment without what `npm run` hands on of this project's own `.npmrc`. */
function strangersEnvironment(): NodeJS.ProcessEnv {
  const settings = readFileSync(new URL('../../.npmrc', import.meta.url), 'utf8').matchAll(/^[\w-]+/gm);
  const ours = new Set([...settings].map(([name]) => `npm_config_${name.replaceAll('-', '_')}`));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name)));
}
