import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';

const RUN = fileURLToPath(new URL('run.ts', import.meta.url));

/** Runs the fuzz in a process of its own: a crash must not take the other tests down. */
function fuzz(...args: string[]): Promise<{ code: unknown; output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', '@swc-node/register/esm-register', RUN, ...args],
      { maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        resolve({ code: error ? (error.code ?? error.signal) : 0, output: stdout + stderr });
      },
    );
  });
}

/** What peers of protocol 2 in memory never did, as the output counts it for both roles. */
function missedIn(output: string): string[] {
  const depths = [...output.matchAll(/^in memory, (\w+\/2):.*\n.*\n {2}depth: (.*)$/gm)];
  const missed = depths.flatMap(([, name = '', counts = '']) =>
    counts.split(', ').filter((count) => count.startsWith('0 ')).map((count) => `${name}: ${count}`),
  ); // prettier-ignore
  return depths.length === 2 ? missed : [`${depths.length} depths are told`, ...missed];
}

it('3,000 drawn peers and 2 s of them on sockets crash nothing, hang nothing, and are read as they should be', async () => {
  const { code, output } = await fuzz('--inputs', '3000', '--seconds', '2');
  // The output names the seed, which plays the same peers again.
  expect(output).toContain('0 crashes, 0 failures');
  expect(code).toBe(0);
  expect([/^seed .*$/m.exec(output)?.[0], missedIn(output)]).toEqual([expect.anything(), []]);
}, 60_000);
