import {
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { ResolvedTlsFiles } from '../core/tls-options.js';
import { contextOf, RoleTls, withMinVersion } from './role-tls.js';
import { reasonOf } from './tls-reason.js';
import { codeOf } from './tls-state.js';

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
    const { ca, crl } = this.material;
    // Read from files, they are others each time.
    const isTrustChanged = !isDeepStrictEqual([material.ca, material.crl], [ca, crl]);
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

/** Why a server's hand-shake with a client failed. */
export function refusalOf(error: Error, socket: TLSSocket): string {
  // Node says 'socket hang up' of a client whose certificate it has just refused, and has a code here.
  const code = codeOf(socket);
  return code ? `TLS: client certificate refused: ${code}` : reasonOf(error);
}
