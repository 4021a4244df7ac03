import { execFileSync } from 'node:child_process';

/** `obstacle`, which says why something can't be done here, unless this command runs: then null. */
export function obstacleUnless(
  [program, ...args]: readonly [string, ...string[]],
  obstacle: string,
): string | null {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return null;
  } catch {
    return obstacle;
  }
}
