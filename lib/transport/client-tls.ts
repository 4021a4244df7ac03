import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type SecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import type { ResolvedClientOptions } from '../core/client-options.js';
import { contextOf, RoleTls } from './role-tls.js';
import { setVerdictOf, type Verdict, verdictOf } from './tls-state.js';

/** What a later dial may resume. */
interface Session {
  readonly ticket: Buffer;
  /** What was found of the server's certificate. */
  readonly verdict: Verdict;
  /** When the certificate expires, in milliseconds since 1970. */
  readonly validTo: number;
  /** Whether a dial has resumed it and come to its end. */
  hasServed: boolean;
}

/** So many sessions that did not serve once show a server that can't resume what it gives. */
const MOST_DUDS = 3;

/** The client's half. Throws `NpwsOptionsError` when Node does not take the options. */
export class ClientTls extends RoleTls {
  /** The one context that all dials share: one for each would cost 20 KiB a connection. */
  #context: SecureContext;
  #session: Session | undefined;
  #duds = 0;
  /** What was offered to the servers that were reached. */
  readonly #offered = new WeakMap<TLSSocket, Session>();

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
    const { host, port, tls, tlsMode, pins } = this.options;
    const context = this.#context;
    const session = this.#resumable();
    const socket = connect(
      {
        ...tls,
        host,
        port,
        servername: tls.servername ?? (isIP(host) ? undefined : host),
        secureContext: context,
        session: session?.ticket,
        rejectUnauthorized: tlsMode === 'verified',
      },
      () => {
        if (session && socket.isSessionReused()) {
          setVerdictOf(socket, session.verdict);
        } else {
          const problem = pinProblemOf(socket, pins);
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
    if (session) socket.once('connect', () => this.#offered.set(socket, session));
    return socket;
  }

  /** A dial has become a link. */
  succeeded(socket: TLSSocket): void {
    if (!socket.isSessionReused()) {
      // What has not come by now does not come.
      socket.removeAllListeners('session');
      return;
    }
    const session = this.#offered.get(socket);
    if (session) session.hasServed = true;
    this.#duds = 0;
  }

  /** A dial got no answer: the session may be why. */
  failed(socket: TLSSocket): void {
    const session = this.#offered.get(socket);
    if (!session || session !== this.#session) return;
    this.#session = undefined;
    if (!session.hasServed) this.#duds++;
  }

  protected override use(material: SecureContextOptions): void {
    if (this.options.tls.secureContext)
      throw new Error('nothing can be renewed in a `secureContext` of your own');
    this.#context = contextOf(material);
    this.#session = undefined;
    this.#duds = 0;
  }

  /**
   * What a dial resumes (RFC 8446, section 2.2), as those of Node's `https.Agent` do: by it the server proves that it is
   * the one that showed the certificate. It goes no further than to this pool's server, and ends with the certificate
   * and with the context that this was checked with.
   */
  #resumable(): Session | undefined {
    if (!(Date.now() < (this.#session?.validTo ?? 0))) this.#session = undefined;
    return this.#session;
  }

  /** Keeps the session of a whole hand-shake in place of the one that the server did not resume. */
  #replaceSession(stale: Session | undefined, socket: TLSSocket, context: SecureContext): void {
    if (this.#session !== stale) return;
    this.#session = undefined;
    // A check of the application's own is asked each time.
    if (this.options.tls.checkServerIdentity || this.#duds === MOST_DUDS) return;
    socket.once('session', (ticket: Buffer) => {
      // Of several dials at once, one will do.
      if (this.#session || context !== this.#context) return;
      const verdict = verdictOf(socket);
      const validTo = Date.parse(verdict.peerCertificate?.valid_to ?? '');
      this.#session = { ticket, verdict, validTo, hasServed: false };
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
  const { peerCertificate } = verdictOf(socket);
  const pin = peerCertificate ? pinOf(peerCertificate.raw) : 'none';
  if (pins.includes(pin)) return null;
  const message = `the server's public key is none of those pinned: it is sha256/${pin}`;
  return Object.assign(new Error(message), { code: 'ERR_NPWS_PIN' });
}
