import { type ClientPoolOptions, pinOf, type ServerPoolOptions } from 'nestjs-npws';

export function productionServer(key: string, cert: string): ServerPoolOptions {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    // #region production-tls
    tls: {
      key,
      cert,
      minVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    },
    clientIP: ['192.168.1.100', '127.0.0.0/8'],
    // #endregion
  };
}

/** Accepts the one self-signed certificate that it was given. */
export function pinnedClient(address: string, pem: string): ClientPoolOptions {
  return {
    address,
    // #region pin
    tlsMode: 'self-signed',
    pin: pinOf(pem), // of 'nestjs-npws'; or the string that the command below prints, or a list of them
    // #endregion
  };
}
