import { Child } from '../parts/child.js';

/** The servers of this sample. */
export type ServerName = 'a' | 'b' | 'c';

/** A server in a process of its own. It comes back on the port where it was. */
export class ServerProcess extends Child {
  constructor(
    readonly id: ServerName,
    readonly port: number,
    certificate: { readonly key: string; readonly cert: string },
  ) {
    super(`server ${id}`, new URL('server.ts', import.meta.url), () => ({
      SERVER_NAME: id,
      POOL_PORT: port,
      TLS_KEY: certificate.key,
      TLS_CERT: certificate.cert,
    }));
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }
}
