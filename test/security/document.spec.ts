import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENT = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');

/** What is read of a package.json. */
interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { optional?: boolean }>>;
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest;
}

/** The rows of all tables whose last heading is this one, cell by cell. */
function rowsUnder(heading: string): string[][] {
  const tables = DOCUMENT.matchAll(/^(\|.*\|)\n\|[-|]+\|\n((?:\|.*\|\n)+)/gm);
  return [...tables]
    .filter(([, head = '']) => head.endsWith(`| ${heading} |`))
    .flatMap(([, , rows = '']) => rows.trimEnd().split('\n'))
    .map((row) =>
      row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

/** What npm runs at the one who installs a package. */
const AT_INSTALL = [
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
];

function scriptsAtInstall({ scripts = {} }: Manifest): string[] {
  return AT_INSTALL.filter((name) => scripts[name] !== undefined);
}

describe('SECURITY.md', () => {
  it('shows every answer by tests that there are', () => {
    const rows = rowsUnder('shown by');
    expect(rows.length).toBeGreaterThan(25);
    for (const cells of rows) {
      expect([cells[0], cells.at(-1)]).toEqual([cells[0], expect.stringMatching(/^(`test\/\S+\.(spec|peers)\.ts` ?)+$/)]);
    }
    const named = [...DOCUMENT.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  }); // prettier-ignore

  it('links to what is there', () => {
    const links = [...DOCUMENT.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('lists the packages that an installation brings or asks for, and no others', () => {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifestIn('.');
    const all = [
      ...Object.keys(dependencies ?? {}).map((name) => [name, 'dependency']),
      ...Object.keys(optionalDependencies ?? {}).map((name) => [name, 'optional dependency']),
      ...Object.keys(peerDependencies ?? {}).map((name) => {
        return [name, peerDependenciesMeta?.[name]?.optional ? 'optional peer' : 'peer'];
      }),
    ];
    const listed = rowsUnder('why').map(([name = '', kind, why]) => {
      expect(why).not.toBe('');
      return [name.replaceAll('`', ''), kind];
    });
    expect(listed.sort()).toEqual(all.sort());
  });

  it('is right that nothing of this package runs where it is installed, and nothing of ws', () => {
    expect(scriptsAtInstall(manifestIn('.'))).toEqual([]);
    const ws = manifestIn('node_modules/ws');
    expect([scriptsAtInstall(ws), Object.keys(ws.dependencies ?? {})]).toEqual([[], []]);
  });

  it('is right about bufferutil: its install script looks for a binary, which is found without it, too', () => {
    const { scripts, dependencies } = manifestIn('node_modules/bufferutil');
    expect([scripts?.['install'], Object.keys(dependencies ?? {})]).toEqual(['node-gyp-build', ['node-gyp-build']]);
    expect(scriptsAtInstall(manifestIn('node_modules/node-gyp-build'))).toEqual([]);
    const platforms = ['linux-x64', 'darwin-x64', 'darwin-arm64', 'win32-x64', 'win32-ia32'];
    const prebuilds = platforms.map((name) => `node_modules/bufferutil/prebuilds/${name}/bufferutil.node`);
    expect(prebuilds.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    if (!platforms.includes(`${process.platform}-${process.arch}`)) return;
    const find = createRequire(import.meta.url)('node-gyp-build') as { resolve(folder: string): string };
    expect(find.resolve(join(ROOT, 'node_modules/bufferutil'))).toContain('prebuilds');
  }); // prettier-ignore
});
