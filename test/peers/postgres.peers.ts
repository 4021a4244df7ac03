import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import pg from 'pg';
import { freePort } from '../../sample/parts/free-port.js';
import {
  type Database,
  findPostgres,
  startPostgres,
  USER,
} from '../../sample/06-postgres-behind-nat/postgres.js';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { describeUnless } from '../support/describe-unless.js';
import { createPair, type Pair, takeBoth, until } from '../support/pair.js';

// #region pg
/** A connection as `pg` wants its stream: it calls `connect()` on whatever it is given. */
function forPg(connection: PoolConnection): PoolConnection {
  return Object.assign(connection, {
    connect: () => {
      process.nextTick(() => connection.emit('connect'));
    },
  });
}

// const client = new pg.Client({ user, password, database, stream: () => forPg(connection) });
// #endregion

const programs = findPostgres();

describeUnless(programs ? null : 'not installed: PostgreSQL')("PostgreSQL's pg over a connection", () => {
  let certificate: KeyPair;
  let database: Database;
  let pair: Pair;

  beforeAll(async () => {
    certificate = await createCertificate();
    database = await startPostgres(programs ?? '', await freePort(), certificate);
    pair = await createPair({ tls: true, server: { drainTimeout: 0 }, client: { drainTimeout: 0 } });
  }, 60_000);

  afterAll(async () => {
    // First: the database waits for its clients.
    await pair[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  }, 60_000);

  interface Session {
    client: pg.Client;
    /** The end of its connection that is joined to the database. */
    far: PoolConnection;
    /** What the client told of its connection. */
    errors: Error[];
  }

  async function open(config: pg.ClientConfig = {}): Promise<Session> {
    const { atServer, atClient } = await takeBoth(pair);
    const socket = connect({ port: database.port, host: '127.0.0.1', allowHalfOpen: true });
    atClient.allowHalfOpen = true;
    for (const way of [pipeline(socket, atClient), pipeline(atClient, socket)]) way.catch(() => undefined);
    const client = new pg.Client({ ...USER, stream: () => forPg(atServer), ...config });
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    await client.connect();
    return { client, far: atClient, errors };
  }

  async function untilUnused(): Promise<void> {
    await until(pair.server, () => pair.server.stats().used === 0);
    await until(pair.client, () => pair.client.stats().used === 0);
  }

  it.each([
    ['as it is', false],
    ["in PostgreSQL's own TLS", true],
  ])('logs in, queries, and ends cleanly (%s)', async (_, isSecure) => {
    const ssl = isSecure ? { ca: certificate.cert, servername: 'localhost' } : false;
    const { client, errors } = await open({ ssl });
    const { rows } = await client.query<object>(
      'SELECT $1::int + 1 AS sum, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      [41],
    );
    expect(rows).toEqual([{ sum: 42, ssl: isSecure }]);
    await client.end();
    await untilUnused();
    expect(errors).toEqual([]);
  });

  it('reads a result of many MiB, every row', async () => {
    const { client } = await open();
    const count = 200_000;
    const { rows } = await client.query<{ n: number; digest: string }>(
      'SELECT n, md5(n::text) AS digest FROM generate_series(1, $1::int) AS n',
      [count],
    );
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
    expect(rows).toHaveLength(count);
    expect(rows.findIndex(({ n, digest }, i) => n !== i + 1 || digest !== md5(String(n)))).toBe(-1);
    await client.end();
    await untilUnused();
  });

  it('sends a parameter of some MiB', async () => {
    const { client } = await open();
    const text = 'häßlich '.repeat(500_000);
    const { rows } = await client.query<object>('SELECT md5($1::text) AS digest', [text]);
    expect(rows).toEqual([{ digest: createHash('md5').update(text).digest('hex') }]);
    await client.end();
    await untilUnused();
  });

  it('has a connection each for many clients at once', async () => {
    const opened = await Promise.all(Array.from({ length: 10 }, () => open()));
    const pids = await Promise.all(
      opened.map(async ({ client }) => {
        const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        return rows[0]?.pid;
      }),
    );
    expect(new Set(pids).size).toBe(10);
    await Promise.all(opened.map(({ client }) => client.end()));
    await untilUnused();
  });

  it('fails a query whose connection is cut in the middle of its result', async () => {
    const { client, far, errors } = await open();
    const query = client.query(new pg.Query('SELECT n FROM generate_series(1, 10000000) AS n'));
    query.once('row', () => far.destroy());
    const [error] = (await once(query, 'error')) as [Error];
    expect(error).toHaveProperty('code', 'ERR_NPWS_TRUNCATED');
    await untilUnused();
    expect(errors[0]).toBe(error);
  });
});
