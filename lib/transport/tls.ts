import type { ResolvedClientOptions } from '../core/client-options.js';
import { NpwsOptionsError } from '../core/errors.js';
import type { ResolvedOptions } from '../core/options.js';
import type { ResolvedServerOptions } from '../core/server-options.js';
import { ClientTls } from './client-tls.js';
import { ServerTls } from './server-tls.js';

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
