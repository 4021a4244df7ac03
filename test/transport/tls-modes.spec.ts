import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ClientPoolOptions,
  createClientPool,
  createServerPool,
  type NpwsError,
  type ServerPoolOptions,
} from 'nestjs-npws';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { createPair, takeBoth } from '../support/pair.js';
import { portOf, startServer } from '../support/raw-joined.js';

const DAY = 86_400_000;
let authority: KeyPair;
let proper: KeyPair;

beforeAll(async () => {
  // With the name of those that it signs it would look like one of them, signed by itself.
  authority = await createCertificate({ isAuthority: true, commonName: 'test authority' });
  proper = await createCertificate({ issuer: authority });
});

/** How a client's first dial to a server with these options ends: an error, or the protocol agreed on. */
async function dialled(
  server: ServerPoolOptions['tls'],
  client: Partial<ClientPoolOptions>,
): Promise<{ error?: NpwsError; protocol?: string | null; authorized?: boolean; problem?: string | null; warnings: string[] }> {
  await using serverPool = await startServer({ tls: server });
  await using pool = createClientPool({ address: `127.0.0.1:${portOf(serverPool)}`, drainTimeout: 0, ...client });
  const warnings: string[] = [];
  pool.on('warning', (message) => warnings.push(message));
  const failed = new Promise<NpwsError>((resolve) => pool.once('dialError', resolve));
  await pool.start();
  const error = await Promise.race([failed, pool.whenReady()]);
  if (error) {
    expect([serverPool.errorCount(), serverPool.active()]).toEqual([0, 0]);
    return { error, warnings };
  }
  const { tls } = await pool.incomingGet();
  return { protocol: tls?.protocol, authorized: tls?.authorized, problem: tls?.authorizationError, warnings };
} // prettier-ignore

describe("tlsMode 'verified'", () => {
  it.each<[string, string, () => Promise<KeyPair>]>([
    ['a self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT', () => createCertificate()],
    ['a certificate for another host', 'ERR_TLS_CERT_ALTNAME_INVALID', () => createCertificate({ issuer: authority, altNames: [{ type: 2, value: 'other.example' }] })],
    ['an expired certificate', 'CERT_HAS_EXPIRED', () => createCertificate({ issuer: authority, notBefore: new Date(Date.now() - 9 * DAY), notAfter: new Date(Date.now() - DAY) })],
    ['a certificate of the future', 'CERT_NOT_YET_VALID', () => createCertificate({ issuer: authority, notBefore: new Date(Date.now() + DAY), notAfter: new Date(Date.now() + 9 * DAY) })],
  ])('refuses %s with %s', async (_, code, create) => {
    const { error } = await dialled(await create(), { tls: { ca: authority.cert } });
    expect(error).toMatchObject({ code: 'ERR_NPWS_DIAL', cause: { code } });
  }); // prettier-ignore

  it('refuses a certificate of an authority that it does not know', async () => {
    const { error } = await dialled(proper, {});
    expect(error).toMatchObject({
      code: 'ERR_NPWS_DIAL',
      cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    });
  });

  it('accepts a proper certificate, by IP address and by name', async () => {
    const expected = { protocol: 'TLSv1.3', authorized: true, problem: null, warnings: [] };
    expect(await dialled(proper, { tls: { ca: authority.cert } })).toEqual(expected);
    expect(await dialled(proper, { tls: { ca: authority.cert, servername: 'localhost' } })).toEqual(expected);
  });
});

describe('certificates of clients', () => {
  const asking = (): ServerPoolOptions['tls'] => ({ ...proper, ca: authority.cert, requestCert: true });

  it("are checked when the server asks for them, and tell it the client's identity", async () => {
    const client = await createCertificate({ issuer: authority, commonName: 'edge 7' });
    await using pair = await createPair({
      server: { tls: asking() },
      client: { tlsMode: 'verified', tls: { ca: authority.cert, ...client } },
    });
    const { atServer } = await takeBoth(pair);
    const { authorized, authorizationError, peerCertificate } = atServer.tls ?? {};
    expect([authorized, authorizationError, peerCertificate?.subject.CN]).toEqual([true, null, 'edge 7']);
    expect(peerCertificate?.fingerprint256).toBe(new X509Certificate(client.cert).fingerprint256);
    atServer.end();
  });

  it.each<[string, string, string, () => Promise<KeyPair | undefined>]>([
    ['none', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'TLS: peer did not return a certificate', () => Promise.resolve(undefined)],
    // Node drops these without an alert.
    ['one of an authority that the server does not know', 'ECONNRESET', 'TLS: client certificate refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE', async () => createCertificate({ issuer: await createCertificate({ isAuthority: true, commonName: 'another authority' }) })],
    ['an expired one', 'ECONNRESET', 'TLS: client certificate refused: CERT_HAS_EXPIRED', () => createCertificate({ issuer: authority, notBefore: new Date(Date.now() - 9 * DAY), notAfter: new Date(Date.now() - DAY) })],
  ])('are refused: %s (%s)', async (_, code, reason, create) => {
    await using server = await startServer({ tls: asking() });
    const tls = { ca: authority.cert, ...(await create()) };
    await using client = createClientPool({ address: `127.0.0.1:${portOf(server)}`, tls });
    const rejected = once(server, 'reject') as Promise<[{ reason: string }]>;
    const failed = once(client, 'dialError') as Promise<[NpwsError]>;
    await client.start();
    expect((await rejected)[0].reason).toBe(reason);
    const [error] = await failed;
    expect(error.code).toMatch(/^ERR_NPWS_(DIAL|HANDSHAKE)$/);
    expect(error.cause).toMatchObject({ code });
  }); // prettier-ignore
});

describe("tlsMode 'self-signed'", () => {
  it.each(['self-signed', '1'] as const)('accepts any certificate and warns once (%s)', async (tlsMode) => {
    const outcome = await dialled(await createCertificate(), { tlsMode, minCapacity: 3, maxCapacity: 3 });
    expect(outcome).toMatchObject({
      protocol: 'TLSv1.3',
      authorized: false,
      problem: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    expect(outcome.warnings).toEqual([expect.stringContaining('not verified')]);
  });
});

describe('the version of TLS', () => {
  it('is 1.3 at least: a client of 1.2 is refused and counted as a stranger', async () => {
    const client = { tlsMode: 'self-signed', tls: { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' } } as const;
    await using server = await startServer({ tls: proper });
    await using pool = createClientPool({ address: `127.0.0.1:${portOf(server)}`, ...client });
    const rejected = new Promise((resolve) => server.once('reject', resolve));
    const failed = new Promise<NpwsError>((resolve) => pool.once('dialError', resolve));
    await pool.start();
    expect(await rejected).toMatchObject({
      status: 0,
      reason: 'TLS: unsupported protocol',
      peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    expect(await failed).toMatchObject({
      code: 'ERR_NPWS_DIAL',
      message: expect.stringMatching(/ wss:\S+ TLS: tlsv1 alert protocol version\. \S/),
      cause: { code: 'EPROTO' },
    });
    expect(server.errorCount()).toBe(0);
  });

  it('is 1.3 at least: a server of 1.2 is refused', async () => {
    const { error } = await dialled(
      { ...proper, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
      { tlsMode: 'self-signed' },
    );
    expect(error).toMatchObject({ code: 'ERR_NPWS_DIAL', cause: { code: 'EPROTO' } });
  });

  it('may be 1.2 where both ends say so, with the ciphers that NPWS names for production', async () => {
    const server = {
      ...(await createCertificate({ issuer: authority })),
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ciphers: 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384',
    } as const;
    const client = { tls: { ca: authority.cert, minVersion: 'TLSv1.2' } } as const;
    expect(await dialled(server, client)).toMatchObject({ protocol: 'TLSv1.2', authorized: true });
  });

  it('stays 1.3 with a list of ciphers of 1.2', async () => {
    const ciphers =
      'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305';
    const outcome = await dialled({ ...proper, ciphers }, { tls: { ca: authority.cert, ciphers } });
    expect(outcome).toMatchObject({ protocol: 'TLSv1.3', authorized: true });
  });
});

describe('a certificate that is none', () => {
  it.each([
    ["the server's certificate", () => createServerPool({ listen: { port: 0 }, tls: { ...proper, cert: 'nonsense' } })],
    ["the server's key", () => createServerPool({ listen: { port: 0 }, tls: { ...proper, key: 'nonsense' } })],
    ['a key of another certificate', () => createServerPool({ listen: { port: 0 }, tls: { ...proper, key: authority.key } })],
    ["the client's certificate", () => createClientPool({ address: 'a:1', tls: { cert: 'nonsense', key: 'nonsense' } })],
    ['an authority that is none', () => createClientPool({ address: 'a:1', tls: { ca: 'nonsense' } })],
    ['versions that leave none', () => createClientPool({ address: 'a:1', tls: { maxVersion: 'TLSv1.2' } })],
    ['a list of ciphers of nonsense', () => createClientPool({ address: 'a:1', tls: { ciphers: 'NONSENSE' } })],
  ])('fails the making of the pool and names tls: %s', (_, create) => {
    expect(create).toThrow(expect.objectContaining({ code: 'ERR_NPWS_OPTIONS', message: expect.stringMatching(/\.tls/) }));
  }); // prettier-ignore
});
