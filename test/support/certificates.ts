import { createPublicKey } from 'node:crypto';
import { generate, type SubjectAltNameEntry } from 'selfsigned';

/** A certificate and its key, both PEM. */
export interface KeyPair {
  key: string;
  cert: string;
}

interface CertificateOptions {
  /** Names and addresses it is good for. Default: localhost, 127.0.0.1 and ::1. */
  altNames?: SubjectAltNameEntry[];
  notBefore?: Date;
  notAfter?: Date;
  /** Who signs it; itself by default. */
  issuer?: KeyPair;
  isAuthority?: boolean;
  /** The name of whom it is for. Default 'nestjs-npws test'. */
  commonName?: string;
  /** The private key to use again (PEM); a new one by default. */
  key?: string;
}

const LOCAL: SubjectAltNameEntry[] = [
  { type: 2, value: 'localhost' },
  { type: 7, ip: '127.0.0.1' },
  { type: 7, ip: '::1' },
];

/** Makes a certificate for tests. */
export async function createCertificate(options: CertificateOptions = {}): Promise<KeyPair> {
  const { altNames = LOCAL, notBefore, notAfter, issuer, isAuthority = false, key: used } = options;
  const { commonName = 'nestjs-npws test' } = options;
  const { private: key, cert } = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: notBefore,
    notAfterDate: notAfter,
    ca: issuer,
    ...(used ? { keyPair: { privateKey: used, publicKey: spkiOf(used) } } : {}),
    extensions: [
      { name: 'basicConstraints', cA: isAuthority, critical: true },
      ...(isAuthority ? [{ name: 'keyUsage' as const, keyCertSign: true, cRLSign: true }] : []),
      { name: 'subjectAltName', altNames },
    ],
  });
  return { key, cert };
}

/** The public key of a private one, PEM. */
export function spkiOf(key: string): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}
