import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { compile, compiledIn } from '../support/compile.js';

const HERE = new URL('.', import.meta.url);
const OUT = compiledIn('bench');

/** The processes that are measured, by name. */
const ENDS = {
  'wire-end': 'ends/wire-end.ts',
  'take-end': 'ends/take-end.ts',
  'wait-end': 'ends/wait-end.ts',
  'churn-end': 'ends/churn-end.ts',
  'relay-end': 'ends/relay-end.ts',
  'aside-end': 'ends/aside-end.ts',
  public: '../../sample/01-reverse-tunnel/public.ts',
  edge: '../../sample/01-reverse-tunnel/edge.ts',
} as const;

export type EndName = keyof typeof ENDS;

/** Compiles what is measured to plain JavaScript, as users run it: no loader takes part. */
export async function buildEnds(): Promise<void> {
  const programs = Object.entries(ENDS).map(([name, file]) => [name, new URL(file, HERE)] as const);
  await compile('bench', Object.fromEntries(programs));
}

export function fileOf(name: EndName): URL {
  return new URL(`${name}.mjs`, OUT);
}

/** Where a place in a compiled file came from: 'file.ts:line', or undefined for other files. */
export function originOf(url: string, line: number, column: number): string | undefined {
  if (!url.startsWith(OUT.href)) return undefined;
  const entry = mapOf(url).findEntry(line, column);
  if (!('originalSource' in entry)) return undefined;
  const file = entry.originalSource.replace(/^.*\//, '');
  return `${file}:${entry.originalLine + 1}`;
}

/** Those that were read: each place in a file asks for its map. */
const maps = new Map<string, SourceMap>();

function mapOf(url: string): SourceMap {
  const known = maps.get(url);
  if (known) return known;
  const map = new SourceMap(JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8')) as SourceMapPayload);
  maps.set(url, map);
  return map;
}
