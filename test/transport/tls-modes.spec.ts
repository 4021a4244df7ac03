import { generate } from 'selfsigned';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ClientPoolOptions,
  createClientPool,
  createServerPool,
  type NpwsError,
  type ServerPoolOptions,
} from 'nestjs-npws';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { portOf, startServer } from '../support/raw-joined.js';

const DAY = 86_400_000;
let authority: KeyPair;
let proper: KeyPair;

beforeAll(async () => {
  // With the name of those that it signs it would look like one of them, signed by itself.
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'test authority' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true },
    ],
  });
  authority = { key, cert };
  proper = await createCertificate({ issuer: authority });
});

/** How a client's first dial to a server with these options ends: an error, or the protocol agreed on. */
async function dialled(
  server: ServerPoolOptions['tls'],
  client: Partial<ClientPoolOptions>,
): Promise<{ error?: NpwsError; protocol?: string | null; authorized?: boolean; warnings: string[] }> {
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
  return { protocol: tls?.protocol, authorized: tls?.authorized, warnings };
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
    const expected = { protocol: 'TLSv1.3', authorized: true, warnings: [] };
    expect(await dialled(proper, { tls: { ca: authority.cert } })).toEqual(expected);
    expect(await dialled(proper, { tls: { ca: authority.cert, servername: 'localhost' } })).toEqual(expected);
  });

  it("checks the client's certificate when the server asks for one", async () => {
    const server = { ...proper, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
    const client = await createCertificate({ issuer: authority });
    const accepted = await dialled(server, { tls: { ca: authority.cert, ...client } });
    expect(accepted).toMatchObject({ authorized: true });
    const { error } = await dialled(server, { tls: { ca: authority.cert } });
    expect(error?.code).toMatch(/^ERR_NPWS_(DIAL|HANDSHAKE)$/);
  });
});

describe("tlsMode 'self-signed'", () => {
  it.each(['self-signed', '1'] as const)('accepts any certificate and warns once (%s)', async (tlsMode) => {
    const outcome = await dialled(await createCertificate(), { tlsMode, minCapacity: 3, maxCapacity: 3 });
    expect(outcome).toMatchObject({ protocol: 'TLSv1.3', authorized: false });
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
    expect(await rejected).toMatchObject({ status: 0, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    expect((await failed).code).toBe('ERR_NPWS_DIAL');
    expect(server.errorCount()).toBe(0);
  });

  it('is 1.3 at least: a server of 1.2 is refused', async () => {
    const { error } = await dialled(
      { ...proper, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
      { tlsMode: 'self-signed' },
    );
    expect(error?.code).toBe('ERR_NPWS_DIAL');
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
    ['a list of ciphers of nonsense', () => createClientPool({ address: 'a:1', tls: { ciphers: 'NONSENSE' } })],
  ])('fails the making of the pool and names tls: %s', (_, create) => {
    expect(create).toThrow(expect.objectContaining({ code: 'ERR_NPWS_OPTIONS', message: expect.stringMatching(/\.tls/) }));
  }); // prettier-ignore
});
