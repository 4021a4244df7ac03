import type { SecureContextOptions } from 'node:tls';
import { NpwsOptionsError } from './errors.js';
import { OptionReader } from './option-reader.js';

/**
 * PEM files that certificates are read from: at once, and again every `interval`. When they have changed, new
 * connections use what they hold; those that are open go on.
 */
export type TlsFiles = (
  | {
      /** The path of the private key. */
      readonly key: string;
      /** The path of its certificate, with intermediate ones behind it. */
      readonly cert: string;
      /** The paths of the authorities to trust. */
      readonly ca?: string | readonly string[];
    }
  | {
      /** Not without `cert`. */
      readonly key?: never;
      /** Not without `key`. */
      readonly cert?: never;
      /** The paths of the authorities to trust. */
      readonly ca: string | readonly string[];
    }
) & {
  /** Milliseconds between two looks, at least 100; 0 reads them once. Default 10,000. */
  readonly interval?: number;
};

/** `TlsFiles` with every default filled in. */
export interface ResolvedTlsFiles {
  readonly key: string | undefined;
  readonly cert: string | undefined;
  readonly ca: readonly string[];
  readonly interval: number;
}

const FILES = ['key', 'cert', 'ca'] as const;

const RENEWABLE = [
  'key', 'cert', 'ca', 'pfx', 'passphrase', 'crl', 'ciphers', 'sigalgs', 'ecdhCurve', 'dhparam', 'minVersion', 'maxVersion',
] as const satisfies (keyof SecureContextOptions)[]; // prettier-ignore

/** What `updateTls` takes, as `tls.createSecureContext` does: what Node can change while a server listens. */
export type TlsUpdate = Pick<SecureContextOptions, (typeof RENEWABLE)[number]>;

const PEM_PATH = 'the path of a PEM file (PEM text goes into `tls`)';

/** Not PEM text itself: it would be shown as the name of a file that is missing. */
function isFilePath(value: string): boolean {
  return value !== '' && !/[\r\n]|-----BEGIN/.test(value);
}

/** The option `tlsFiles`; `tls` stands beside it and must not name the same things. */
export function readTlsFiles(options: OptionReader, tls: object | undefined): ResolvedTlsFiles | undefined {
  const files = options.nested('tlsFiles', [...FILES, 'interval']);
  if (!files) return undefined;
  const given = FILES.filter((name) => files.has(name));
  if (given.length === 0) files.problem('', 'the path of a `key` and `cert`, or of a `ca`', {});
  if (files.has('key') !== files.has('cert')) {
    files.problem('', 'both `key` and `cert`, or neither', `${files.has('key') ? 'key' : 'cert'} alone`);
  }
  const rivals = Object.keys(tls ?? {}).filter(
    (name) =>
      name === 'secureContext' ||
      (name === 'pfx' && files.has('key')) ||
      given.some((known) => known === name),
  );
  for (const name of rivals) options.problem(`tls.${name}`, 'nothing, as tlsFiles is given', '…');
  return Object.freeze({
    key: files.string('key', PEM_PATH, isFilePath),
    cert: files.string('cert', PEM_PATH, isFilePath),
    ca: files.strings('ca', `${PEM_PATH}, or a list of them`, isFilePath) ?? [],
    interval: files.number('interval', { fallback: 10_000, min: 100, unit: 'ms', zero: true }),
  });
}

/** The option `pin`: SHA-256 of public keys in base64, 'sha256/' before it or not. */
export function readPins(options: OptionReader): readonly string[] {
  const pins = options.strings(
    'pin',
    "the SHA-256 of the server's public key in base64 (44 characters, as `pinOf()` makes it), or a list of them",
    (value) => /^(sha256\/{1,2})?[A-Za-z0-9+/]{43}=$/.test(value.trim()),
  );
  return (pins ?? []).map((pin) => pin.trim().replace(/^sha256\/{1,2}(?=.{44}$)/, ''));
}

/** Checks what was passed to `updateTls` of `pool`. */
export function resolveTlsUpdate(pool: string, given: TlsUpdate): TlsUpdate {
  const problems: string[] = [];
  new OptionReader('updateTls', given, RENEWABLE, problems);
  if (problems.length > 0) throw new NpwsOptionsError(pool, problems);
  // What is undefined is not named and stays. Node would take no `ca` for all public authorities.
  return Object.fromEntries(
    Object.entries(given as Record<string, unknown>).filter(([, value]) => value !== undefined),
  );
}
