import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../sample/parts/free-port.js';
import type { KeyPair } from '../support/certificates.js';
import { Daemon } from './daemon.js';

/** The proxies that docs/proxies.md tells how to set up. */
export const KINDS = ['nginx', 'haproxy'] as const;

export type ProxyKind = (typeof KINDS)[number];

/** What differs from the documented settings. */
export interface ProxySettings {
  /** The port of a pool without TLS, for the way on which the proxy ends it. */
  plain: number;
  /** The port of a pool with TLS, for the way on which it passes through. */
  secure: number;
  certificate: KeyPair;
  /** Every idle time-out of the proxy, such as '5s'. Default: as documented. */
  idle?: string;
  /** Changes the documented text before ports and files are filled in. */
  edit?: (config: string) => string;
}

/** A proxy that runs with the settings of docs/proxies.md. `await using` ends it. */
export interface Proxy extends AsyncDisposable {
  /** The port where TLS ends. */
  readonly ended: number;
  /** The port where TLS passes through. */
  readonly passed: number;
  /** Ends it, and with it all that goes through it. */
  stop(): Promise<void>;
  /** Starts it again, on the same ports. */
  start(): Promise<void>;
}

/** Where Debian puts nginx's module for streams; elsewhere it is often built in. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** Starts nginx or HAProxy on free ports of this machine. */
export async function startProxy(kind: ProxyKind, settings: ProxySettings): Promise<Proxy> {
  const folder = await mkdtemp(join(tmpdir(), `npws-${kind}-`));
  const ports = { ended: await freePort(), passed: await freePort(), ready: await freePort() };
  try {
    const args = await (kind === 'nginx' ? configureNginx : configureHaproxy)(folder, settings, ports);
    let daemon = await Daemon.start(kind, args, ports.ready);
    const stop = (): Promise<void> => daemon[Symbol.asyncDispose]();
    return {
      ...ports,
      stop,
      async start() {
        daemon = await Daemon.start(kind, args, ports.ready);
      },
      async [Symbol.asyncDispose]() {
        await stop();
        await rm(folder, { recursive: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
}

/** The proxy's own ports; a connection to `ready` goes to no pool. */
type Ports = Record<'ended' | 'passed' | 'ready', number>;

async function configureNginx(folder: string, settings: ProxySettings, ports: Ports): Promise<string[]> {
  const { certificate, plain, secure } = settings;
  const http = fill(await documented('nginx-http.conf', settings), {
    'listen 443 ': `listen 127.0.0.1:${ports.ended} `,
    '127.0.0.1:8080': `127.0.0.1:${plain}`,
    '/etc/ssl/pool.crt': await put(folder, 'pool.crt', certificate.cert),
    '/etc/ssl/pool.key': await put(folder, 'pool.key', certificate.key),
  });
  const stream = fill(await documented('nginx-stream.conf', settings), {
    'listen 8443': `listen 127.0.0.1:${ports.passed}`,
    '127.0.0.1:9443': `127.0.0.1:${secure}`,
  });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = `
    ${existsSync(STREAM_MODULE) ? `load_module ${STREAM_MODULE};` : ''}
    daemon off;
    worker_processes 1;
    pid ${join(folder, 'pid')};
    error_log stderr warn;
    events {}
    http {
      access_log off;
      ${temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join('\n      ')}
      server { listen 127.0.0.1:${ports.ready}; return 204; }
      ${http}
    }
    stream {
      ${stream}
    }`;
  return ['-p', folder, '-e', 'stderr', '-c', await put(folder, 'nginx.conf', config)];
}

async function configureHaproxy(folder: string, settings: ProxySettings, ports: Ports): Promise<string[]> {
  const { certificate, plain, secure } = settings;
  const pools = fill(await documented('haproxy.cfg', settings), {
    'bind :443 ': `bind 127.0.0.1:${ports.ended} `,
    'bind :8443': `bind 127.0.0.1:${ports.passed}`,
    '127.0.0.1:8080': `127.0.0.1:${plain}`,
    '127.0.0.1:9443': `127.0.0.1:${secure}`,
    '/etc/ssl/pool.pem': await put(folder, 'pool.pem', `${certificate.cert}\n${certificate.key}\n`),
  });
  const config = `
global
  maxconn 500
frontend ready
  mode http
  timeout client 1s
  bind 127.0.0.1:${ports.ready}
  http-request return status 204
${pools}
`;
  return ['-db', '-q', '-f', await put(folder, 'haproxy.cfg', config)];
}

/** A configuration file of this folder, with the test's own changes. */
async function documented(name: string, { idle, edit = (text) => text }: ProxySettings): Promise<string> {
  const text = edit(await readFile(new URL(name, import.meta.url), 'utf8'));
  return idle === undefined ? text : text.replace(/\b(60s|1h)\b/g, idle);
}

/** Replaces each key by its value wherever it stands. Throws when there is none: the documented text has changed. */
function fill(text: string, values: Record<string, string>): string {
  for (const [from, to] of Object.entries(values)) {
    if (!text.includes(from)) throw new Error(`the configuration has no '${from}'`);
    text = text.replaceAll(from, to);
  }
  return text;
}

async function put(folder: string, name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
