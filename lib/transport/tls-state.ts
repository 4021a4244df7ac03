import type { Socket } from 'node:net';
import {
  TLSSocket,
  type CipherNameAndProtocol,
  type DetailedPeerCertificate,
  type PeerCertificate,
} from 'node:tls';

/** What TLS agreed on: NPWS's `ConnectionState`. */
export interface TlsState {
  /** Such as 'TLSv1.3'. */
  readonly protocol: string | null;
  /** As `tls.TLSSocket.getCipher()` tells it. */
  readonly cipher: CipherNameAndProtocol;
  /** Whether both ends resumed a session: then no certificate was shown, those of the session hold. */
  readonly resumed: boolean;
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
  return {
    protocol: socket.getProtocol(),
    cipher: socket.getCipher(),
    // Of one that is gone it is null.
    resumed: !socket.destroyed && socket.isSessionReused(),
    ...verdictOf(socket),
  };
}

/** What was found of a peer's certificate. */
export type Verdict = Pick<TlsState, 'authorized' | 'authorizationError' | 'peerCertificate'>;

/** Those that a client's resumed sessions rest on: Node forgets the certificate, and that its name was wrong. */
const ofSessions = new WeakMap<TLSSocket, Verdict>();

/** Notes what the session was found to be that a socket resumes. */
export function setVerdictOf(socket: TLSSocket, verdict: Verdict): void {
  ofSessions.set(socket, verdict);
}

/** What Node found of the certificate that a socket's peer showed, or what its resumed session rests on. */
export function verdictOf(socket: TLSSocket): Verdict {
  const known = ofSessions.get(socket);
  if (known) return known;
  const shown = socket.getPeerCertificate() as PeerCertificate | null;
  return {
    authorized: socket.authorized,
    authorizationError: codeOf(socket),
    peerCertificate: shown && Object.keys(shown).length > 0 ? shown : null,
  };
}

/** Why the peer's certificate is not good, or null. Node's types say that it is an Error; it is its code. */
export function codeOf({ authorizationError }: TLSSocket): string | null {
  return (authorizationError as unknown as string | null | undefined) ?? null;
}
