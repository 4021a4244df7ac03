import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  TLSSocket,
  type CipherNameAndProtocol,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureContext,
  type Server,
} from 'node:tls';
import { NpwsOptionsError } from '../core/errors.js';
import type { ResolvedClientOptions, ResolvedOptions, ResolvedServerOptions } from '../core/options.js';

/** The least version of TLS unless the application says otherwise. */
const MIN_VERSION = 'TLSv1.3';

/** What TLS agreed on: NPWS's `ConnectionState`. */
export interface TlsState {
  /** Such as 'TLSv1.3'. */
  readonly protocol: string | null;
  readonly cipher: CipherNameAndProtocol;
  /** Whether the peer's certificate was checked and found good. */
  readonly authorized: boolean;
  readonly authorizationError: Error | null;
  /** The peer's certificate, or null when it showed none. */
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
    authorizationError: socket.authorized ? null : socket.authorizationError,
    peerCertificate: certificate && Object.keys(certificate).length > 0 ? certificate : null,
  };
}

/** The one context that all dials share: one for each would cost 20 KiB a connection. Null for plain ws. */
export function clientContext({ tls, tlsMode }: ResolvedClientOptions): SecureContext | null {
  if (tlsMode === 'none') return null;
  if (tls.secureContext) return tls.secureContext;
  return orOptionsError('client.tls', () =>
    createSecureContext({ ...tls, minVersion: tls.minVersion ?? MIN_VERSION }),
  );
}

/** A TLS server that does not listen: it is fed with sockets. Null for plain ws. */
export function tlsServer({ tls }: ResolvedServerOptions): Server | null {
  if (!tls) return null;
  return orOptionsError('server.tls', () =>
    createServer({ ...tls, minVersion: tls.minVersion ?? MIN_VERSION }),
  );
}

/** What Node does not like in the TLS options of either role. */
export function tlsProblemsOf({ client, server }: ResolvedOptions): string[] {
  return [() => client && clientContext(client), () => server && tlsServer(server)].flatMap((create) => {
    try {
      create();
      return [];
    } catch (error) {
      if (error instanceof NpwsOptionsError) return error.problems;
      throw error;
    }
  });
}

function orOptionsError<T>(option: string, create: () => T): T {
  try {
    return create();
  } catch (cause) {
    throw new NpwsOptionsError([`${option}: ${(cause as Error).message}`], { cause });
  }
}
