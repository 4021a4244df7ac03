import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import pg from 'pg';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { describeUnless } from '../support/describe-unless.js';
import { createPair, type Pair, takeBoth, until } from '../support/pair.js';
import { Daemon, freePort } from './daemon.js';
import { findProgram } from './find-program.js';

/** Where Debian puts the programs of each version: they are not on the path. */
const DEBIAN = '/usr/lib/postgresql';

const USER = { user: 'tester', password: 'sesame', database: 'postgres' };

function findPostgres(name: 'initdb' | 'postgres'): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const files = versions.map((version) => join(DEBIAN, version, 'bin', name));
  return files.find((file) => existsSync(file)) ?? findProgram(name);
}

const initdb = findPostgres('initdb');
const postgres = findPostgres('postgres');
const setpriv = findProgram('setpriv');

/** PostgreSQL refuses to run as root: then it runs as nobody. */
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

function unprivileged(program: string, ...args: string[]): [string, string[]] {
  return isRoot ? ['setpriv', [...AS_NOBODY, program, ...args]] : [program, args];
}

/** A database in a temporary folder that listens on a free port of this machine. `await using` ends and removes it. */
async function startDatabase({ key, cert }: KeyPair): Promise<{ port: number } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'npws-postgres-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true });
  const data = join(folder, 'data');
  const files = { pw: USER.password, key, cert };
  const put = async (name: keyof typeof files): Promise<string> => {
    const file = join(folder, name);
    await writeFile(file, files[name], { mode: 0o600 });
    if (isRoot) await chown(file, NOBODY, NOBODY);
    return file;
  };
  try {
    if (isRoot) await chown(folder, NOBODY, NOBODY);
    await promisify(execFile)(
      ...unprivileged(
        initdb ?? '',
        ...['--pgdata', data, '--username', USER.user, '--pwfile', await put('pw')],
        ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale', '--no-sync'],
      ),
      { cwd: folder },
    );
    const port = await freePort();
    const settings = {
      ...{ listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off' },
      ...{ ssl: 'on', ssl_key_file: await put('key'), ssl_cert_file: await put('cert') },
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const daemon = await Daemon.start(...unprivileged(postgres ?? '', '-D', data, ...options), port);
    return {
      port,
      async [Symbol.asyncDispose]() {
        await daemon[Symbol.asyncDispose]();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

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

const missing = [...(initdb && postgres ? [] : ['PostgreSQL']), ...(isRoot && !setpriv ? ['setpriv'] : [])];

describeUnless(missing.length === 0 ? null : `not installed: ${missing.join(', ')}`)(
  "PostgreSQL's pg over a connection",
  () => {
    let certificate: KeyPair;
    let database: Awaited<ReturnType<typeof startDatabase>>;
    let pair: Pair;

    beforeAll(async () => {
      certificate = await createCertificate();
      database = await startDatabase(certificate);
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
  },
);
