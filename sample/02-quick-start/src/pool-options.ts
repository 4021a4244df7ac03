import type { ConfigService } from '@nestjs/config';
import type { NpwsOptions } from 'nestjs-npws';
import { generate } from 'selfsigned';
import type { Environment } from './environment.js';

/** The options of both pools: the client dials the server beside it, over verified TLS. */
export async function createPoolOptions(config: ConfigService<Environment, true>): Promise<NpwsOptions> {
  // In production the certificate comes from your authority; this one is made at start and known to the client.
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  const port = config.get('POOL_PORT', { infer: true });
  const maxCapacity = config.get('POOL_MAX', { infer: true });
  const acquireTimeout = config.get('POOL_TIMEOUT', { infer: true });
  return {
    server: {
      listen: { host: 'localhost', port },
      tls: { key, cert },
      maxCapacity,
      acquireTimeout,
    },
    client: {
      address: `localhost:${port}`,
      tls: { ca: cert },
      minCapacity: config.get('POOL_MIN', { infer: true }),
      maxCapacity,
      minInterval: 100,
      maxInterval: 1_000,
      acquireTimeout,
      // It dials this very application: `bootstrap` starts it when the server pool listens.
      autoStart: false,
    },
  };
}
