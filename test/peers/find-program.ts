import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { describe } from '@jest/globals';
import { describeUnless } from '../support/describe-unless.js';

/** Where a program is installed, or undefined. Servers are often in a folder that is not on the path. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return folders
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Describes what needs these programs. */
export function describeWith(...programs: string[]): typeof describe | typeof describe.skip {
  const missing = programs.filter((name) => !findProgram(name));
  return describeUnless(missing.length === 0 ? null : `not installed: ${missing.join(', ')}`);
}
