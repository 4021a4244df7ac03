import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { createServer, type PeerCertificate, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  type ClientPool,
  type ClientPoolOptions,
  createClientPool,
  type NpwsError,
  pinOf,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { until } from '../support/pair.js';
import { portOf, startServer } from '../support/raw-joined.js';

let authority: KeyPair;
let keyPair: KeyPair;

beforeAll(async () => {
  authority = await createCertificate({ isAuthority: true, commonName: 'test authority' });
  keyPair = await createCertificate({ issuer: authority, commonName: 'server' });
});

afterEach(() => {
  jest.restoreAllMocks();
});

/** A client with one connection, which it dialled when it had had one. */
async function startClient(
  server: ServerPool<PoolConnection>,
  options: Partial<ClientPoolOptions> = {},
): Promise<ClientPool<PoolConnection>> {
  const client = createClientPool({
    address: `127.0.0.1:${portOf(server)}`,
    tls: { ca: authority.cert },
    minCapacity: 1,
    maxCapacity: 1,
    minInterval: 50,
    maxInterval: 50,
    drainTimeout: 0,
    ...options,
  });
  await client.start();
  expect(await next(client)).toMatchObject({
    resumed: false,
    peerCertificate: { subject: {} },
  });
  await until(client, () => client.active() === 1);
  return client;
}

interface Front extends AsyncDisposable {
  readonly address: string;
}

/** Ends TLS before a server pool; `answer` says what a client gets instead of the pool: nothing when it is ''. */
async function startFront(
  pool: ServerPool<PoolConnection>,
  answer: (socket: TLSSocket) => string | null,
): Promise<Front> {
  const server = createServer(keyPair, (socket) => {
    socket.on('error', () => undefined);
    const instead = answer(socket);
    if (instead === null) socket.pipe(connect(portOf(pool), '127.0.0.1')).pipe(socket);
    else if (instead === '') socket.destroy();
    else socket.once('data', () => socket.end(instead));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => Promise.resolve(void server.close()),
  };
}

/** What TLS agreed on for the next connection, which makes room for one more. */
async function next(client: ClientPool<PoolConnection>): Promise<PoolConnection['tls']> {
  const connection = await client.incomingGet();
  const { tls } = connection;
  connection.destroy();
  return tls;
}

describe('a dial resumes the TLS session of one before it', () => {
  it("and knows the server's certificate of that one, checked", async () => {
    await using server = await startServer({ tls: keyPair });
    await using client = await startClient(server);
    expect(await next(client)).toMatchObject({
      resumed: true,
      authorized: true,
      authorizationError: null,
      peerCertificate: { subject: { CN: 'server' } },
    });
    expect(await next(client)).toMatchObject({ resumed: true });
  });

  it('whose name was wrong, and still is', async () => {
    const other = await createCertificate({
      issuer: authority,
      altNames: [{ type: 2, value: 'other.example' }],
    });
    await using server = await startServer({ tls: other });
    await using client = await startClient(server, { tlsMode: 'self-signed' });
    const wrong = { authorized: false, authorizationError: 'ERR_TLS_CERT_ALTNAME_INVALID' };
    expect(await next(client)).toMatchObject({ resumed: true, ...wrong });
  });

  it('and goes on doing so when the server had no room in between', async () => {
    await using server = await startServer();
    const resumed: boolean[] = [];
    await using front = await startFront(server, (socket) => {
      resumed.push(socket.isSessionReused());
      return resumed.length === 3
        ? 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
        : null;
    });
    await using client = await startClient(server, { address: front.address });
    for (let i = 0; i < 2; i++) await next(client);
    expect(resumed.slice(0, 4)).toEqual([false, true, true, true]);
  });

  it('and still asks for the pinned key', async () => {
    await using server = await startServer({ tls: keyPair });
    await using client = await startClient(server, {
      tlsMode: 'self-signed',
      tls: {},
      pin: pinOf(keyPair.cert),
    });
    expect(await next(client)).toMatchObject({ resumed: true, authorized: false });
  });

  it("and the server still knows the client's certificate", async () => {
    await using server = await startServer({ tls: { ...keyPair, requestCert: true, ca: authority.cert } });
    const own = await createCertificate({ issuer: authority, commonName: 'client' });
    await using client = await startClient(server, { tls: { ca: authority.cert, ...own } });
    (await server.incomingGet()).destroy();
    await next(client);
    expect((await server.incomingGet()).tls).toMatchObject({
      resumed: true,
      authorized: true,
      peerCertificate: { subject: { CN: 'client' } },
    });
  });
});

describe('a dial does not resume a session', () => {
  it('of a server that has a new certificate since', async () => {
    await using server = await startServer({ tls: keyPair });
    await using client = await startClient(server);
    server.updateTls(await createCertificate({ issuer: authority, commonName: 'renewed' }));
    await next(client); // was dialled before
    expect(await next(client)).toMatchObject({
      resumed: false,
      peerCertificate: { subject: { CN: 'renewed' } },
    });
    expect(await next(client)).toMatchObject({ resumed: true, peerCertificate: { subject: { CN: 'renewed' } } });
  });

  it('that was made with other trust than the client has now', async () => {
    await using server = await startServer({ tls: keyPair });
    await using client = await startClient(server);
    const failed = once(client, 'dialError') as Promise<[NpwsError]>;
    client.updateTls({ ca: (await createCertificate({ isAuthority: true })).cert });
    await next(client); // was dialled before
    const [error] = await failed;
    expect(error.cause).toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  });

  it('after a dial that got no answer, and none at all when that is the rule: some servers can not resume what they gave', async () => {
    await using server = await startServer();
    const resumed: boolean[] = [];
    await using front = await startFront(server, (socket) => {
      resumed.push(socket.isSessionReused());
      return socket.isSessionReused() ? '' : null;
    });
    await using client = await startClient(server, { address: front.address });
    for (let i = 0; i < 6; i++) await next(client);
    expect(resumed.slice(0, 9)).toEqual([false, true, false, true, false, true, false, false, false]);
  });

  it("where the application checks the server's identity: it is asked each time", async () => {
    await using server = await startServer({ tls: keyPair });
    const asked: string[] = [];
    const checkServerIdentity = (_: string, { subject }: PeerCertificate): undefined => void asked.push(String(subject.CN));
    await using client = await startClient(server, { tls: { ca: authority.cert, checkServerIdentity } });
    expect(await next(client)).toMatchObject({ resumed: false });
    expect(asked).toEqual(['server', 'server']);
  });

  it('beyond the life of the certificate that it rests on', async () => {
    await using server = await startServer({ tls: keyPair });
    await using client = await startClient(server);
    expect(await next(client)).toMatchObject({ resumed: true });
    await until(client, () => client.active() === 1);
    jest.spyOn(Date, 'now').mockReturnValue(Date.parse('9999-01-01'));
    await next(client); // was dialled before
    expect(await next(client)).toMatchObject({ resumed: false });
  });
}); // prettier-ignore
