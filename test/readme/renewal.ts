import type { ClientPoolService, ServerPoolOptions, ServerPoolService } from 'nestjs-npws';

/** A server pool whose certificates are files. */
export function serverWithFiles(folder: string): ServerPoolOptions {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    // #region tls-files
    tlsFiles: { key: `${folder}/tls.key`, cert: `${folder}/tls.crt`, interval: 10_000 },
    // #endregion
  };
}

/** What an application does when it gets a new certificate by a way of its own. */
export function renew(
  serverPool: Pick<ServerPoolService, 'updateTls'>,
  clientPool: Pick<ClientPoolService, 'updateTls'>,
  { key, cert, ca }: { key: string; cert: string; ca: string },
): void {
  // #region update-tls
  serverPool.updateTls({ key, cert }); // what is not named stays
  clientPool.updateTls({ ca });
  // #endregion
}
