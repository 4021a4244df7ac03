import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const CACHE = new URL('../../node_modules/.cache/', import.meta.url);

const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** Where compiled files of this name lie. */
export function compiledIn(folder: string): URL {
  return new URL(`${folder}/`, CACHE);
}

/** Compiles programs, by name, to plain JavaScript, as users run it: they start quickly, and no loader takes part. */
export async function compile(folder: string, programs: Readonly<Record<string, URL>>): Promise<void> {
  await build({
    entryPoints: Object.entries(programs).map(([out, file]) => ({ in: fileURLToPath(file), out })),
    outdir: fileURLToPath(compiledIn(folder)),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    // What is CommonJS asks for bufferutil by it.
    banner: { js: REQUIRE },
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
  });
}
