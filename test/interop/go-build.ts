import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SOURCES = join(import.meta.dirname, 'go-peer');

/** Caches of tools live here by custom, and git does not see them. */
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/interop');

let program: Promise<string> | undefined;

/** The Go peer's program, built unless its sources were built before. */
export function goPeerProgram(): Promise<string> {
  return (program ??= build());
}

async function build(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(SOURCES)).sort()) hash.update(await readFile(join(SOURCES, name)));
  const built = join(CACHE, `go-peer-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(built)) return built;
  await mkdir(CACHE, { recursive: true });
  // Several workers may build at once: each one a file of its own.
  const own = `${built}.${process.pid}`;
  await promisify(execFile)('go', ['build', '-o', own, '.'], { cwd: SOURCES });
  await rename(own, built);
  return built;
}
