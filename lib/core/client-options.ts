import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { OptionReader } from './option-reader.js';
import {
  isPath,
  POOL_OPTIONS,
  type PoolOptions,
  readPoolOptions,
  type ResolvedPoolOptions,
} from './pool-options.js';
import { readPins, readTlsFiles } from './tls-options.js';

/** How a client secures its connections. `'2'`, `'1'` and `'0'` are NPWS's names for them. */
export type TlsMode = 'verified' | 'self-signed' | 'none' | '2' | '1' | '0';

/** Node's options for `tls.connect`, without those that the pool sets itself. */
export type ClientTlsOptions = Omit<ConnectionOptions, keyof typeof OWN_TLS>;

/** The client pool: it dials. Times are in milliseconds; what is omitted or 0 takes its default. */
export interface ClientPoolOptions extends PoolOptions {
  /** The server as 'host:port', '[::1]:8443' for IPv6. */
  readonly address: string;
  /** The least number of idle connections to aim at. Default 1. */
  readonly minCapacity?: number;
  /** The shortest pause between two rounds of dialling. Default 1,000. */
  readonly minInterval?: number;
  /** The longest pause between two rounds of dialling. Default 1,000. */
  readonly maxInterval?: number;
  /**
   * 'verified' (default) checks the server's certificate, 'self-signed' encrypts without checking it, 'none' is plain ws:
   * then there is no `tls`, `tlsFiles` or `pin`.
   */
  readonly tlsMode?: TlsMode;
  /** More for Node's `tls.connect`: `ca`, `cert`, `key`, `servername`, `ciphers`, `minVersion` (default TLS 1.3) ... */
  readonly tls?: ClientTlsOptions;
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

const KNOWN = [
  'address', 'minCapacity', 'minInterval', 'maxInterval', 'tlsMode', 'pin', 'headers', 'dialTimeout',
  'maxConcurrentDials', 'maxBackoff', ...POOL_OPTIONS,
]; // prettier-ignore

/** What no application decides, and what does. */
const OWN_TLS = {
  host: '`address` decides it',
  port: '`address` decides it',
  path: '`address` decides it',
  socket: '`address` decides it',
  rejectUnauthorized: "tlsMode decides it: 'verified' or 'self-signed'",
  session: 'the pool resumes sessions of its own',
} as const;

/** What a `secureContext` of the application's own decides. */
const SECURE_CONTEXT = ['ca', 'cert', 'key', 'pfx', 'crl', 'ciphers', 'minVersion', 'maxVersion'] as const;

/** Reads the options of a client pool; what is wrong goes to `problems`. */
export function readClientOptions(given: unknown, problems: string[]): ResolvedClientOptions {
  const options = new OptionReader('client', given, KNOWN, problems);
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
  for (const [name, decider] of Object.entries(OWN_TLS)) {
    const value = tls?.[name as keyof typeof OWN_TLS];
    if (value !== undefined) options.problem(`tls.${name}`, `nothing, as ${decider}`, value);
  }
  for (const name of tls?.secureContext ? SECURE_CONTEXT : []) {
    if (tls?.[name] !== undefined)
      options.problem(`tls.${name}`, 'nothing, as tls.secureContext has it', '…');
  }
  if (tlsMode === 'self-signed' && pins.length === 0) {
    warnings.push(
      "the server's certificate is not verified (tlsMode 'self-signed'): anyone in between can read and change the bytes",
    );
  }
  return Object.freeze({
    ...readPoolOptions(options),
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
  const given = (bound: string, value: number): string =>
    `${bound}${what} ${value}${options.has(`${bound}${what}`) ? '' : ' (the default)'}`;
  warnings.push(`${given('min', min)} is above ${given('max', max)}: swapped`);
  return [max, min];
}

function readAddress(options: OptionReader): { host: string; port: number } {
  const value = options.value('address');
  const match =
    typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^\s:/?#@[\]]+)):(\d{1,5})$/.exec(value) : null;
  const [, ipv6, name] = match ?? [];
  const port = Number(match?.[3]);
  const host = ipv6 ?? name;
  const isHost = ipv6 === undefined ? URL.canParse(`wss://${name}/`) : isIP(ipv6) === 6;
  if (host !== undefined && port >= 1 && port <= 65_535 && isHost) return { host, port };
  options.problem('address', "'host:port' such as 'example.com:8443' or '[::1]:8443'", value);
  return { host: '', port: 0 };
}

function readHeaders(options: OptionReader): Readonly<Record<string, string | readonly string[]>> {
  const headers =
    options.object<Record<string, unknown>>('headers', 'an object of header names and values') ?? {};
  const copy: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || name === '__proto__')
      options.problem('headers', 'header names', `${name.split(/[:\s]/, 1)[0]}…`);
    else if (/^(sec-websocket-.*|connection|upgrade|npws-protocol)$/i.test(name)) {
      options.problem(`headers.${name}`, 'nothing, as the WebSocket hand-shake sets it', '…');
    } else if (!values.every((item) => typeof item === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(item))) {
      // The value may be a secret: it is not shown.
      options.problem(`headers.${name}`, 'a string without control characters, or a list of them', '…');
    } else copy[name] = Array.isArray(value) ? Object.freeze([...(value as string[])]) : (value as string);
  }
  return Object.freeze(copy);
}
