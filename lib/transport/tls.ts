import { createHash, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  TLSSocket,
  type CipherNameAndProtocol,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TlsOptions,
} from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Certificates } from '../core/certificates.js';
import { NpwsOptionsError, type PoolRole } from '../core/errors.js';
import type { ResolvedClientOptions } from '../core/client-options.js';
import type { ResolvedOptions } from '../core/options.js';
import type { ResolvedServerOptions } from '../core/server-options.js';
import { type ResolvedTlsFiles, resolveTlsUpdate, type TlsUpdate } from '../core/tls-options.js';
import { checkMaterial } from './certificate-check.js';
import { readTlsFiles, readTlsFilesNow } from './tls-files.js';

/** The least version of TLS unless the application says otherwise. */
const MIN_VERSION = 'TLSv1.3';

/** What TLS agreed on: NPWS's `ConnectionState`. */
export interface TlsState {
  /** Such as 'TLSv1.3'. */
  readonly protocol: string | null;
  /** As `tls.TLSSocket.getCipher()` tells it. */
  readonly cipher: CipherNameAndProtocol;
  /** Whether the peer's certificate was checked and found good. */
  readonly authorized: boolean;
  /** Why not: Node's code, such as 'DEPTH_ZERO_SELF_SIGNED_CERT'. */
  readonly authorizationError: string | null;
  /** The peer's certificate, or null when it showed none. A server asks for one by `tls.requestCert`. */
  readonly peerCertificate: PeerCertificate | DetailedPeerCertificate | null;
}

/** The TLS state of a socket, or null on plain ws. */
export function tlsStateOf(socket: Socket): TlsState | null {
  if (!(socket instanceof TLSSocket)) return null;
  const certificate = socket.getPeerCertificate() as PeerCertificate | null;
  return {
    protocol: socket.getProtocol(),
    cipher: socket.getCipher(),
    authorized: socket.authorized,
    authorizationError: codeOf(socket),
    peerCertificate: certificate && Object.keys(certificate).length > 0 ? certificate : null,
  };
}

/** What OpenSSL says of common mistakes, in words of the options. */
const REASONS: Readonly<Record<string, string>> = {
  'key values mismatch': 'key is not the key of cert',
  unsupported: 'key is no private key in PEM, or needs another passphrase',
  'bad decrypt': 'key needs another passphrase',
  'no start line': 'no PEM in it',
  'no cipher match': 'ciphers: none of them is known',
};

/** What TLS did not like, in a few words: Node shows OpenSSL's line with thread, function and source file. */
export function reasonOf({ message }: Error): string {
  const line = /(?:\w+ EPROTO )?(?:[0-9A-F]+:)?error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)(?::.*)?$/s;
  return message.replace(line, (_, reason: string) => REASONS[reason] ?? `TLS: ${reason}`);
}

/** Why a server's hand-shake with a client failed. */
export function refusalOf(error: Error, socket: TLSSocket): string {
  // Node says 'socket hang up' of a client whose certificate it has just refused, and has a code here.
  const code = codeOf(socket);
  return code ? `TLS: client certificate refused: ${code}` : reasonOf(error);
}

/** Why the peer's certificate is not good, or null. Node's types say that it is an Error; it is its code. */
function codeOf({ authorizationError }: TLSSocket): string | null {
  return (authorizationError as unknown as string | null | undefined) ?? null;
}

/**
 * What the client's option `pin` takes for a certificate (PEM or DER): the SHA-256 of its public key, in base64.
 * Throws Node's error for what is no certificate.
 */
export function pinOf(certificate: string | Buffer): string {
  return pinOfCertificate(new X509Certificate(certificate));
}

/** What is wrong with the certificate that a server showed, if only some public keys are accepted, or null. */
export function pinProblemOf(socket: TLSSocket, pins: readonly string[]): Error | null {
  if (pins.length === 0) return null;
  const certificate = socket.getPeerX509Certificate();
  const pin = certificate ? pinOfCertificate(certificate) : 'none';
  if (pins.includes(pin)) return null;
  const message = `the server's public key is none of those pinned: it is sha256/${pin}`;
  return Object.assign(new Error(message), { code: 'ERR_NPWS_PIN' });
}

function pinOfCertificate({ publicKey }: X509Certificate): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

/** TLS as the new connections of one role speak it; its certificates can be renewed. */
abstract class RoleTls implements Certificates {
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

/** The client's half. Throws `NpwsOptionsError` when Node does not take the options. */
export class ClientTls extends RoleTls {
  readonly #given: SecureContext | undefined;
  #context: SecureContext;

  constructor(pool: string, { tls, tlsFiles }: ResolvedClientOptions) {
    super('client', pool, tls, tlsFiles);
    this.#given = tls.secureContext;
    this.#context = this.#given ?? this.orOptionsError(this.option, () => contextOf(this.material));
  }

  /** The one context that all dials share: one for each would cost 20 KiB a connection. */
  get context(): SecureContext {
    return this.#context;
  }

  protected override use(material: SecureContextOptions): void {
    if (this.#given) throw new Error('nothing can be renewed in a `secureContext` of your own');
    this.#context = contextOf(material);
  }
}

/** The server's half. Throws `NpwsOptionsError` when Node does not take the options. */
export class ServerTls extends RoleTls {
  /** A TLS server that does not listen: it is fed with sockets. */
  readonly server: Server;
  readonly #hasTicketKeys: boolean;

  constructor(pool: string, tls: TlsOptions, files: ResolvedTlsFiles | undefined) {
    super('server', pool, tls, files);
    this.#hasTicketKeys = tls.ticketKeys !== undefined;
    this.server = this.orOptionsError(this.option, () => createServer(withMinVersion(this.material)));
  }

  protected override use(material: SecureContextOptions): void {
    const isTrustChanged = material.ca !== this.material.ca || material.crl !== this.material.crl;
    if (isTrustChanged && this.#hasTicketKeys) {
      throw new Error(
        '`ca` and `crl` stay while `tls.ticketKeys` is set: sessions resumed by it would outlive them',
      );
    }
    // Fails before the server is touched.
    contextOf(material);
    this.server.setSecureContext(withMinVersion(material));
  }
}

/** TLS as a client's options have it; null for plain ws. */
export function clientTls(pool: string, options: ResolvedClientOptions): ClientTls | null {
  return options.tlsMode === 'none' ? null : new ClientTls(pool, options);
}

/** TLS as a server's options have it; null for plain ws. */
export function serverTls(pool: string, { tls, tlsFiles }: ResolvedServerOptions): ServerTls | null {
  return (tls ?? tlsFiles) ? new ServerTls(pool, tls ?? {}, tlsFiles) : null;
}

/** What Node does not like in the TLS options of either role. */
export function tlsProblemsOf({ client, server }: ResolvedOptions): string[] {
  return [() => client && clientTls('', client), () => server && serverTls('', server)].flatMap((create) => {
    try {
      create();
      return [];
    } catch (error) {
      if (error instanceof NpwsOptionsError) return error.problems;
      throw error;
    }
  });
}

function withMinVersion<T extends SecureContextOptions>(tls: T): T {
  return { ...tls, minVersion: tls.minVersion ?? MIN_VERSION };
}

function contextOf(material: SecureContextOptions): SecureContext {
  return createSecureContext(withMinVersion(material));
}
