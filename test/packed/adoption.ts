import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../sample/parts/free-port.js';
import { createCertificate } from '../support/certificates.js';
import { run } from './command.js';

const SOURCES = import.meta.dirname;
/** Boot, use, close and exit, in milliseconds. */
const LIFE = 30_000;

/** An application of somebody who never saw this repository: a copy in a folder of its own. */
export class Adoption {
  /** Its folder. */
  readonly folder: string;

  constructor(
    readonly name: string,
    within: string,
  ) {
    this.folder = join(within, name);
  }

  /** Copies what is the application's own, and the sources that all of them share. */
  async write(): Promise<void> {
    await mkdir(this.folder);
    await cp(join(SOURCES, this.name), this.folder, { recursive: true });
    await cp(join(SOURCES, 'app'), this.folder, { recursive: true });
    const { type } = JSON.parse(await readFile(join(this.folder, 'package.json'), 'utf8')) as {
      type?: string;
    };
    if (type !== 'module') await this.#dropExtensions();
  }

  /** `npm install`, as it is; it may not even warn that peers do not fit. */
  async install(...packages: readonly string[]): Promise<void> {
    const output = await run(['npm', 'install', ...packages], { cwd: this.folder });
    if (output.includes('ERESOLVE')) throw new Error(`npm had to override peers:\n${output}`);
  }

  /** Runs a script of its package.json. */
  async script(name: string): Promise<void> {
    await run(['npm', 'run', name], { cwd: this.folder });
  }

  /** Runs what was built. It must end by itself, after it has closed. */
  async boot(): Promise<void> {
    const { key, cert } = await createCertificate();
    const env = { POOL_PORT: String(await freePort()), POOL_KEY: 'pool.key', POOL_CERT: 'pool.crt' };
    await writeFile(join(this.folder, env.POOL_KEY), key);
    await writeFile(join(this.folder, env.POOL_CERT), cert);
    const output = await run([process.execPath, 'dist/main.js'], { cwd: this.folder, env, timeout: LIFE });
    if (!output.includes('used and closed')) throw new Error(`it ended too early:\n${output}`);
  }

  /** CommonJS applications import their own files without an extension. */
  async #dropExtensions(): Promise<void> {
    for (const part of ['src', 'test']) {
      for (const file of await readdir(join(this.folder, part))) {
        const path = join(this.folder, part, file);
        const text = await readFile(path, 'utf8');
        await writeFile(path, text.replaceAll(/(from '\.[^']*)\.js'/g, "$1'"));
      }
    }
  }
}
