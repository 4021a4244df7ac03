import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Certificates } from '../core/certificates.js';
import { NpwsOptionsError, type PoolRole } from '../core/errors.js';
import { type ResolvedTlsFiles, resolveTlsUpdate, type TlsUpdate } from '../core/tls-options.js';
import { checkMaterial } from './certificate-check.js';
import { readTlsFiles, readTlsFilesNow } from './tls-files.js';
import { reasonOf } from './tls-reason.js';

/** The least version of TLS unless the application says otherwise. */
const MIN_VERSION = 'TLSv1.3';

/** TLS as the new connections of one role speak it; its certificates can be renewed. */
export abstract class RoleTls implements Certificates {
  readonly reloadInterval: number;
  /** The option that errors at boot name. */
  protected readonly option: string;
  protected material: SecureContextOptions;
  /** What the files held when they were last fit for use. */
  #read: SecureContextOptions = {};

  /** Throws `NpwsOptionsError` when a file can't be read. */
  constructor(
    role: PoolRole,
    /** As messages name it. */
    private readonly pool: string,
    tls: SecureContextOptions,
    private readonly files: ResolvedTlsFiles | undefined,
  ) {
    this.reloadInterval = files?.interval ?? 0;
    this.option = files ? `${role}.tlsFiles` : `${role}.tls`;
    if (files) this.#read = this.orOptionsError(this.option, () => readTlsFilesNow(files));
    this.material = { ...tls, ...this.#read };
    this.orOptionsError(this.option, () => {
      checkMaterial(withMinVersion(this.material));
    });
  }

  update(tls: TlsUpdate): void {
    this.#renew('updateTls', resolveTlsUpdate(this.pool, tls));
  }

  async reload(): Promise<boolean> {
    if (!this.files) return false;
    const read = await readTlsFiles(this.files).catch((cause: unknown) => {
      throw this.#optionsError(this.option, cause as Error);
    });
    if (isDeepStrictEqual(read, this.#read)) return false;
    this.#renew(this.option, read);
    this.#read = read;
    return true;
  }

  /** Has new connections use this. Throws, and then changes nothing. */
  protected abstract use(material: SecureContextOptions): void;

  protected orOptionsError<T>(option: string, attempt: () => T): T {
    try {
      return attempt();
    } catch (cause) {
      throw this.#optionsError(option, cause as Error);
    }
  }

  #optionsError(option: string, cause: Error): NpwsOptionsError {
    return new NpwsOptionsError(this.pool, [`${option}: ${reasonOf(cause)}`], { cause });
  }

  #renew(option: string, renewed: SecureContextOptions): void {
    // A key comes by one way or the other: what is left of the old one must not win.
    const kept = { ...this.material };
    if (renewed.pfx) kept.key = kept.cert = undefined;
    if (renewed.key ?? renewed.cert) kept.pfx = undefined;
    const material = { ...kept, ...renewed };
    this.orOptionsError(option, () => {
      checkMaterial(withMinVersion(material));
      this.use(material);
    });
    this.material = material;
  }
}

export function withMinVersion<T extends SecureContextOptions>(tls: T): T {
  return { ...tls, minVersion: tls.minVersion ?? MIN_VERSION };
}

export function contextOf(material: SecureContextOptions): SecureContext {
  return createSecureContext(withMinVersion(material));
}
