import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClientPool, createServerPool, type PoolConnection, type ServerPool } from 'nestjs-npws';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { createPair, type Pair, takeBoth, until } from '../support/pair.js';
import { portOf, startServer } from '../support/raw-joined.js';

let authority: KeyPair;
let folder: string;

beforeAll(async () => {
  authority = await createCertificate({ isAuthority: true, commonName: 'test authority' });
  folder = await mkdtemp(join(tmpdir(), 'npws-tls-'));
});

afterAll(() => rm(folder, { recursive: true }));

/** Who the peer of a connection is by its certificate. */
function nameOf({ tls }: PoolConnection): string | string[] | undefined {
  return tls?.peerCertificate?.subject.CN;
}

/** The name in the certificate that a server pool shows to whoever dials now. */
async function nameShownBy(server: ServerPool<PoolConnection>): Promise<string | string[] | undefined> {
  const address = `127.0.0.1:${portOf(server)}`;
  await using client = createClientPool({ address, tls: { ca: authority.cert } });
  await client.start();
  const connection = await client.incomingGet();
  const name = nameOf(connection);
  connection.destroy();
  return name;
}

function issue(commonName: string): Promise<KeyPair> {
  return createCertificate({ issuer: authority, commonName });
}

/** A pair in which both ends show a certificate. */
async function mutualPair(): Promise<Pair> {
  const [server, client] = await Promise.all([issue('server 0'), issue('client 0')]);
  return createPair({
    server: {
      tls: { ...server, ca: authority.cert, requestCert: true },
      maxCapacity: 20,
      acquireTimeout: 5_000,
    },
    client: {
      tlsMode: 'verified',
      tls: { ...client, ca: authority.cert },
      minCapacity: 4,
      maxCapacity: 4,
      minInterval: 10,
      maxInterval: 10,
    },
  });
}

describe('certificates renewed by updateTls', () => {
  it('100 times under load on both ends fail no dial and harm no stream', async () => {
    await using pair = await mutualPair();
    const { server, client } = pair;
    const troubles: unknown[] = [];
    client.on('dialError', (error) => troubles.push(error));
    server.on('reject', (reason) => troubles.push(reason));
    const long = await takeBoth(pair);
    const received = buffer(long.atClient);
    const sent = createHash('sha256');
    for (let round = 1; round <= 100; round++) {
      server.updateTls(await issue(`server ${round}`));
      client.updateTls(await issue(`client ${round}`));
      const bytes = randomBytes(10_000);
      sent.update(bytes);
      long.atServer.write(bytes);
      // Whatever was dialled before shows what it was dialled with.
      server.flush();
      const { atServer, atClient } = await takeBoth(pair);
      const answer = buffer(atServer);
      atClient.end(bytes);
      expect((await answer).equals(bytes)).toBe(true);
    }
    await until(client, () => client.active() === 4);
    const fresh = await takeBoth(pair);
    expect([nameOf(fresh.atClient), nameOf(fresh.atServer)]).toEqual(['server 100', 'client 100']);
    expect(fresh.atServer.tls?.authorized).toBe(true);
    fresh.atServer.end();
    long.atServer.end();
    const hash = createHash('sha256').update(await received);
    expect(hash.digest('hex')).toBe(sent.digest('hex'));
    expect([troubles, client.errorCount(), server.stats().rejected]).toEqual([[], 0, 0]);
  }, 60_000);

  it('leave what is not named as it was', async () => {
    await using pair = await mutualPair();
    const { server } = pair;
    const heard = once(server, 'tlsUpdate');
    server.updateTls(await issue('renewed'));
    expect(await heard).toEqual([{ by: 'updateTls' }]);
    server.flush();
    const { atServer, atClient } = await takeBoth(pair);
    // The authority for the client's certificate is still known, and TLS still 1.3 at least.
    expect([atServer.tls?.authorized, atServer.tls?.protocol]).toEqual([true, 'TLSv1.3']);
    expect(nameOf(atClient)).toBe('renewed');
    atServer.end();
  });

  it.each<[string, (proper: KeyPair) => object, RegExp]>([
    ['a key of another certificate', ({ cert }) => ({ key: authority.key, cert }), /: updateTls: key is not the key of cert/],
    ['nonsense', () => ({ key: 'nonsense', cert: 'nonsense' }), /: updateTls: cert holds no certificate/],
    ['an empty key and certificate', () => ({ key: '', cert: '' }), /: updateTls: key is empty/],
    ['an authority that is none', () => ({ ca: 'nonsense' }), /: updateTls: ca holds no certificate/],
    ['no authority at all', () => ({ ca: [] }), /: updateTls: ca is empty/],
    ['half an authority', () => ({ ca: [authority.cert, authority.cert.slice(0, 200)] }), /: updateTls: ca holds a certificate that is broken/],
    ['versions that leave none', () => ({ maxVersion: 'TLSv1.2' }), /: updateTls: maxVersion TLSv1.2 is below minVersion TLSv1.3/],
    ['what Node cannot change while it listens', () => ({ requestCert: false }), /: updateTls\.requestCert: unknown option/],
    ['no object', () => 5 as unknown as object, /: updateTls: expected an object, got 5/],
  ])('are refused as a whole: %s', async (_, given, message) => {
    await using pair = await mutualPair();
    const { server, client } = pair;
    const renewed = given(await issue('never'));
    for (const pool of [server, client]) {
      expect(() => { pool.updateTls(renewed); }).toThrow(expect.objectContaining({ code: 'ERR_NPWS_OPTIONS', message: expect.stringMatching(message) }));
    }
    server.flush();
    const { atServer, atClient } = await takeBoth(pair);
    expect([nameOf(atClient), nameOf(atServer)]).toEqual(['server 0', 'client 0']);
    atServer.end();
  }); // prettier-ignore

  it('keep what is named as undefined: no `ca` would mean every public authority', async () => {
    await using pair = await mutualPair();
    pair.server.updateTls({ ...(await issue('renewed')), ca: undefined, cert: undefined, key: undefined });
    pair.server.flush();
    const { atServer, atClient } = await takeBoth(pair);
    expect([nameOf(atClient), nameOf(atServer)]).toEqual(['server 0', 'client 0']);
    atServer.end();
    const stranger = await createCertificate({ issuer: await createCertificate({ isAuthority: true, commonName: 'other' }) });
    await using other = createClientPool({ address: `127.0.0.1:${portOf(pair.server)}`, tls: { ca: authority.cert, ...stranger } });
    const failed = once(other, 'dialError');
    await other.start();
    await failed;
  }); // prettier-ignore

  it('are refused for `ca` beside `ticketKeys`: a resumed session would outlive it', async () => {
    const tls = {
      ...(await issue('server')),
      ca: authority.cert,
      requestCert: true,
      ticketKeys: randomBytes(48),
    };
    await using server = await startServer({ tls });
    expect(() => {
      server.updateTls({ ca: [authority.cert] });
    }).toThrow('updateTls: `ca` and `crl` stay while `tls.ticketKeys` is set');
    server.updateTls(await issue('renewed'));
  });

  it('are refused when the pool is closed', async () => {
    const server = await startServer({ tls: await issue('server') });
    await server.close();
    expect(() => {
      server.updateTls({});
    }).toThrow(expect.objectContaining({ code: 'ERR_NPWS_CLOSED' }));
  });

  it('replace a key that came as a bundle', async () => {
    const pair = await issue('from key and cert');
    await using server = await startServer({ tls: { pfx: Buffer.from(BUNDLE, 'base64') } });
    server.updateTls(pair);
    expect(await nameShownBy(server)).toBe('from key and cert');
  });

  it('can be refused by what they are given to: plain ws, or a context of your own', async () => {
    await using plain = await startServer();
    const { key } = authority;
    const update = (pool: { updateTls(tls: object): void }) => (): void => {
      pool.updateTls({ key });
    };
    expect(update(plain)).toThrow(
      "server pool 'default': updateTls: it speaks plain ws, there is no TLS to update",
    );
    const secureContext = createSecureContext();
    await using client = createClientPool({ address: 'localhost:1', tls: { secureContext } });
    expect(update(client)).toThrow('nothing can be renewed in a `secureContext` of your own');
  });
});

describe('certificates from tlsFiles', () => {
  /** Writes as tools do that renew certificates: key and certificate one after the other, each at once. */
  async function write({ key, cert }: KeyPair): Promise<{ key: string; cert: string }> {
    const paths = { key: join(folder, 'tls.key'), cert: join(folder, 'tls.crt') };
    await writeFile(`${paths.key}.new`, key);
    await rename(`${paths.key}.new`, paths.key);
    await writeFile(`${paths.cert}.new`, cert);
    await rename(`${paths.cert}.new`, paths.cert);
    return paths;
  }

  it('are read at the start and again when they change, by both ends', async () => {
    const ca = join(folder, 'ca.crt');
    await writeFile(ca, authority.cert);
    const files = { ...(await write(await issue('first'))), ca, interval: 100 };
    await using pair = await createPair({
      server: { tlsFiles: files, tls: { requestCert: true } },
      client: { tlsMode: 'verified', tlsFiles: files },
    });
    const names = async (): Promise<unknown[]> => {
      const { atServer, atClient } = await takeBoth(pair);
      const found = [nameOf(atServer), nameOf(atClient), atServer.tls?.authorized];
      atServer.end();
      return found;
    };
    expect(await names()).toEqual(['first', 'first', true]);
    const renewed = [pair.server, pair.client].map((pool) => once(pool, 'tlsUpdate'));
    await write(await issue('second'));
    expect(await Promise.all(renewed)).toEqual([[{ by: 'tlsFiles' }], [{ by: 'tlsFiles' }]]);
    pair.server.flush();
    expect(await names()).toEqual(['second', 'second', true]);
  });

  it('are renewed beside ticket keys, as long as those whom they trust stay', async () => {
    const ca = join(folder, 'ca.crt');
    await writeFile(ca, authority.cert);
    const files = { ...(await write(await issue('first'))), ca, interval: 100 };
    const tls = { requestCert: true, rejectUnauthorized: false, ticketKeys: randomBytes(48) };
    await using server = await startServer({ tlsFiles: files, tls });
    expect(await nameShownBy(server)).toBe('first');
    const renewed = once(server, 'tlsUpdate');
    await write(await issue('second'));
    await renewed;
    expect(await nameShownBy(server)).toBe('second');
  });

  it('that can not be used leave the old ones in use, with one warning', async () => {
    const files = { ...(await write(await issue('good'))), interval: 100 };
    await using server = await startServer({ tlsFiles: files });
    const warned = once(server, 'warning') as Promise<[string]>;
    await writeFile(files.cert, authority.cert);
    expect((await warned)[0]).toMatch(
      /^the certificates stay as they are: server\.tlsFiles: key is not the key of cert/,
    );
    expect(await nameShownBy(server)).toBe('good');
    const again = once(server, 'tlsUpdate');
    await write(await issue('mended'));
    await again;
  });

  it('that are being written, and empty for a while, are not used', async () => {
    const files = { ...(await write(await issue('before'))), interval: 100 };
    await using server = await startServer({ tlsFiles: files });
    await writeFile(files.cert, '');
    const warned = once(server, 'warning') as Promise<[string]>;
    await writeFile(files.key, '');
    expect((await warned)[0]).toMatch(/server\.tlsFiles: .* is empty|mismatch/);
    expect(await nameShownBy(server)).toBe('before');
    expect(() => createServerPool({ listen: { port: 0 }, tlsFiles: files })).toThrow('server.tlsFiles: key is empty');
  }); // prettier-ignore

  it('are named when one is a folder', async () => {
    const files = await write(await issue('any'));
    expect(() => createServerPool({ listen: { port: 0 }, tlsFiles: { ...files, ca: folder } })).toThrow(
      folder,
    );
  });

  it.each(['key', 'cert', 'ca'])('fail the making of the pool when the %s is not there', async (missing) => {
    const files = { ...(await write(await issue('any'))), ca: [], [missing]: join(folder, 'nowhere.pem') };
    const { ca, ...pair } = files;
    const tlsFiles = ca.length > 0 ? { ...pair, ca } : pair;
    expect(() => createServerPool({ listen: { port: 0 }, tlsFiles })).toThrow(
      /: server\.tlsFiles: ENOENT.*nowhere\.pem/,
    );
  });

  it('are checked as those of tls are', async () => {
    const files = await write({ key: (await issue('a')).key, cert: (await issue('b')).cert });
    expect(() => createServerPool({ listen: { port: 0 }, tlsFiles: files })).toThrow(/^pool 'default': server\.tlsFiles: key is not the key of cert/);
  }); // prettier-ignore
});

/** A PKCS #12 bundle of a throw-away key and certificate, without a passphrase: `openssl pkcs12 -export`. */
const BUNDLE = [
  'MIIEHAIBAzCCA9IGCSqGSIb3DQEHAaCCA8MEggO/MIIDuzCCAnIGCSqGSIb3DQEHBqCCAmMwggJfAgEAMIICWAYJKoZIhvcNAQcB',
  'MFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgKsojGWjwlagICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJSD',
  'qjAlFP3GzOmfWgff+CuAggHwXBGkWO+pT8mp8Bk6+rDWjinWEk1uGTqpjiOK5K0keQamQuX4DO+DoJPMXEkvJD0GTiDL0elKnwYG',
  'E4/F5Nwf5sZZRW7hzo3grVW9+ZvadSK0xbe9lB6KQ/jTD2AKHG1AIsKNYy4Z8ik9HNbJpEqc8G0sw8CCodP+4QY3ESeUdYkWf+jU',
  'GwAqFx5d9Jotn9KuCu3ZWEq9oEGjuZ89Uc1+HJ2ZOq5jh0lnEaPi0vZcm3w5VUVoBD8g0ocXwc9RJk6r7Z2kOhaXZ2icisJJMaR2',
  'p5BMAoB3ZYDPK2hPi54883RiXys9h1Mtom1+iQnFss7YS7BJ4F11DX5zvJr6BzSrmPi2/2CB+TWYuz/1F+q9NIqPnxmtAQNGHzgZ',
  'sUBCs/62GQUO5CNcqS/E9yqk9MjVU3GKaLtPmp2ForiF810Y/IsGOLp4Ib0R3cx3685QZr0A1WJ52IQOJn+jNbcl+gm0Ml91+Axs',
  'o8TqdCvaLdGMZmG3c6Bj2WDtQ1gLgyHec5PHnvh1JEDDzjeJzjLi/VTRNjzFmIAXhvkb3AWvExpQmMoD4mzDngILXHWr16bVgKeG',
  'SIzPMoVSIRnjZrEAzm/aQY7nniJl7IcCrXLmRTIoQ0ToeHffWHBeeJflqtMaR4475M3wDA2/fxo69mtwf4fsPTCCAUEGCSqGSIb3',
  'DQEHAaCCATIEggEuMIIBKjCCASYGCyqGSIb3DQEMCgECoIHvMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjnFguK',
  'dMoL+QICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEO6Uq72dR/Fw0qjbOfPD5EQEgZDvhzcI1q7AIB2+eAhHZJgLM4Vp',
  'zLP+7i97CfDo+rCujl5aB80dDPB6TSVjdMXIsOXrrpQvW5qud2fYrnKZlMd7YkN098SMlD1jONhvsJMFsemf6O4fMEiaKbnMrAHV',
  'GTuz+16OZ3NS+Yje8bBaAAppqr8H+I1jI7aqnTIYE5EjRBtErdPapbbgUv+5ufSm05UxJTAjBgkqhkiG9w0BCRUxFgQU5RmbXrXf',
  'RemlqeMBG01NcshVFNowQTAxMA0GCWCGSAFlAwQCAQUABCAwFzeBCId3wdOEgyUmJxs7LbButt5hy8NJMSpGU1SxXwQIvXBfwRQ5',
  'OGUCAggA',
].join('');
