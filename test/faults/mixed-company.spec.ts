import { once } from 'node:events';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import {
  type ClientPool,
  type ClientPoolOptions,
  createClientPool,
  type PoolConnection,
  type ServerPool,
} from 'nestjs-npws';
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws';
import { createPair, type Pair, until } from '../support/pair.js';
import { bytesOf, digestOf } from '../support/raw-bytes.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { FaultRelay } from '../support/fault-relay.js';

type Protocol = 1 | 2;

/** One end's part of an exchange, and what came of it: null, or what is wrong. */
function part(connection: PoolConnection, sent: Buffer, expected: Buffer, endsFirst: boolean): Promise<string | null> {
  const parts: Buffer[] = [];
  let [length, ended] = [0, false];
  connection.on('data', (bytes: Buffer) => {
    parts.push(bytes);
    length += bytes.length;
    if (endsFirst && length === expected.length) connection.end();
  });
  connection.once('end', () => {
    ended = true;
    connection.end();
  });
  connection.write(sent);
  return new Promise((resolve) => {
    connection.once('close', () => {
      const read = Buffer.concat(parts);
      if (connection.errored) resolve(`${connection.errored.message} (behind ${read.length} of ${expected.length})`);
      else if (digestOf(read) !== digestOf(expected)) resolve(`${read.length} of ${expected.length} bytes, or others`);
      else resolve(ended ? null : 'no end');
    });
  });
} // prettier-ignore

/** Moves bytes both ways; `number` decides how many, and who ends. Null, or what is wrong. */
async function exchange(
  atServer: PoolConnection,
  atClient: PoolConnection,
  number: number,
): Promise<string | null> {
  const question = bytesOf(1 + ((number * 7_919) % 100_003), number % 251);
  const answer = bytesOf(1 + ((number * 104_729) % 200_003), 1 + (number % 250));
  const [server, client] = await Promise.all([
    part(atServer, question, answer, number % 2 === 0),
    part(atClient, answer, question, number % 2 === 1),
  ]);
  return server ?? client;
}

async function exchangeMany({ server, client }: Pair, count: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let number = 0; number < count; number++) {
    const atServer = await server.incomingGet();
    const atClient = await client.outgoingGet(atServer.id);
    expect(await exchange(atServer, atClient, number)).toBeNull();
    seen.add(`${atServer.protocol} and ${atClient.protocol}`);
  }
  return seen;
}

describe('peers of whatever protocols', () => {
  it.each<[Protocol, Protocol, Protocol, boolean]>([
    [2, 1, 1, false],
    [1, 2, 1, false],
    [2, 1, 1, true],
    [1, 2, 1, true],
    [1, 1, 1, false],
    [2, 2, 2, false],
    [2, 2, 2, true],
  ])('server %i, client %i speak %i: streams are complete both ways (tls: %s)', async (atServer, atClient, spoken, tls) => {
    await using pair = await createPair({ tls, server: { protocol: atServer }, client: { protocol: atClient } });
    expect(await exchangeMany(pair, 20)).toEqual(new Set([`${spoken} and ${spoken}`]));
    for (const pool of [pair.server, pair.client]) {
      await until(pool, () => pool.stats().used === 0 && pool.stats().connecting === 0);
      const { reused, opened, closed } = pool.stats();
      if (spoken === 2) expect([reused, opened - pool.active()]).toEqual([20, closed.surplus]);
      else expect([reused, closed.finished]).toEqual([0, 20]);
      expect(closed).toMatchObject({ broken: 0, violation: 0, lost: 0 });
    }
  }); // prettier-ignore
});

/** A client pool that hurries. */
async function startClient(port: number, options: Partial<ClientPoolOptions>): Promise<ClientPool<PoolConnection>> {
  const client = createClientPool({
    address: `127.0.0.1:${port}`,
    tlsMode: 'none',
    minCapacity: 4,
    maxCapacity: 8,
    minInterval: 10,
    maxInterval: 50,
    maxBackoff: 50,
    ...options,
  });
  await client.start();
  return client;
} // prettier-ignore

/** How many uses of a client are under way at once. */
const LANES = 3;

/** A connection taken at both ends. */
interface Use {
  server: ServerPool<PoolConnection>;
  atServer: PoolConnection;
  atClient: PoolConnection;
}

/** Uses one after another, of several clients with one server: each is complete, or its peer was replaced. */
class Load {
  complete = 0;
  /** Uses that failed and may have: one of their pools was being replaced. */
  cut = 0;
  readonly wrong: string[] = [];
  /** What was spoken since this was last cleared. */
  readonly spoken = new Set<string>();
  readonly #replaced = new Set<unknown>();
  readonly #lanes: Promise<void>[] = [];
  /** Whose link an ID is. */
  readonly #servers = new Map<string, ServerPool<PoolConnection>>();
  #wake: () => void = () => undefined;
  #isOver = false;

  addServer(server: ServerPool<PoolConnection>): void {
    const note = ({ id }: { id: string }): void => {
      this.#servers.set(id, server);
    };
    server.on('connect', note).on('reuse', note);
  }

  addClient(client: ClientPool<PoolConnection>, name: string): void {
    for (let lane = 0; lane < LANES; lane++) this.#lanes.push(this.#run(client, name));
  }

  /** Closes a pool. From here on its uses may fail. */
  async replace(pool: ClientPool<PoolConnection> | ServerPool<PoolConnection>): Promise<void> {
    this.#replaced.add(pool);
    await pool.close();
  }

  /** Resolves when this many more uses are complete, or something is wrong. */
  async more(count: number): Promise<void> {
    const goal = this.complete + count;
    while (this.complete < goal && this.wrong.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#lanes);
  }

  async #run(client: ClientPool<PoolConnection>, name: string): Promise<void> {
    while (!this.#isOver && !this.#replaced.has(client)) {
      const use = await this.#take(client).catch((error: unknown) => String(error));
      if (use === null) continue;
      if (typeof use === 'string') {
        this.wrong.push(`${name}: ${use}`);
      } else {
        this.spoken.add(`${name}: ${use.atClient.protocol}`);
        const problem = await exchange(use.atServer, use.atClient, this.complete);
        if (problem === null) this.complete++;
        else if (this.#replaced.has(client) || this.#replaced.has(use.server)) this.cut++;
        else this.wrong.push(`${name}: ${problem}`);
      }
      this.#wake();
    }
  }

  /** Takes a connection at both ends; null when one of their pools, being replaced, gives out none. */
  async #take(client: ClientPool<PoolConnection>): Promise<Use | null> {
    const atClient = await client.incomingGet().catch((error: unknown) => {
      if (this.#replaced.has(client)) return null;
      throw error;
    });
    if (!atClient) return null;
    const server = this.#servers.get(atClient.id);
    if (!server) throw new Error(`nobody has named ${atClient.id}`);
    const gone = new AbortController();
    atClient.once('close', () => {
      gone.abort();
    });
    try {
      return { server, atClient, atServer: await server.outgoingGet(atClient.id, { signal: gone.signal }) };
    } catch (error) {
      atClient.destroy();
      if (this.#replaced.has(server) || this.#replaced.has(client)) return null;
      throw error;
    }
  }
}

describe('a rolling upgrade under load', () => {
  it.each<[Protocol, Protocol, string, number]>([
    [2, 1, 'lets uses finish', 5_000],
    [1, 2, 'lets uses finish', 5_000],
    [2, 1, 'cuts them', 0],
    [1, 2, 'cuts them', 0],
  ])('of clients of protocol 1, and of a server of protocol %i to one of %i, that %s, fails no other use', async (before, after, _, drainTimeout) => {
    const load = new Load();
    const old = await startServer({ protocol: before, maxCapacity: 100, drainTimeout });
    const port = portOf(old);
    load.addServer(old);
    const clients = new Map<string, ClientPool<PoolConnection>>();
    const join = async (name: string, protocol: Protocol): Promise<void> => {
      const client = await startClient(port, { protocol, drainTimeout });
      clients.set(name, client);
      load.addClient(client, name);
    };
    for (const name of ['old 1', 'old 2']) await join(name, 1);
    for (const name of ['new 1', 'new 2']) await join(name, 2);
    await load.more(80);
    expect([...load.spoken].sort()).toEqual([`new 1: ${before}`, `new 2: ${before}`, 'old 1: 1', 'old 2: 1']);
    for (const number of [1, 2]) {
      await join(`new ${number + 2}`, 2);
      const leaving = clients.get(`old ${number}`);
      if (leaving) await load.replace(leaving);
      clients.delete(`old ${number}`);
      await load.more(80);
    }
    await load.replace(old);
    await using server = await startServer({ protocol: after, maxCapacity: 100, listen: { host: '127.0.0.1', port } });
    load.addServer(server);
    load.spoken.clear();
    await load.more(160);
    await load.end();
    expect(load.wrong).toEqual([]);
    expect([...load.spoken].sort()).toEqual([1, 2, 3, 4].map((number) => `new ${number}: ${after}`));
    expect(load.complete).toBeGreaterThanOrEqual(400);
    // Who leaves in good order takes no use along; who is cut, those that were under way.
    expect(load.cut).toBeLessThanOrEqual(drainTimeout > 0 ? 0 : (2 + clients.size) * LANES);
    expect(server.stats().closed).toMatchObject({ violation: 0, broken: 0, lost: 0 });
    for (const client of clients.values()) {
      expect(client.stats().closed.violation).toBe(0);
      await client.close();
    }
  }, 60_000); // prettier-ignore
});

interface Reframer extends AsyncDisposable {
  port: number;
  /** The heads of the requests that came, and of those that it made of them. */
  received: IncomingHttpHeaders[];
  made: OutgoingHttpHeaders[];
}

/** A proxy that is a WebSocket peer to both sides: it makes its own frames and its own key. */
async function createReframer(target: number, forwardsHeaders: boolean): Promise<Reframer> {
  const received: IncomingHttpHeaders[] = [];
  const made: OutgoingHttpHeaders[] = [];
  const webSockets = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(webSockets, 'listening');
  webSockets.on('connection', (near, { headers }) => {
    received.push(headers);
    const far = new WebSocket(`ws://127.0.0.1:${target}`, {
      headers: forwardsHeaders ? headers : {},
      perMessageDeflate: false,
      finishRequest: (request) => {
        made.push(request.getHeaders());
        request.end();
      },
    });
    const [nearStream, farStream] = [near, far].map((ws) => {
      // The stream that `ws` makes closes with an empty frame.
      const close = ws.close.bind(ws);
      ws.close = (code = 1000, reason) => {
        close(code, reason);
      };
      return createWebSocketStream(ws).on('error', () => undefined);
    });
    if (nearStream && farStream) nearStream.pipe(farStream).pipe(nearStream);
  });
  return {
    port: (webSockets.address() as AddressInfo).port,
    received,
    made,
    async [Symbol.asyncDispose]() {
      for (const ws of webSockets.clients) ws.terminate();
      await new Promise<void>((resolve) => {
        webSockets.close(() => {
          resolve();
        });
      });
    },
  };
}

describe('behind a relay', () => {
  it.each([
    ['forwards every header', true],
    ['forwards none', false],
  ])(
    'that makes frames of its own and %s, two peers fall back to protocol 1, and nothing is lost',
    async (_, forwardsHeaders) => {
      await using server = await startServer({ maxCapacity: 100 });
      await using relay = await createReframer(portOf(server), forwardsHeaders);
      await using client = await startClient(relay.port, { drainTimeout: 0 });
      await until(server, () => server.active() >= 4);
      const seen = await exchangeMany({ server, client } as Pair, 20);
      expect(seen).toEqual(new Set(['1 and 1']));
      const [offered] = relay.received;
      const [forwarded] = relay.made;
      expect(offered?.['npws-protocol']).toBe(`2 ${offered?.['sec-websocket-key']}`);
      expect(forwarded?.['npws-protocol']).toBe(forwardsHeaders ? offered?.['npws-protocol'] : undefined);
      expect(forwarded?.['sec-websocket-key']).not.toBe(offered?.['sec-websocket-key']);
      for (const pool of [server, client]) {
        await until(pool, () => pool.stats().used === 0);
        expect(pool.stats()).toMatchObject({ reused: 0, closed: { finished: 20, broken: 0, violation: 0 } });
      }
    },
  );

  it('that passes bytes on, they speak protocol 2, and links serve again', async () => {
    await using server = await startServer({ maxCapacity: 100 });
    await using relay = await FaultRelay.to(portOf(server));
    await using client = await startClient(relay.port, { drainTimeout: 0 });
    await until(server, () => server.active() >= 4);
    expect(await exchangeMany({ server, client } as Pair, 20)).toEqual(new Set(['2 and 2']));
    await until(client, () => client.stats().reused === 20);
  });
});
