import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificate, type KeyPair } from '../support/certificates.js';

/** The servers' certificate, as text and as files. */
export class Credentials implements AsyncDisposable {
  private constructor(
    readonly pem: KeyPair,
    readonly files: KeyPair,
    private readonly folder: string,
  ) {}

  static async create(): Promise<Credentials> {
    const { cert, key } = await createCertificate();
    const folder = await mkdtemp(join(tmpdir(), 'npws-bench-'));
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    await Promise.all([writeFile(files.cert, cert), writeFile(files.key, key)]);
    return new Credentials({ cert, key }, files, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
