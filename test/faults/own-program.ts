import { fileURLToPath } from 'node:url';
import { compile, compiledIn } from '../support/compile.js';

/** The command of a process of this project that can be killed: it speaks the lines of test/interop/README.md. */
export async function ownProgram(): Promise<string[]> {
  await compile('own-peer', { own: new URL('../interop/own-peer-process.ts', import.meta.url) });
  return [process.execPath, fileURLToPath(new URL('own.mjs', compiledIn('own-peer')))];
}
