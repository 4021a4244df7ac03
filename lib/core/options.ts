import { isIP, type Server } from 'node:net';
import type { ConnectionOptions, TlsOptions } from 'node:tls';
import { NpwsOptionsError } from './errors.js';
import { parseIpRange } from './ip-range.js';
import { OptionReader } from './option-reader.js';
import { readPins, readTlsFiles, type ResolvedTlsFiles, type TlsFiles } from './tls-options.js';

/** How a client secures its connections. `'2'`, `'1'` and `'0'` are NPWS's names for them. */
export type TlsMode = 'verified' | 'self-signed' | 'none' | '2' | '1' | '0';

/** When idle connections are pinged: see the README's part on liveness. */
export type PingMode = 'auto' | 'always' | 'off';

/** What both roles take. Times are in milliseconds. Omitted or 0 takes the default unless 0 has a meaning of its own. */
export interface PoolOptions {
  /** How many connections may be idle. Those in use do not count. Default 1. */
  readonly maxCapacity?: number;
  /** The time between signs of life of an idle connection, jittered; at least 1,000. Default 25,000. */
  readonly keepAlive?: number;
  /** 'auto' pings peers that are known to answer while idle, 'always' all (for proxies that cut idle tunnels). Default 'auto'. */
  readonly ping?: PingMode;
  /** The largest message accepted from the peer, in bytes. Default 16 MiB. */
  readonly maxPayload?: number;
  /** How long a get waits unless it says otherwise; 0 takes only what is there. Default 30,000. */
  readonly acquireTimeout?: number;
  /** How many may wait at once; more fail at once. Default 10,000. */
  readonly maxWaiters?: number;
  /** Keep '00000000' for `outgoingGet('00000000')` and have it issued again when it is lost. Default false. */
  readonly reserveControl?: boolean;
  /** How long a connection whose peer began to write waits to be taken by its ID. Default 30,000. */
  readonly claimTimeout?: number;
  /** How long `close()` lets streams in use finish; 0 cuts them at once. Default 5,000. */
  readonly drainTimeout?: number;
  /** Health is down when `errorCount()` exceeds this; 0 tolerates none. Default: no limit. */
  readonly maxErrors?: number;
  /** Whether the Nest module starts the pool at boot. Default true. */
  readonly autoStart?: boolean;
  /** Files for `key`, `cert` and `ca` instead of `tls`; they are watched, so that certificates can be renewed. */
  readonly tlsFiles?: TlsFiles;
}

/** The client pool: it dials. */
export interface ClientPoolOptions extends PoolOptions {
  /** The server as 'host:port', '[::1]:8443' for IPv6. */
  readonly address: string;
  /** The least number of idle connections to aim at. Default 1. */
  readonly minCapacity?: number;
  /** The shortest pause between two rounds of dialling. Default 1,000. */
  readonly minInterval?: number;
  /** The longest pause between two rounds of dialling. Default 1,000. */
  readonly maxInterval?: number;
  /** 'verified' (default) checks the server's certificate, 'self-signed' encrypts without checking it, 'none' is plain ws. */
  readonly tlsMode?: TlsMode;
  /** More for Node's `tls.connect`: `ca`, `cert`, `key`, `servername`, `ciphers`, `minVersion` (default TLS 1.3) ... */
  readonly tls?: ConnectionOptions;
  /** The only public keys that the server may show: SHA-256 in base64, see `pinOf()`. It makes 'self-signed' safe. */
  readonly pin?: string | readonly string[];
  /** The path and query of the request. Default '/'. */
  readonly path?: string;
  /** More headers for the request. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** One deadline for a whole dial: name, TCP, TLS, upgrade and ID. Default 30,000. */
  readonly dialTimeout?: number;
  /** How many dials may be under way at once. Default 64. */
  readonly maxConcurrentDials?: number;
  /** The longest pause between two dials while the server is down. Default 5,000. */
  readonly maxBackoff?: number;
}

/** The server pool: it listens. Give `listen` or `listener`. */
export interface ServerPoolOptions extends PoolOptions {
  /** Where to listen. Port 0 takes a free one. */
  readonly listen?: { readonly host?: string; readonly port: number };
  /** A `net.Server` of your own instead; `close()` closes it. */
  readonly listener?: Server;
  /** For Node's `tls.createServer`: `key` and `cert` ... Without it the pool speaks plain ws. TLS 1.3 unless `minVersion` says otherwise. */
  readonly tls?: TlsOptions;
  /** Addresses or CIDR ranges that may connect; '' or omitted lets in all. */
  readonly clientIP?: string | readonly string[];
  /** How many live connections, those in use too, a client address may have; more get a 429. Default: no limit. */
  readonly maxPerAddress?: number;
  /** How many sockets may be on their way to the upgrade at once; more are dropped. Default: no limit. */
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

/** What the module's factory returns: one role or both. */
export interface NpwsOptions {
  readonly client?: ClientPoolOptions;
  readonly server?: ServerPoolOptions;
}

interface ResolvedPoolOptions {
  readonly maxCapacity: number;
  readonly keepAlive: number;
  readonly ping: PingMode;
  readonly maxPayload: number;
  readonly acquireTimeout: number;
  readonly maxWaiters: number;
  readonly reserveControl: boolean;
  readonly claimTimeout: number;
  readonly drainTimeout: number;
  readonly maxErrors: number;
  readonly autoStart: boolean;
  readonly tlsFiles: ResolvedTlsFiles | undefined;
  /** What is odd about these options but not wrong; said once at start. */
  readonly warnings: readonly string[];
}

/** Client options with every default filled in. */
export interface ResolvedClientOptions extends ResolvedPoolOptions {
  readonly host: string;
  readonly port: number;
  readonly minCapacity: number;
  readonly minInterval: number;
  readonly maxInterval: number;
  readonly tlsMode: 'verified' | 'self-signed' | 'none';
  readonly tls: Readonly<ConnectionOptions>;
  /** Empty accepts any key. */
  readonly pins: readonly string[];
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly dialTimeout: number;
  readonly maxConcurrentDials: number;
  readonly maxBackoff: number;
}

/** Server options with every default filled in. */
export interface ResolvedServerOptions extends ResolvedPoolOptions {
  readonly listen: { readonly host?: string; readonly port: number } | undefined;
  readonly listener: Server | undefined;
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

/** The options of both roles, checked and frozen; null for a role that was not configured. */
export interface ResolvedOptions {
  readonly client: ResolvedClientOptions | null;
  readonly server: ResolvedServerOptions | null;
}

const SHARED = [
  'maxCapacity', 'keepAlive', 'ping', 'maxPayload', 'acquireTimeout', 'maxWaiters', 'reserveControl',
  'claimTimeout', 'drainTimeout', 'maxErrors', 'autoStart', 'tls', 'tlsFiles', 'path',
]; // prettier-ignore
const CLIENT = [
  'address', 'minCapacity', 'minInterval', 'maxInterval', 'tlsMode', 'pin', 'headers', 'dialTimeout',
  'maxConcurrentDials', 'maxBackoff', ...SHARED,
]; // prettier-ignore
const SERVER = [
  'listen', 'listener', 'clientIP', 'trustProxy', 'maxPerAddress', 'maxHandshakes', 'allowedOrigins',
  'handshakeTimeout', ...SHARED,
]; // prettier-ignore

/** Checks all options at once, fills in defaults, copies and freezes. Throws one `NpwsOptionsError` with every problem. */
export function resolveOptions(given: NpwsOptions): ResolvedOptions {
  const problems: string[] = [];
  const root = new OptionReader('options', given, ['client', 'server'], problems);
  const client = root.has('client')
    ? resolveClient(new OptionReader('client', given.client, CLIENT, problems))
    : null;
  const server = root.has('server')
    ? resolveServer(new OptionReader('server', given.server, SERVER, problems))
    : null;
  if (problems.length > 0) throw new NpwsOptionsError(problems);
  return Object.freeze({ client, server });
}

function resolveShared(
  options: OptionReader,
): Omit<ResolvedPoolOptions, 'maxCapacity' | 'tlsFiles' | 'warnings'> {
  return {
    keepAlive: options.number('keepAlive', {
      fallback: 25_000,
      min: 1_000,
      unit: 'ms',
      hint: 'milliseconds?',
    }),
    ping: options.choice('ping', ['auto', 'always', 'off'], 'auto'),
    maxPayload: options.number('maxPayload', { fallback: 16 * 1024 * 1024 }),
    acquireTimeout: options.number('acquireTimeout', { fallback: 30_000, unit: 'ms', zero: true }),
    maxWaiters: options.number('maxWaiters', { fallback: 10_000 }),
    reserveControl: options.boolean('reserveControl', false),
    claimTimeout: options.number('claimTimeout', { fallback: 30_000, unit: 'ms' }),
    drainTimeout: options.number('drainTimeout', { fallback: 5_000, unit: 'ms', zero: true }),
    maxErrors: options.number('maxErrors', { fallback: Infinity, zero: true }),
    autoStart: options.boolean('autoStart', true),
  };
}

function resolveClient(options: OptionReader): ResolvedClientOptions {
  const warnings: string[] = [];
  const [minCapacity, maxCapacity] = inOrder(options, warnings, 'Capacity', { fallback: 1 });
  const [minInterval, maxInterval] = inOrder(options, warnings, 'Interval', { fallback: 1_000, unit: 'ms' });
  const tlsMode = options.choice('tlsMode', ['verified', 'self-signed', 'none'] as const, 'verified', {
    '2': 'verified',
    '1': 'self-signed',
    '0': 'none',
  });
  const tls = options.object<ConnectionOptions>('tls', 'options for tls.connect');
  const tlsFiles = readTlsFiles(options, tls);
  const pins = readPins(options);
  for (const name of ['tls', 'tlsFiles', 'pin']) {
    if (tlsMode === 'none' && options.has(name))
      options.problem(name, "nothing, as tlsMode is 'none'", options.value(name));
  }
  if (tls?.rejectUnauthorized !== undefined) {
    options.problem(
      'tls.rejectUnauthorized',
      "nothing, as tlsMode decides it: 'verified' or 'self-signed'",
      tls.rejectUnauthorized,
    );
  }
  if (tlsMode === 'self-signed' && pins.length === 0) {
    warnings.push(
      "the server's certificate is not verified (tlsMode 'self-signed'): anyone in between can read and change the bytes",
    );
  }
  return Object.freeze({
    ...resolveShared(options),
    ...readAddress(options),
    minCapacity,
    maxCapacity,
    minInterval,
    maxInterval,
    tlsMode,
    tls: tls ?? Object.freeze({}),
    tlsFiles,
    pins: Object.freeze(pins),
    path: options.string('path', "a path that begins with '/'", isPath) ?? '/',
    headers: readHeaders(options),
    dialTimeout: options.number('dialTimeout', { fallback: 30_000, unit: 'ms' }),
    maxConcurrentDials: options.number('maxConcurrentDials', { fallback: 64 }),
    maxBackoff: options.number('maxBackoff', { fallback: 5_000, unit: 'ms' }),
    warnings: Object.freeze(warnings),
  });
}

function resolveServer(options: OptionReader): ResolvedServerOptions {
  const tls = options.object<TlsOptions>('tls', 'options for tls.createServer');
  const tlsFiles = readTlsFiles(options, tls);
  if ((tls ?? tlsFiles) && !tlsFiles?.key && !(tls?.key && tls.cert) && !tls?.pfx && !tls?.SNICallback) {
    options.problem('tls', '`key` and `cert` (or `tlsFiles` with both), or `pfx`, or `SNICallback`', tls);
  }
  return Object.freeze({
    ...resolveShared(options),
    maxCapacity: options.number('maxCapacity', { fallback: 1 }),
    ...readListener(options),
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
    path: options.string(
      'path',
      "a path that begins with '/', without a query",
      (path) => isPath(path) && !path.includes('?'),
    ),
    handshakeTimeout: options.number('handshakeTimeout', { fallback: 10_000, unit: 'ms' }),
    warnings: Object.freeze([]),
  });
}

/** A minimum and a maximum, swapped with a warning when they are the wrong way round (NPWS). */
function inOrder(
  options: OptionReader,
  warnings: string[],
  what: 'Capacity' | 'Interval',
  rule: { fallback: number; unit?: 'ms' },
): [number, number] {
  const min = options.number(`min${what}`, rule);
  const max = options.number(`max${what}`, rule);
  if (min <= max) return [min, max];
  warnings.push(`min${what} ${min} is above max${what} ${max}: swapped`);
  return [max, min];
}

function readAddress(options: OptionReader): { host: string; port: number } {
  const value = options.value('address');
  const match =
    typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^\s:/?#@[\]]+)):(\d{1,5})$/.exec(value) : null;
  const [, ipv6, name] = match ?? [];
  const port = Number(match?.[3]);
  const host = ipv6 ?? name;
  if (host !== undefined && port >= 1 && port <= 65_535 && (ipv6 === undefined || isIP(ipv6) === 6))
    return { host, port };
  options.problem('address', "'host:port' such as 'example.com:8443' or '[::1]:8443'", value);
  return { host: '', port: 0 };
}

function readListener(options: OptionReader): Pick<ResolvedServerOptions, 'listen' | 'listener'> {
  const listener = options.value('listener');
  if (options.has('listen') === options.has('listener')) {
    options.problem(
      'listen',
      'either `listen` with a port or `listener`',
      options.has('listen') ? 'both' : undefined,
    );
  }
  if (listener !== undefined && !isPlainListener(listener)) {
    options.problem('listener', 'a plain net.Server (certificates go into `tls`)', listener);
  }
  const listen = options.object<{ host?: string; port: number }>(
    'listen',
    'an object with a port and perhaps a host',
  );
  if (listen) {
    const { host, port } = listen;
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      options.problem('listen.port', 'a whole number from 0 to 65535', port);
    if (host !== undefined && (typeof host !== 'string' || host === ''))
      options.problem('listen.host', 'a host name or address', host);
  }
  return { listen, listener: listener as Server | undefined };
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

function readHeaders(options: OptionReader): Readonly<Record<string, string | readonly string[]>> {
  const headers =
    options.object<Record<string, unknown>>('headers', 'an object of header names and values') ?? {};
  const copy: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || name === '__proto__')
      options.problem('headers', 'header names', name);
    else if (/^(sec-websocket-.*|connection|upgrade)$/i.test(name)) {
      options.problem(`headers.${name}`, 'nothing, as the WebSocket hand-shake sets it', '…');
    } else if (!values.every((item) => typeof item === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(item))) {
      // The value may be a secret: it is not shown.
      options.problem(`headers.${name}`, 'a string without control characters, or a list of them', '…');
    } else copy[name] = Array.isArray(value) ? Object.freeze([...(value as string[])]) : (value as string);
  }
  return Object.freeze(copy);
}

function isPath(value: string): boolean {
  return /^\/[\x21-\x7e]*$/.test(value) && !value.includes('#');
}

function isOrigin(value: string): boolean {
  return value !== '';
}

function isAddressRange(value: string): boolean {
  return parseIpRange(value) !== undefined;
}
