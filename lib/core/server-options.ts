import type { Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { parseIpRange } from './ip-range.js';
import { OptionReader } from './option-reader.js';
import {
  isPath,
  POOL_OPTIONS,
  type PoolOptions,
  readPoolOptions,
  type ResolvedPoolOptions,
} from './pool-options.js';
import { readTlsFiles, type ResolvedTlsFiles } from './tls-options.js';

/** Where a server pool listens. */
export type ServerPlace =
  | {
      /** Where to listen. */
      readonly listen: {
        /** A name or an address of this machine. Default: all addresses, IPv6 and IPv4. */
        readonly host?: string;
        /** The port; 0 takes a free one, see `address()`. */
        readonly port: number;
      };
      /** Not beside `listen`. */
      readonly listener?: never;
      /** Not beside `listen`. */
      readonly mount?: never;
    }
  | {
      /** A `net.Server` of your own; `close()` closes it. */
      readonly listener: Server;
      /** Not beside `listener`. */
      readonly listen?: never;
      /** Not beside `listener`. */
      readonly mount?: never;
    }
  | {
      /**
       * One path of an HTTP server that is there already: the application's, beside its routes and gateways. TLS, ports
       * and deadlines before the upgrade are that server's.
       */
      readonly mount: Mounting;
      /** Not beside `mount`. */
      readonly listen?: never;
      /** Not beside `mount`. */
      readonly listener?: never;
    };

/** A place on an HTTP server that is there already. */
export interface Mounting {
  /** The path that clients dial, such as '/npws'. */
  readonly path: string;
  /** An `http.Server` or `https.Server`. In a Nest application omit it: then it is the application's. */
  readonly server?: HttpServer;
}

/**
 * The server pool: it listens. Times are in milliseconds; what is omitted or 0 takes its default. To keep part of them
 * somewhere use `ServerPoolSettings`: a place is one of three, so `Partial` does not fit.
 */
export type ServerPoolOptions = ServerPoolSettings & ServerPlace;

/** What a server pool takes besides its place. */
export interface ServerPoolSettings extends PoolOptions {
  /** For Node's `tls.createServer`: `key` and `cert` ... Without it the pool speaks plain ws. TLS 1.3 unless `minVersion` says otherwise. */
  readonly tls?: TlsOptions;
  /** Addresses or CIDR ranges that may connect; '' or omitted lets in all. */
  readonly clientIP?: string | readonly string[];
  /** How many live connections, those in use too, a client address may have; more get a 429. Default: no limit. */
  readonly maxPerAddress?: number;
  /** How many sockets may be on their way to the upgrade at once; for one more the oldest is dropped. Default: no limit. */
  readonly maxHandshakes?: number;
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` tells the client's address. Default none: it is ignored. */
  readonly trustProxy?: string | readonly string[];
  /** Values of `Origin` (browsers) that may connect. Default none. */
  readonly allowedOrigins?: string | readonly string[];
  /** The only path to serve; others get 404. Default: any. */
  readonly path?: string;
  /** The deadline for a TLS hand-shake, and again for the request's headers. Default 10,000. */
  readonly handshakeTimeout?: number;
}

/** Server options with every default filled in. */
export interface ResolvedServerOptions extends ResolvedPoolOptions {
  readonly listen: { readonly host?: string; readonly port: number } | undefined;
  readonly listener: Server | undefined;
  readonly mount: Mounting | undefined;
  readonly tls: Readonly<TlsOptions> | undefined;
  /** Empty lets in all. */
  readonly clientIP: readonly string[];
  readonly maxPerAddress: number;
  readonly maxHandshakes: number;
  readonly trustProxy: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly path: string | undefined;
  readonly handshakeTimeout: number;
}

const KNOWN = [
  'listen', 'listener', 'mount', 'clientIP', 'trustProxy', 'maxPerAddress', 'maxHandshakes', 'allowedOrigins',
  'handshakeTimeout', ...POOL_OPTIONS,
]; // prettier-ignore

const PATH = "a path that begins with '/', without a query";

const ANY_AUTHORITY =
  'tls.requestCert without tls.ca: a client may show a certificate of any public authority';

/** Node takes no `ca` for all public authorities. */
function trustsAnybody(tls: TlsOptions | undefined, files: ResolvedTlsFiles | undefined): boolean {
  const isChecked = tls?.requestCert === true && tls.rejectUnauthorized !== false;
  return isChecked && !tls.ca && !tls.pfx && !files?.ca.length;
}

/** Reads the options of a server pool; what is wrong goes to `problems`. */
export function readServerOptions(given: unknown, problems: string[]): ResolvedServerOptions {
  const options = new OptionReader('server', given, KNOWN, problems);
  const tls = options.object<TlsOptions>('tls', 'options for tls.createServer');
  const tlsFiles = readTlsFiles(options, tls);
  if ((tls ?? tlsFiles) && !tlsFiles?.key && !(tls?.key && tls.cert) && !tls?.pfx && !tls?.SNICallback) {
    options.problem('tls', '`key` and `cert` (or `tlsFiles` with both), or `pfx`, or `SNICallback`', tls);
  }
  return Object.freeze({
    ...readPoolOptions(options),
    maxCapacity: options.number('maxCapacity', { fallback: 1 }),
    ...readPlace(options),
    tls,
    tlsFiles,
    clientIP:
      options.value('clientIP') === ''
        ? []
        : (options.strings(
            'clientIP',
            'an IP address or CIDR range such as 10.0.0.0/8, a list of them, or nothing for all',
            isAddressRange,
          ) ?? []),
    maxPerAddress: options.number('maxPerAddress', { fallback: Infinity }),
    maxHandshakes: options.number('maxHandshakes', { fallback: Infinity }),
    trustProxy:
      options.strings(
        'trustProxy',
        'the IP address or CIDR range of a proxy such as 10.0.0.0/8, or a list of them',
        isAddressRange,
      ) ?? [],
    allowedOrigins:
      options.strings(
        'allowedOrigins',
        "an origin such as 'https://example.com', or a list of them",
        isOrigin,
      ) ?? [],
    path: options.string('path', PATH, isPlainPath),
    handshakeTimeout: options.number('handshakeTimeout', { fallback: 10_000, unit: 'ms' }),
    warnings: Object.freeze(trustsAnybody(tls, tlsFiles) ? [ANY_AUTHORITY] : []),
  });
}

const PLACES = ['listen', 'listener', 'mount'];

/** What belongs to the server that a pool is mounted on. */
const OF_THE_SERVER = ['tls', 'tlsFiles', 'handshakeTimeout', 'maxHandshakes', 'path'];

function readPlace(options: OptionReader): Pick<ResolvedServerOptions, 'listen' | 'listener' | 'mount'> {
  const places = PLACES.filter((place) => options.has(place));
  if (places.length !== 1) {
    const given = places.length === 0 ? undefined : places.map((place) => `\`${place}\``).join(' and ');
    options.problem('listen', 'a port in `listen`, or else `listener` or `mount`, one of the three', given);
  }
  return {
    listen: readListen(options),
    listener: readListener(options),
    mount: readMount(options),
  };
}

function readListen(options: OptionReader): ResolvedServerOptions['listen'] {
  const listen = options.object<{ host?: string; port: number }>(
    'listen',
    'an object with a port and perhaps a host',
  );
  if (!listen) return undefined;
  const { host, port } = listen;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    options.problem('listen.port', 'a whole number from 0 to 65535', port);
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    options.problem('listen.host', 'a host name or address', host);
  return listen;
}

function readListener(options: OptionReader): Server | undefined {
  const listener = options.value('listener');
  if (listener !== undefined && !isPlainListener(listener)) {
    options.problem('listener', 'a plain net.Server (certificates go into `tls`)', listener);
  }
  return listener as Server | undefined;
}

function readMount(options: OptionReader): Mounting | undefined {
  const mount = options.nested('mount', ['path', 'server']);
  if (!mount) return undefined;
  const path = mount.string('path', PATH, isPlainPath);
  if (!mount.has('path')) mount.problem('path', PATH, undefined);
  const server = mount.value('server');
  if (server !== undefined && !isHttpServer(server)) {
    mount.problem('server', 'an http.Server or https.Server', server);
  }
  for (const name of OF_THE_SERVER.filter((other) => options.has(other))) {
    options.problem(
      name,
      name === 'path'
        ? 'nothing beside `mount`, which has a path of its own'
        : 'nothing beside `mount`: it is a matter of the server that the pool is mounted on',
      options.value(name),
    );
  }
  return Object.freeze({ path: path ?? '', server: server as HttpServer | undefined });
}

/** HTTP and TLS servers extend net.Server, but their connections are spoken for. */
function isPlainListener(value: unknown): boolean {
  const server = value as Partial<Record<string, unknown>> | null;
  return (
    typeof server?.['listen'] === 'function' &&
    typeof server['address'] === 'function' &&
    !('setSecureContext' in server) &&
    !('requestTimeout' in server)
  );
}

/** Whether a text is the path of a request, and no more. */
function isPlainPath(text: string): boolean {
  return isPath(text) && !text.includes('?');
}

function isHttpServer(value: unknown): boolean {
  const server = value as Partial<Record<string, unknown>> | null;
  return typeof server?.['on'] === 'function' && 'requestTimeout' in server;
}

function isOrigin(value: string): boolean {
  return value !== '';
}

function isAddressRange(value: string): boolean {
  return parseIpRange(value) !== undefined;
}
