import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { SecureContextOptions } from 'node:tls';
import type { ResolvedTlsFiles } from '../core/tls-options.js';

/** Reads the files of the option `tlsFiles` at once: for the boot, which has nothing better to do. */
export function readTlsFilesNow(files: ResolvedTlsFiles): SecureContextOptions {
  return materialOf(
    files,
    pathsOf(files).map((path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch (cause) {
        throw readError(path, cause as Error);
      }
    }),
  );
}

/** Reads them while the pool works. */
export async function readTlsFiles(files: ResolvedTlsFiles): Promise<SecureContextOptions> {
  const texts = pathsOf(files).map((path) =>
    readFile(path, 'utf8').catch((cause: unknown) => {
      throw readError(path, cause as Error);
    }),
  );
  return materialOf(files, await Promise.all(texts));
}

/** Node does not always say which file it was. */
function readError(path: string, cause: Error): Error {
  return new Error(cause.message.includes(path) ? cause.message : `${cause.message} '${path}'`, { cause });
}

function pathsOf({ key, cert, ca }: ResolvedTlsFiles): string[] {
  return [...(key && cert ? [key, cert] : []), ...ca];
}

/** `texts` in the order of `pathsOf`. */
function materialOf({ key, ca }: ResolvedTlsFiles, texts: string[]): SecureContextOptions {
  const pair = key ? { key: texts[0], cert: texts[1] } : {};
  return ca.length > 0 ? { ...pair, ca: texts.slice(-ca.length) } : pair;
}
