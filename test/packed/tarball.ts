import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from './command.js';

/** What the registry would get, packed and unpacked. */
export interface Tarball {
  readonly path: string;
  /** Where its content lies. */
  readonly content: string;
}

interface Manifest {
  readonly main: string;
  readonly types: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly typesVersions?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

/** What may be in it. */
const EXPECTED =
  /^(dist\/.+\.(d\.ts|js|d\.cts|cjs)(\.map)?|dist\/dashboard\/page\/page\.(html|css)|package\.json|docs\/[\w-]+\.md|README\.md|CHANGELOG\.md|LICENSE)$/;
/** What must be in it besides what package.json names. */
const REQUIRED = [
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'docs/protocol.md',
  'docs/from-npws.md',
];

/** Packs the project, which builds it, into `folder`. */
export async function pack(root: string, folder: string): Promise<Tarball> {
  await run(['npm', 'pack', '--pack-destination', folder], { cwd: root });
  const path = join(folder, (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '');
  const unpacked = join(folder, 'unpacked');
  await mkdir(unpacked);
  await run(['tar', '-xzf', path, '-C', unpacked], { cwd: folder });
  return { path, content: join(unpacked, 'package') };
}

/** Throws if a file is missing or too many, or if a source map leads nowhere. */
export async function checkContent({ content }: Tarball): Promise<void> {
  const entries = await readdir(content, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(content.length + 1)
        .replaceAll('\\', '/'),
    );
  const manifest = JSON.parse(await readFile(join(content, 'package.json'), 'utf8')) as Manifest;
  const complaints = [
    ...files.filter((file) => !EXPECTED.test(file)).map((file) => `${file} does not belong there`),
    ...[...REQUIRED, ...namedBy(manifest)]
      .filter((file) => !files.includes(file))
      .map((file) => `${file} is missing`),
  ];
  for (const file of files) complaints.push(...(await brokenMaps(content, file)));
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
}

/** The files that package.json leads to. */
function namedBy({ main, types, exports, typesVersions = {} }: Manifest): string[] {
  const exported = Object.values(exports).flatMap((one) =>
    typeof one === 'string' ? [one] : Object.values(one),
  );
  const versioned = Object.values(typesVersions).flatMap((paths) => Object.values(paths).flat());
  return [main, types, ...exported, ...versioned].map((path) => path.replace(/^\.\//, ''));
}

/** What is wrong with the source map that a file names, or is. */
async function brokenMaps(content: string, file: string): Promise<string[]> {
  const text = await readFile(join(content, file), 'utf8');
  const near = (path: string): boolean => existsSync(join(content, dirname(file), path));
  if (!file.endsWith('.map')) {
    const map = /^\/\/# sourceMappingURL=(\S+)$/m.exec(text)?.[1];
    return map === undefined || near(map) ? [] : [`${file} names ${map}, which is missing`];
  }
  const { sources, sourcesContent } = JSON.parse(text) as { sources: string[]; sourcesContent?: string[] };
  if (sourcesContent) return [];
  return sources
    .filter((source) => !near(source))
    .map((source) => `${file} names ${source}, which is missing`);
}

/** Throws if the types do not fit the code, for any way to resolve them. That it is ES modules only is wanted. */
export async function checkTypes({ path }: Tarball, root: string): Promise<void> {
  const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  await run([process.execPath, attw, path, '--ignore-rules', 'cjs-resolves-to-esm', '--format', 'ascii'], {
    cwd: root,
  });
}

/** Throws if publint finds anything in package.json that some tool will stumble on. */
export async function checkManifest({ path }: Tarball, root: string): Promise<void> {
  const publint = join(root, 'node_modules/publint/src/cli.js');
  await run([process.execPath, publint, 'run', path, '--strict'], { cwd: root });
}
