import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { type ClientPoolOptions, createClientPool, type NpwsError, pinOf } from 'nestjs-npws';
import { createCertificate, type KeyPair, spkiOf } from '../support/certificates.js';
import { portOf, startServer } from '../support/raw-joined.js';

const OTHER = createHash('sha256').update('another key').digest('base64');

/** How the first dial of a client with these options ends, to a server with this certificate. */
async function dialled(
  server: KeyPair,
  options: Partial<ClientPoolOptions>,
): Promise<{ error?: NpwsError; authorized?: boolean; warnings: string[] }> {
  await using pool = await startServer({ tls: server });
  await using client = createClientPool({ address: `127.0.0.1:${portOf(pool)}`, drainTimeout: 0, ...options });
  const warnings: string[] = [];
  client.on('warning', (message) => warnings.push(message));
  const failed = once(client, 'dialError') as Promise<[NpwsError]>;
  await client.start();
  const [error] = (await Promise.race([failed, client.whenReady()])) ?? [];
  if (error) return { error, warnings };
  return { authorized: (await client.incomingGet()).tls?.authorized, warnings };
} // prettier-ignore

describe("a pin makes tlsMode 'self-signed' safe", () => {
  it.each(['', 'sha256/', 'sha256//'])(
    'and accepts the key with it, without a warning (%j)',
    async (prefix) => {
      const server = await createCertificate();
      const pin = `${prefix}${pinOf(server.cert)}`;
      expect(await dialled(server, { tlsMode: '1', pin })).toEqual({ authorized: false, warnings: [] });
    },
  );

  it('and accepts one of several, so that a key can be changed', async () => {
    const server = await createCertificate();
    expect(await dialled(server, { tlsMode: 'self-signed', pin: [OTHER, pinOf(server.cert)] })).toEqual({
      authorized: false,
      warnings: [],
    });
  });

  it('and refuses another key with an error that shows it', async () => {
    const server = await createCertificate();
    const { error } = await dialled(server, { tlsMode: 'self-signed', pin: OTHER });
    expect(error).toMatchObject({ code: 'ERR_NPWS_DIAL', cause: { code: 'ERR_NPWS_PIN' } });
    expect(error?.message).toContain(`none of those pinned: it is sha256/${pinOf(server.cert)}`);
  });

  it('and tells a server with another key nothing of the request', async () => {
    const pair = await createCertificate();
    let heard = 0;
    const server = createServer({ ...pair, minVersion: 'TLSv1.3' }, (socket: TLSSocket) => {
      socket.on('data', (bytes: Buffer) => (heard += bytes.length)).on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await using client = createClientPool({
      address: `127.0.0.1:${port}`,
      tlsMode: 'self-signed',
      pin: OTHER,
      headers: { Authorization: 'Bearer s3cret' },
    });
    const closed = new Promise<void>((resolve) => {
      server.on('connection', (socket: Socket) => socket.on('close', () => { resolve(); }));
    });
    await client.start();
    await closed;
    await client.close();
    server.close();
    await once(server, 'close');
    expect(heard).toBe(0);
  }); // prettier-ignore
});

describe("a pin with tlsMode 'verified'", () => {
  it('is asked for as well', async () => {
    const server = await createCertificate();
    const trusting = { tls: { ca: server.cert } };
    expect(await dialled(server, { ...trusting, pin: pinOf(server.cert) })).toMatchObject({
      authorized: true,
    });
    expect((await dialled(server, { ...trusting, pin: OTHER })).error?.code).toBe('ERR_NPWS_DIAL');
    expect((await dialled(server, { pin: pinOf(server.cert) })).error?.cause).toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
  });
});

describe('pinOf', () => {
  it('hashes the public key, of a certificate as PEM or DER', async () => {
    const { key, cert } = await createCertificate();
    const body = spkiOf(key).replace(/-----[^-]+-----|\s/g, '');
    const expected = createHash('sha256').update(Buffer.from(body, 'base64')).digest('base64');
    expect([pinOf(cert), pinOf(new X509Certificate(cert).raw)]).toEqual([expected, expected]);
  });

  it('is of the key: it outlives a certificate that is renewed with the same key', async () => {
    const { key, cert } = await createCertificate();
    const renewed = await createCertificate({ key });
    expect(renewed.cert).not.toBe(cert);
    expect(pinOf(renewed.cert)).toBe(pinOf(cert));
  });
});
