import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Adoption } from './adoption.js';
import { costOf, type Figures, packagesOf } from './figures.js';
import { type Step, Steps } from './steps.js';
import { checkContent, checkManifest, checkTypes, pack, type Tarball } from './tarball.js';

// npm run test:packed: packs the tarball, looks into it, and has fresh applications adopt it. They know nothing of this
// repository and lie in a temporary folder; with `-- --keep` it stays.

const ROOT = join(import.meta.dirname, '../..');

/** What `nest new` makes and made, and the scripts of each that must pass. */
const APPLICATIONS = {
  'nest-12-esm': ['build', 'types', 'test', 'test:vitest'],
  'nest-11-cjs': ['build', 'types', 'test'],
  // The template of 11.0, which resolves types the old way and runs Jest 29.
  'nest-11.0-cjs': ['build', 'types', 'test'],
} as const;

const steps = new Steps();
const folder = await mkdtemp(join(tmpdir(), 'npws-packed-'));
/** Those that got to their end, and what they had installed before. */
const adopted = new Map<string, { adoption: Adoption; before: readonly string[] }>();
const costs = new Map<string, Figures>();
let tarball: Tarball | undefined;
try {
  await steps.chapter('the tarball', async (step) => {
    const packed = await step('npm pack', () => pack(ROOT, folder));
    tarball = packed;
    await step('holds what it should', () => checkContent(packed));
    await step('publint finds nothing', () => checkManifest(packed, ROOT));
    await step('the types are right', () => checkTypes(packed, ROOT));
  });
  if (tarball) {
    const { path } = tarball;
    // At once: much of it is waiting for npm.
    await Promise.all(
      Object.entries(APPLICATIONS).map(([name, scripts]) =>
        steps.chapter(name, (step) => adopt(step, name, scripts, path)),
      ),
    );
    // What takes ports, or is timed, has the machine to itself.
    for (const name of Object.keys(APPLICATIONS)) {
      const { adoption, before } = adopted.get(name) ?? {};
      if (!adoption || !before) continue;
      await steps.chapter(name, async (step) => {
        await step('boots, moves bytes both ways, is healthy, closes and exits', () => adoption.boot());
        costs.set(name, await step('figures', () => costOf(adoption.folder, before)));
      });
    }
  }
} finally {
  if (process.argv.includes('--keep')) console.log(`\nkept in ${folder}`);
  else await rm(folder, { recursive: true });
}
printCosts();
if (steps.failed) process.exitCode = 1;

async function adopt(step: Step, name: string, scripts: readonly string[], packed: string): Promise<void> {
  const adoption = new Adoption(name, folder);
  await adoption.write();
  await step('npm install', () => adoption.install());
  const before = await packagesOf(adoption.folder);
  await step('npm install nestjs-npws', () => adoption.install(packed));
  for (const script of scripts) await step(`npm run ${script}`, () => adoption.script(script));
  adopted.set(name, { adoption, before });
}

function printCosts(): void {
  const print = (title: string, cells: readonly (string | number)[]): void => {
    console.log(title.padEnd(36) + cells.map((cell) => String(cell).padStart(15)).join(''));
  };
  console.log();
  print('', [...costs.keys()]);
  const figures = [...costs.values()];
  for (const name of Object.keys(figures[0] ?? {})) {
    print(
      name,
      figures.map((one) => one[name] ?? ''),
    );
  }
}
