import { describe } from '@jest/globals';

/** `describe`, unless something is in the way: that fails where CI is set, and elsewhere is said and shown as skipped. */
export function describeUnless(obstacle: string | null): typeof describe | typeof describe.skip {
  if (obstacle === null) return describe;
  if (process.env['CI']) throw new Error(`can not run: ${obstacle}`);
  process.stderr.write(`NOT TESTED: ${obstacle}\n`);
  return describe.skip;
}
