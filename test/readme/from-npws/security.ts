import type { ServerPoolOptions } from 'nestjs-npws';

export function servers(
  listen: { host: string; port: number },
  key: string,
  cert: string,
): ServerPoolOptions[] {
  // #region client-ip
  const anyClient: ServerPoolOptions = { listen, tls: { key, cert }, maxCapacity: 100, clientIP: '' };
  const oneClient: ServerPoolOptions = { ...anyClient, clientIP: '192.168.1.100' };
  const someClients: ServerPoolOptions = { ...anyClient, clientIP: ['192.168.1.100', '10.0.0.0/8'] };
  // #endregion
  return [anyClient, oneClient, someClients];
}
