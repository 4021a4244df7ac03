import { X509Certificate } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/** From the first dashes of a certificate to its end, or to where it is cut off. */
const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*(?:-----END [A-Z0-9 ]+-----)?/g;

/**
 * Throws for what Node passes over in silence and what then refuses everybody, or lets in anybody: a key or certificate
 * that is empty, PEM text without a certificate or with half of one, versions that leave none.
 */
export function checkMaterial(material: SecureContextOptions): void {
  const { minVersion, maxVersion } = material;
  if (minVersion && maxVersion && minVersion > maxVersion) {
    throw new Error(`maxVersion ${maxVersion} is below minVersion ${minVersion}`);
  }
  for (const name of ['key', 'cert', 'ca'] as const) {
    const given: unknown = material[name];
    if (given === undefined) continue;
    const items: unknown[] = Array.isArray(given) ? given : [given];
    if (items.length === 0) throw new Error(`${name} is empty`);
    for (const item of items) if (typeof item === 'string' || Buffer.isBuffer(item)) checkText(name, item);
  }
}

function checkText(name: 'key' | 'cert' | 'ca', text: string | Buffer): void {
  if (text.length === 0) throw new Error(`${name} is empty`);
  if (name === 'key') return;
  const certificates = text.toString('latin1').match(CERTIFICATE);
  if (!certificates) throw new Error(`${name} holds no certificate (file names go into tlsFiles)`);
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      throw new Error(`${name} holds a certificate that is broken: ${(cause as Error).message}`, { cause });
    }
  }
}
