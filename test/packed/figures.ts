import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.js';

const ROUNDS = 9;
const KIB = 1024;

/** Each import in a process of its own, in milliseconds; what is loaded before does not count. */
const IMPORTS = {
  "import('nestjs-npws')": { before: [], imported: 'nestjs-npws' },
  '… with Nest loaded': { before: ['@nestjs/common', '@nestjs/core'], imported: 'nestjs-npws' },
  "import('@nestjs/core')": { before: [], imported: '@nestjs/core' },
} as const;

/** The packages below an application's node_modules, by their paths. */
export async function packagesOf(application: string): Promise<readonly string[]> {
  const lock = await readFile(join(application, 'node_modules/.package-lock.json'), 'utf8');
  return Object.keys((JSON.parse(lock) as { packages: object }).packages);
}

/** Numbers by their names, which tell the units. */
export type Figures = Readonly<Record<string, number>>;

/** What the package costs an application that did without it: packages, KiB and milliseconds (medians). */
export async function costOf(application: string, packagesBefore: readonly string[]): Promise<Figures> {
  const added = (await packagesOf(application)).filter((path) => !packagesBefore.includes(path));
  const sizes = await Promise.all(added.map((path) => sizeOf(join(application, path))));
  const own = await sizeOf(join(application, 'node_modules/nestjs-npws'));
  const figures: Record<string, number> = {
    'packages added': added.length,
    'KiB of nestjs-npws alone': Math.round(own / KIB),
    'KiB of all that was added': Math.round(sizes.reduce((sum, size) => sum + size, 0) / KIB),
    'ms of an empty script': await medianOf(() => lifeOf(application)),
  };
  for (const [name, { before, imported }] of Object.entries(IMPORTS)) {
    figures[`ms of ${name}`] = await medianOf(() => importTime(application, before, imported));
  }
  return figures;
}

/** The sum of all its files' sizes, in bytes. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map((entry) => stat(join(entry.parentPath, entry.name))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

async function medianOf(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  while (times.length < ROUNDS) times.push(await measure());
  times.sort((a, b) => a - b);
  return Math.round(times[Math.floor(ROUNDS / 2)] ?? NaN);
}

async function lifeOf(application: string): Promise<number> {
  const start = performance.now();
  await run([process.execPath, '--input-type=module', '--eval', ''], { cwd: application });
  return performance.now() - start;
}

async function importTime(application: string, before: readonly string[], imported: string): Promise<number> {
  const script = [
    ...before.map((name) => `await import('${name}');`),
    'const start = performance.now();',
    `await import('${imported}');`,
    'console.log(performance.now() - start);',
  ];
  return Number(
    await run([process.execPath, '--input-type=module', '--eval', script.join('\n')], { cwd: application }),
  );
}
