import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const LIB = fileURLToPath(new URL('../lib', import.meta.url));

interface Import {
  /** The importing file, from lib/. */
  readonly from: string;
  /** What is imported: a file from lib/, or a package. */
  readonly what: string;
  readonly isLocal: boolean;
  /** The text between `import` and `from`. */
  readonly clause: string;
}

const sources = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(LIB, file), 'utf8') }));

const imports = sources.flatMap(({ file, text }): Import[] =>
  [...text.matchAll(/^(?:import|export)\s([^;]*?)from '([^']+)';/gms)].map(
    ([, clause = '', specifier = '']) => {
      const isLocal = specifier.startsWith('.');
      const target = isLocal ? relative(LIB, join(LIB, dirname(file), specifier)) : specifier;
      return { from: file, what: target, isLocal, clause: clause.trim() };
    },
  ),
);

/** From the ground up: each floor may import from itself and from those before it. */
const FLOORS = [
  'core',
  'transport',
  'create-pools.js',
  'nest',
  'metrics',
  'health',
  'dashboard',
  'prometheus',
  'opentelemetry',
  'testing',
];

/** Where each optional peer may be imported: in its own entry point. */
const PEERS = {
  '@nestjs/terminus': 'health/',
  '@nestjs/websockets': 'dashboard/',
  'prom-client': 'prometheus/',
  '@opentelemetry/api': 'opentelemetry/',
};

function floorOf(path: string): number {
  return FLOORS.indexOf((path.split('/')[0] ?? '').replace(/\.ts$/, '.js'));
}

/** Imports that a rule forbids, as 'file -> what'. */
function offenders(isForbidden: (one: Import) => boolean): string[] {
  return imports.filter(isForbidden).map(({ from, what }) => `${from} -> ${what}`);
}

describe('the floors of lib', () => {
  it('are known for every file but index.ts', () => {
    expect(
      sources.map(({ file }) => file).filter((file) => file !== 'index.ts' && floorOf(file) < 0),
    ).toEqual([]);
    expect(imports.length).toBeGreaterThan(100);
  });

  it('are imported from above only', () => {
    expect(
      offenders(({ from, what, isLocal }) => isLocal && from !== 'index.ts' && floorOf(what) > floorOf(from)),
    ).toEqual([]);
  });

  it('keep ws in transport', () => {
    expect(offenders(({ from, what }) => what === 'ws' && !from.startsWith('transport/'))).toEqual([]);
  });

  it('keep Nest out of what lies below it, and each optional peer in its own entry point', () => {
    expect(
      offenders(({ from, what }) => what.startsWith('@nestjs/') && floorOf(from) < FLOORS.indexOf('nest')),
    ).toEqual([]);
    for (const [peer, place] of Object.entries(PEERS)) {
      expect(offenders(({ from, what }) => what === peer && !from.startsWith(place))).toEqual([]);
      expect(offenders(({ what }) => what === peer)).not.toEqual([]);
    }
  });

  it('keep the core pure: of Node it has types, addresses and the event emitter', () => {
    const pure = (one: Import): boolean =>
      one.clause.startsWith('type ') ||
      one.what === 'rxjs' ||
      (one.what === 'node:events' && one.clause === '{ EventEmitter }') ||
      (one.what === 'node:net' && /^\{ isIP(, SocketAddress)?(, type \w+)* \}$/.test(one.clause));
    expect(offenders((one) => one.from.startsWith('core/') && !one.isLocal && !pure(one))).toEqual([]);
  });

  it('keep time and chance out of the core but for its clock', () => {
    const impure =
      /\b(setTimeout|setInterval|setImmediate|Date\.now|new Date|performance\.now|Math\.random|process\.)\b/;
    const guilty = sources.filter(({ file, text }) => /^core\/(?!clock)/.test(file) && impure.test(text));
    expect(guilty.map(({ file }) => file)).toEqual([]);
  });

  it('keep to what a CommonJS application has Jest transform: no import.meta', () => {
    const guilty = sources.filter(({ text }) => /\bimport\.meta\b/.test(text));
    expect(guilty.map(({ file }) => file)).toEqual([]);
  });
});
