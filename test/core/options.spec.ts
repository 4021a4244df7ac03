import { createServer } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { NpwsOptionsError } from '../../lib/core/errors.js';
import { type NpwsOptions, resolveOptions } from '../../lib/core/options.js';

function problemsOf(options: unknown): readonly string[] {
  try {
    resolveOptions(options as NpwsOptions);
  } catch (error) {
    if (error instanceof NpwsOptionsError) return error.problems;
    throw error;
  }
  return [];
}

const client = (options: Record<string, unknown>): unknown => ({
  client: { address: 'localhost:8443', ...options },
});
/** The form of a pin; whose key it is does not matter here. */
const PIN = `${'a'.repeat(43)}=`;
const server = (options: Record<string, unknown>): unknown => ({
  server: { listen: { port: 0 }, ...options },
});

describe('client options', () => {
  it('have the documented defaults, which 0 stands for as well', () => {
    const defaults = resolveOptions({ client: { address: 'localhost:8443' } }).client;
    expect(defaults).toEqual({
      host: 'localhost',
      port: 8443,
      minCapacity: 1,
      maxCapacity: 1,
      minInterval: 1_000,
      maxInterval: 1_000,
      keepAlive: 25_000,
      ping: 'auto',
      maxPayload: 16_777_216,
      acquireTimeout: 30_000,
      maxWaiters: 10_000,
      reserveControl: false,
      claimTimeout: 30_000,
      protocol: 2,
      allowHalfOpen: true,
      maxUses: Infinity,
      maxLifetime: 1_800_000,
      maxIdle: Infinity,
      drainTimeout: 5_000,
      maxErrors: Infinity,
      autoStart: true,
      tlsMode: 'verified',
      tls: {},
      tlsFiles: undefined,
      pins: [],
      path: '/',
      headers: {},
      dialTimeout: 30_000,
      maxConcurrentDials: 64,
      maxBackoff: 5_000,
      warnings: [],
    });
    const zeros = {
      minCapacity: 0,
      maxCapacity: 0,
      minInterval: 0,
      maxInterval: 0,
      keepAlive: 0,
      dialTimeout: 0,
    };
    expect(resolveOptions(client(zeros) as NpwsOptions).client).toEqual(defaults);
  });

  it.each(['acquireTimeout', 'drainTimeout', 'maxErrors'])(
    'let %s be 0, which means something there',
    (name) => {
      expect(resolveOptions(client({ [name]: 0 }) as NpwsOptions).client).toMatchObject({ [name]: 0 });
    },
  );

  it('swap a minimum with its maximum, with one warning each', () => {
    const options = resolveOptions(
      client({ minCapacity: 9, maxCapacity: 3, minInterval: 900, maxInterval: 300 }) as NpwsOptions,
    ).client;
    expect(options).toMatchObject({ minCapacity: 3, maxCapacity: 9, minInterval: 300, maxInterval: 900 });
    expect(options?.warnings).toEqual([
      'minCapacity 9 is above maxCapacity 3: swapped',
      'minInterval 900 is above maxInterval 300: swapped',
    ]);
  });

  it.each([
    [
      'minCapacity',
      -1,
      'client.minCapacity: expected a whole number from 1 to 2147483647, or 0 for the default 1, got -1',
    ],
    ['maxCapacity', 1.5, 'got 1.5'],
    ['maxCapacity', NaN, 'got NaN'],
    ['maxCapacity', 2 ** 31, 'got 2147483648'],
    ['minInterval', Infinity, 'client.minInterval: expected milliseconds'],
    ['maxInterval', '500', 'got "500"'],
    ['maxInterval', 500n, 'got 500n'],
    [
      'keepAlive',
      30,
      'client.keepAlive: expected milliseconds from 1000 to 2147483647, or 0 for the default 25000, got 30 (milliseconds?)',
    ],
    ['keepAlive', -5, 'got -5'],
    ['dialTimeout', null, 'got null'],
    ['autoStart', 'yes', 'client.autoStart: expected true or false, got "yes"'],
    [
      'tlsMode',
      '3',
      "client.tlsMode: expected 'verified' or 'self-signed' or 'none' or '0' or '1' or '2', got \"3\"",
    ],
    ['tlsMode', 2, 'client.tlsMode'],
    ['tlsMode', 'constructor', 'client.tlsMode'],
    ['ping', false, "expected 'auto' or 'always' or 'off', got false"],
    ['path', 'no-slash', "client.path: expected a path that begins with '/'"],
    ['path', '/a\r\nb', 'client.path'],
    ['headers', 'Authorization: x', 'client.headers: expected an object'],
    ['headers', { 'Bad Name': 'x' }, 'client.headers: expected header names'],
    ['headers', JSON.parse('{ "__proto__": "x" }') as unknown, 'client.headers: expected header names'],
    ['headers', { Connection: 'close' }, 'client.headers.Connection'],
    ['headers', { 'Sec-WebSocket-Protocol': 'x' }, 'client.headers.Sec-WebSocket-Protocol'],
    ['tls', 'cert', 'client.tls: expected options for tls.connect, got "cert"'],
    ['tls', { rejectUnauthorized: false }, 'client.tls.rejectUnauthorized'],
    ['tls', { session: Buffer.alloc(8) }, 'client.tls.session'],
    ['tls', { host: 'elsewhere' }, 'client.tls.host'],
    ['tls', { path: '/run/pool.sock' }, 'client.tls.path'],
    ['maxCapcity', 5, 'client.maxCapcity: unknown option'],
  ])('refuse %s: %p', (name, value, problem) => {
    const problems = problemsOf(client({ [name]: value }));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('never show the value of a header, which may be a secret', () => {
    expect(problemsOf(client({ headers: { Authorization: 'secret\n' } })).join()).not.toContain('secret');
  });

  it.each([
    ['localhost:8443', 'localhost', 8443],
    ['example.com:1', 'example.com', 1],
    ['192.0.2.1:65535', '192.0.2.1', 65535],
    ['[::1]:8443', '::1', 8443],
  ])('understand the address %p', (address, host, port) => {
    expect(resolveOptions({ client: { address } }).client).toMatchObject({ host, port });
  });

  it.each([
    undefined,
    '',
    'localhost',
    ':8443',
    'localhost:0',
    'localhost:65536',
    '::1:8443',
    '[localhost]:1',
    'wss://a:1',
    'a:1/x',
    8443,
  ])('refuse the address %p', (address) => {
    expect(problemsOf({ client: { address } })[0]).toContain("client.address: expected 'host:port'");
  });

  it.each([
    ['2', 'verified'],
    ['1', 'self-signed'],
    ['0', 'none'],
  ])("take NPWS's TLS mode %p for %p", (given, mode) => {
    expect(resolveOptions(client({ tlsMode: given }) as NpwsOptions).client?.tlsMode).toBe(mode);
  });

  it('warn once that a self-signed certificate is not verified, but not when its key is pinned', () => {
    const warnings = (options: object): number | undefined =>
      resolveOptions(client({ tlsMode: '1', ...options }) as NpwsOptions).client?.warnings.length;
    expect([warnings({}), warnings({ pin: PIN })]).toEqual([1, 0]);
  });

  it.each([
    [{ pin: 'abc' }, "client.pin: expected the SHA-256 of the server's public key in base64"],
    [{ pin: [PIN, ''] }, 'client.pin'],
    [{ pin: [] }, 'client.pin'],
    [{ pin: `sha1/${PIN}` }, 'client.pin'],
    [{ tlsMode: 'none', pin: PIN }, "client.pin: expected nothing, as tlsMode is 'none'"],
    [
      { tlsMode: 'none', tlsFiles: { ca: 'ca.pem' } },
      "client.tlsFiles: expected nothing, as tlsMode is 'none'",
    ],
    [{ tlsFiles: {} }, 'client.tlsFiles: expected the path of a `key` and `cert`, or of a `ca`'],
    [{ tlsFiles: { key: 'k.pem' } }, 'client.tlsFiles: expected both `key` and `cert`, or neither'],
    [{ tlsFiles: { ca: [''] } }, 'client.tlsFiles.ca: expected the path of a PEM file'],
    [{ tlsFiles: { ca: 'ca.pem', interval: 5 } }, 'client.tlsFiles.interval: expected milliseconds from 100'],
    [{ tlsFiles: { ca: 'ca.pem', pem: 'x' } }, 'client.tlsFiles.pem: unknown option'],
    [{ tlsFiles: 'ca.pem' }, 'client.tlsFiles: expected an object'],
    [{ tlsFiles: { cert: 'c.pem' } }, 'neither, got "cert alone"'],
    [{ tls: { secureContext: {}, ca: 'x' } }, 'client.tls.ca: expected nothing, as tls.secureContext has it'],
    [
      { tlsFiles: { ca: 'ca.pem' }, tls: { ca: 'x' } },
      'client.tls.ca: expected nothing, as tlsFiles is given',
    ],
    [
      { tlsFiles: { ca: 'ca.pem' }, tls: { secureContext: {} } },
      'client.tls.secureContext: expected nothing',
    ],
  ])('refuse %j', (options, problem) => {
    expect(problemsOf(client(options))[0]).toContain(problem);
  });

  it('refuse TLS options for plain ws', () => {
    expect(problemsOf(client({ tlsMode: 'none', tls: { ca: 'x' } }))).toEqual([
      "client.tls: expected nothing, as tlsMode is 'none', got an object",
    ]);
  });
});

describe('server options', () => {
  it.each([
    [{}, 0],
    [{ requestCert: true }, 1],
    [{ requestCert: true, ca: 'x' }, 0],
    [{ requestCert: true, rejectUnauthorized: false }, 0],
  ])('warn when certificates of clients are asked for and any authority would do: %j', (tls, count) => {
    const given = server({ tls: { key: 'x', cert: 'x', ...tls } }) as NpwsOptions;
    expect(resolveOptions(given).server?.warnings).toHaveLength(count);
  });

  it.each([
    [
      { listen: undefined },
      'server.listen: expected a port in `listen`, or else `listener` or `mount`, one of the three',
    ],
    [{ listener: createServer() }, 'server.listen'],
    [{ listen: { port: -1 } }, 'server.listen.port'],
    [{ listen: { port: '80' } }, 'server.listen.port'],
    [{ listen: { port: 0, host: 5 } }, 'server.listen.host'],
    [{ listen: undefined, listener: {} }, 'server.listener: expected a plain net.Server'],
    [{ listen: undefined, listener: createHttpServer() }, 'server.listener: expected a plain net.Server'],
    [{ clientIP: [] }, 'server.clientIP: expected an IP address or CIDR range'],
    [{ clientIP: '10.0.0.0/33' }, 'server.clientIP'],
    // Less than the 96 bits that all mapped addresses share is no range of IPv4 addresses.
    [{ clientIP: '::ffff:10.0.0.0/64' }, 'server.clientIP'],
    [{ clientIP: ['10.0.0.1', 'example.com'] }, 'got "example.com"'],
    [{ clientIP: [''] }, 'server.clientIP'],
    [
      { trustProxy: true },
      'server.trustProxy: expected the IP address or CIDR range of a proxy such as 10.0.0.0/8, or a list of them, got true',
    ],
    [{ trustProxy: ['10.0.0.0/8', 'localhost'] }, 'server.trustProxy'],
    [{ trustProxy: '' }, 'server.trustProxy'],
    [
      { tls: { pfx: 'x' }, tlsFiles: { key: 'k', cert: 'c' } },
      'server.tls.pfx: expected nothing, as tlsFiles is given',
    ],
    [{ maxPerAddress: -1 }, 'or 0 for no limit, got -1'],
    [{ maxHandshakes: 1.5 }, 'server.maxHandshakes: expected a whole number'],
    [{ allowedOrigins: [] }, 'server.allowedOrigins'],
    [{ tls: {} }, 'server.tls: expected `key` and `cert`'],
    [{ tls: { key: 'x' } }, 'server.tls: expected `key` and `cert`'],
    [{ tlsFiles: { ca: 'ca.pem' } }, 'server.tls: expected `key` and `cert`'],
    [{ address: 'a:1' }, 'server.address: unknown option'],
  ])('refuse %p', (options, problem) => {
    expect(problemsOf(server(options)).join()).toContain(problem);
  });

  it.each([
    ['', []],
    [undefined, []],
    ['192.0.2.1', ['192.0.2.1']],
    [
      ['10.0.0.0/8', '2001:db8::/32', '::1'],
      ['10.0.0.0/8', '2001:db8::/32', '::1'],
    ],
  ])('take the white-list %p', (clientIP, expected) => {
    expect(resolveOptions(server({ clientIP }) as NpwsOptions).server?.clientIP).toEqual(expected);
  });
});

describe('all options', () => {
  it('are refused with every problem at once, in one message', () => {
    const given = { client: { address: 'x', minCapacity: -1 }, server: { clientIP: [], maxCapacity: NaN } };
    expect(problemsOf(given).map((problem) => problem.split(':')[0])).toEqual([
      'client.minCapacity',
      'client.address',
      'server.maxCapacity',
      'server.listen',
      'server.clientIP',
    ]);
    expect(() => resolveOptions(given as never)).toThrow(/client\.minCapacity[^]*server\.clientIP/);
  });

  it.each([null, undefined, 5, 'x', []])('are refused when they are %p', (options) => {
    expect(problemsOf(options)[0]).toContain('options: expected an object');
    expect(problemsOf({ client: options }).length).toBe(options === undefined ? 0 : 2);
  });

  it('are copied and frozen: what the application changes later does not matter', () => {
    const headers = { Authorization: 'one' };
    const tls = { ca: 'one' };
    const { client: resolved } = resolveOptions({ client: { address: 'a:1', headers, tls } });
    headers.Authorization = 'two';
    tls.ca = 'two';
    expect(resolved).toMatchObject({ headers: { Authorization: 'one' }, tls: { ca: 'one' } });
    for (const part of [resolved, resolved?.headers, resolved?.tls, resolved?.warnings]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('may be frozen, and are not read from prototypes', () => {
    expect(problemsOf(Object.freeze({ client: Object.freeze({ address: 'a:1' }) }))).toEqual([]);
    const inherited: unknown = Object.create({ address: 'a:1' });
    expect(problemsOf({ client: inherited })).toHaveLength(1);
    expect(
      problemsOf({
        client: JSON.parse('{ "address": "a:1", "__proto__": { "maxCapacity": 9 } }') as unknown,
      }),
    ).toEqual([expect.stringContaining('client.__proto__: unknown option')]);
  });
});
