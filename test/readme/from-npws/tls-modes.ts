import { type ClientPoolOptions, pinOf } from 'nestjs-npws';

export function modes(address: string, serverCertificate: string): ClientPoolOptions[] {
  const bounds = { address, minCapacity: 5, maxCapacity: 20, minInterval: 500, maxInterval: 5_000 };
  // #region tls-modes
  // Development and testing: encrypted, not verified. The pool says so once when it starts.
  const development: ClientPoolOptions = { ...bounds, tlsMode: '1' };

  // Production: verified, by a public authority or by `tls.ca`.
  const production: ClientPoolOptions = { ...bounds, tlsMode: '2' };

  // What NPWS can't: a self-signed certificate that nobody else can stand in for.
  const pinned: ClientPoolOptions = { ...bounds, tlsMode: '1', pin: pinOf(serverCertificate) };
  // #endregion
  return [development, production, pinned];
}
