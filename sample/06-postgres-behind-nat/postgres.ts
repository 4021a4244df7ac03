import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Session } from './session.js';

/** Where Debian puts the programs of each version: they are not on the path. */
const DEBIAN = '/usr/lib/postgresql';

/** Who may log in. */
export const USER = { user: 'tester', password: 'sesame', database: 'postgres' };

/** PostgreSQL refuses to run as root: then it runs as nobody. */
const NOBODY = 65_534;
const OWNER = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

/** The rows of a long answer. */
const MANY = 200_000;

/** The folder of PostgreSQL's programs; undefined where it is not installed, or STAND_IN asks to do without. */
export function findPostgres(): string | undefined {
  if (process.env['STAND_IN']) return undefined;
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(DEBIAN, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))));
}

/** A database that runs. */
export interface Database extends AsyncDisposable {
  /** Its name and version. */
  readonly what: string;
  /** Where it listens on loopback. */
  readonly port: number;
}

/** Starts an empty database in a temporary folder, which goes with it; with a certificate it offers TLS. */
export async function startPostgres(
  programs: string,
  port: number,
  certificate?: { readonly key: string; readonly cert: string },
): Promise<Database> {
  const version = await promisify(execFile)(join(programs, 'postgres'), ['--version']);
  const folder = await mkdtemp(join(tmpdir(), 'npws-postgres-'));
  const give = (path: string): Promise<void> => chown(path, OWNER.uid ?? -1, OWNER.gid ?? -1);
  const put = async (name: string, text: string): Promise<string> => {
    const file = join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    await give(file);
    return file;
  };
  try {
    await give(folder);
    const data = join(folder, 'data');
    await promisify(execFile)(
      join(programs, 'initdb'),
      [
        ...['--pgdata', data, '--username', USER.user, '--pwfile', await put('password', USER.password)],
        ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale', '--no-sync'],
      ],
      { cwd: folder, ...OWNER },
    );
    const settings: Record<string, string | number> = {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: '',
      fsync: 'off',
      ...(certificate && {
        ssl: 'on',
        ssl_key_file: await put('key', certificate.key),
        ssl_cert_file: await put('cert', certificate.cert),
      }),
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const server = spawn(join(programs, 'postgres'), ['-D', data, ...options], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...OWNER,
    });
    const exited = new Promise<void>((resolve) => {
      server.once('exit', resolve).once('error', resolve);
    });
    await untilReady(server.stderr, exited);
    return {
      what: version.stdout.replace('postgres (PostgreSQL)', 'PostgreSQL').trim(),
      port,
      async [Symbol.asyncDispose]() {
        server.kill('SIGINT'); // not SIGTERM: that waits for whoever is logged in
        await exited;
        await rm(folder, { recursive: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
}

/** Resolves when the database tells that it is ready; rejects with what it told when it is not. */
function untilReady(told: Readable, exited: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    told.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (!text.includes('ready to accept connections')) return;
      told.removeAllListeners('data').resume(); // what else it tells is not kept
      resolve();
    });
    void exited.then(() => {
      reject(new Error(`PostgreSQL does not start:\n${text}`));
    });
  });
}

/** Logs in, as any program does that knows nothing of tunnels. */
export async function openPostgres(port: number): Promise<Session> {
  const client = new pg.Client({ ...USER, host: '127.0.0.1', port });
  client.on('error', () => undefined); // the query that is under way rejects as well
  await client.connect();
  return {
    async ask(question) {
      const { rows } = await client.query<{ answer: number }>('SELECT $1::int * 2 AS answer', [question]);
      return rows[0]?.answer === question * 2;
    },
    async readMuch() {
      const { rows } = await client.query<{ n: number; digest: string }>(
        'SELECT n, md5(n::text) AS digest FROM generate_series(1, $1::int) AS n',
        [MANY],
      );
      return rows.length === MANY && rows.every(({ n, digest }, i) => n === i + 1 && digest === md5(n));
    },
    close: () => client.end(),
  };
}

function md5(n: number): string {
  return createHash('md5').update(String(n)).digest('hex');
}
