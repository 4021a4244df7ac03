import { expect, it } from '@jest/globals';
import { createClientPool, type NpwsHandshakeError, type ServerPoolOptions } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { until } from '../support/pair.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { describeWith } from './find-program.js';
import { KINDS, type ProxyKind, startProxy } from './proxy.js';

/** All are on this machine, so the proxies reach the pool from an address of their own. */
const CLIENT = '127.0.0.1';
const PROXY = '127.0.0.9';
const ELSEWHERE = '192.0.2.7';

const EDITS: Record<ProxyKind, (config: string) => string> = {
  nginx: (config) => config.replace('proxy_http_version', `proxy_bind ${PROXY};\n    proxy_http_version`),
  haproxy: (config) => config.replace('option forwardfor', `source ${PROXY}\n  option forwardfor`),
};

interface Case {
  server: Pick<ServerPoolOptions, 'clientIP' | 'trustProxy'>;
  /** What the client itself writes into X-Forwarded-For. */
  forged?: string;
  /** Whether it goes past the proxy. */
  isDirect?: boolean;
}

/** Dials once: the address that the server's connection tells, or what the dial failed of and who was refused. */
async function dial(kind: ProxyKind, { server, forged, isDirect = false }: Case): Promise<unknown> {
  const certificate = await createCertificate();
  await using pool = await startServer(server);
  const ports = { plain: portOf(pool), secure: portOf(pool) };
  await using proxy = await startProxy(kind, { ...ports, certificate, edit: EDITS[kind] });
  await using client = createClientPool({
    address: `127.0.0.1:${isDirect ? ports.plain : proxy.ended}`,
    ...(isDirect ? { tlsMode: 'none' as const } : { tls: { ca: certificate.cert } }),
    ...(forged === undefined ? {} : { headers: { 'X-Forwarded-For': forged } }),
  });
  const refused: string[] = [];
  pool.on('reject', ({ peer }) => refused.push(peer.replace(/:\d+/g, '')));
  const failures: (number | null)[] = [];
  client.on('dialError', (error) => failures.push((error as NpwsHandshakeError).status));
  await client.start();
  await until(client, () => client.active() + failures.length > 0);
  if (failures.length > 0) return { status: failures[0], refused: refused[0] };
  const connection = await pool.incomingGet();
  connection.destroy();
  return connection.remoteAddress;
}

describeWith(...KINDS).each(KINDS)('behind %s', (kind) => {
  it.each<[string, Case, unknown]>([
    [
      'a trusted proxy tells who the client is',
      { server: { clientIP: CLIENT, trustProxy: PROXY } },
      CLIENT,
    ],
    [
      'what the client itself forwards is not believed',
      { server: { clientIP: ELSEWHERE, trustProxy: PROXY }, forged: ELSEWHERE },
      { status: 403, refused: `${CLIENT} (by way of ${PROXY})` },
    ],
    [
      'nor is it when there are more',
      { server: { clientIP: ELSEWHERE, trustProxy: PROXY }, forged: `${ELSEWHERE}, ${PROXY}` },
      { status: 403, refused: `${CLIENT} (by way of ${PROXY})` },
    ],
    [
      'two proxies that are both trusted tell of the client before them',
      { server: { clientIP: ELSEWHERE, trustProxy: [PROXY, CLIENT] }, forged: ELSEWHERE },
      ELSEWHERE,
    ],
    [
      'without trustProxy the client is the proxy',
      { server: { clientIP: PROXY } },
      PROXY,
    ],
    [
      'without trustProxy the header is ignored',
      { server: { clientIP: [CLIENT, ELSEWHERE] }, forged: ELSEWHERE },
      { status: 403, refused: PROXY },
    ],
    [
      'who goes past the proxy is judged by its own address',
      { server: { clientIP: ELSEWHERE, trustProxy: PROXY }, forged: ELSEWHERE, isDirect: true },
      { status: 403, refused: CLIENT },
    ],
  ])('%s', async (_, given, expected) => {
    expect(await dial(kind, given)).toEqual(expected);
  }); // prettier-ignore
});
