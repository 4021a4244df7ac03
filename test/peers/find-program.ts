import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { describe } from '@jest/globals';

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

/** `describe` if these programs are installed. Else it says which one is missing, and fails where CI is set. */
export function describeWith(...programs: string[]): typeof describe | typeof describe.skip {
  const missing = programs.filter((name) => !findProgram(name));
  if (missing.length === 0) return describe;
  const message = `not installed: ${missing.join(', ')}`;
  if (process.env['CI']) throw new Error(message);
  process.stderr.write(`NOT TESTED, ${message}\n`);
  return describe.skip;
}
