import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  connect,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls';
import type { ResolvedClientOptions } from '../core/client-options.js';
import { contextOf, RoleTls } from './role-tls.js';
import { certificateOf, setCertificateOf } from './tls-state.js';

/** What a later dial may resume. */
interface Session {
  readonly ticket: Buffer;
  /** The server's certificate, which was found good. */
  readonly certificate: PeerCertificate;
}

/** The client's half. Throws `NpwsOptionsError` when Node does not take the options. */
export class ClientTls extends RoleTls {
  /** The one context that all dials share: one for each would cost 20 KiB a connection. */
  #context: SecureContext;
  #session: Session | undefined;

  constructor(
    pool: string,
    private readonly options: ResolvedClientOptions,
  ) {
    const { tls, tlsFiles } = options;
    super('client', pool, tls, tlsFiles);
    this.#context = tls.secureContext ?? this.orOptionsError(this.option, () => contextOf(this.material));
  }

  /** Dials the server; calls back when TLS stands and the server is the right one. */
  connect(secured: () => void): TLSSocket {
    const { host, port, tls, tlsMode } = this.options;
    const context = this.#context;
    const session = this.#resumable();
    const socket = connect(
      {
        ...tls,
        host,
        port,
        servername: tls.servername ?? (isIP(host) ? undefined : host),
        secureContext: context,
        session: session?.ticket ?? tls.session,
        rejectUnauthorized: tlsMode === 'verified',
      },
      () => {
        if (session && socket.isSessionReused()) {
          setCertificateOf(socket, session.certificate);
        } else {
          const problem = pinProblemOf(socket, this.options.pins);
          if (problem) {
            // Destroyed here, the socket sends nothing: the request may bear secrets.
            socket.destroy(problem);
            return;
          }
          this.#replaceSession(session, socket, context);
        }
        secured();
      },
    );
    return socket;
  }

  /** Has the next dial make a whole hand-shake: one has failed, and a session may be why. */
  forgetSession(): void {
    this.#session = undefined;
  }

  protected override use(material: SecureContextOptions): void {
    if (this.options.tls.secureContext)
      throw new Error('nothing can be renewed in a `secureContext` of your own');
    this.#context = contextOf(material);
    this.#session = undefined;
  }

  /**
   * What a dial resumes (RFC 8446, section 2.2), as those of Node's `https.Agent` do: by it the server proves that it is
   * the one that showed the certificate. It goes no further than to this pool's server, and ends with the certificate
   * and with the context that this was checked with.
   */
  #resumable(): Session | undefined {
    const session = this.#session;
    if (session && Date.now() >= Date.parse(session.certificate.valid_to)) this.#session = undefined;
    return this.#session;
  }

  /** Keeps the session of a whole hand-shake in place of the one that the server did not resume. */
  #replaceSession(stale: Session | undefined, socket: TLSSocket, context: SecureContext): void {
    // Of several dials at once, one will do.
    if (this.#session !== stale) return;
    this.#session = undefined;
    socket.once('session', (ticket: Buffer) => {
      const certificate = certificateOf(socket);
      if (certificate && context === this.#context) this.#session ??= { ticket, certificate };
    });
  }
}

/**
 * What the client's option `pin` takes for a certificate (PEM or DER): the SHA-256 of its public key, in base64.
 * Throws Node's error for what is no certificate.
 */
export function pinOf(certificate: string | Buffer): string {
  const { publicKey } = new X509Certificate(certificate);
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

/** What is wrong with the certificate that a server showed, if only some public keys are accepted, or null. */
function pinProblemOf(socket: TLSSocket, pins: readonly string[]): Error | null {
  if (pins.length === 0) return null;
  const certificate = certificateOf(socket);
  const pin = certificate ? pinOf(certificate.raw) : 'none';
  if (pins.includes(pin)) return null;
  const message = `the server's public key is none of those pinned: it is sha256/${pin}`;
  return Object.assign(new Error(message), { code: 'ERR_NPWS_PIN' });
}
