// #region production
import { readFile } from 'node:fs/promises';
import { Module } from '@nestjs/common';
import { NpwsModule, type NpwsOptions } from 'nestjs-npws';

@Module({
  imports: [
    NpwsModule.forRootAsync({
      useFactory: (): NpwsOptions => ({
        server: {
          listen: {
            host: process.env['POOL_HOST'] ?? '0.0.0.0',
            port: Number(process.env['POOL_PORT'] ?? 8443),
          },
          tlsFiles: { key: 'server.key', cert: 'server.crt' }, // read again when they change
          tls: {
            minVersion: 'TLSv1.3',
            ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
          },
          maxCapacity: 100,
          clientIP: process.env['CLIENT_IP'] ?? '192.168.1.100', // nobody else
          keepAlive: 30_000,
        },
      }),
    }),
  ],
})
export class ProductionServerModule {}

@Module({
  imports: [
    NpwsModule.forRootAsync({
      useFactory: async (): Promise<NpwsOptions> => ({
        client: {
          address: process.env['POOL_ADDRESS'] ?? 'api.example.com:8443',
          tlsMode: 'verified',
          tls: { ca: await readFile('ca.crt') }, // only for an authority of your own
          minCapacity: 20,
          maxCapacity: 50,
          minInterval: 500,
          maxInterval: 5_000,
          keepAlive: 30_000,
        },
      }),
    }),
  ],
})
export class ProductionClientModule {}
// #endregion
