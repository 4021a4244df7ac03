import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import * as npws from 'nestjs-npws';
import { createClientPool, createServerPool, NpwsError, NpwsModule, ServerPoolService } from 'nestjs-npws';
import { createMemoryPools, FakeClock, MemoryNetwork } from 'nestjs-npws/testing';
import { freePort } from '../../sample/parts/free-port.js';
import { boot, LOCAL } from '../support/apps.js';
import { takeBoth, until } from '../support/pair.js';

/** What was thrown, or what a promise was rejected with, as 'code: message'. */
async function failureOf(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
  } catch (error) {
    return textOf(error);
  }
  throw new Error('nothing failed');
}

function textOf(error: unknown): string {
  if (!(error instanceof NpwsError)) throw error;
  return `${error.code}: ${error.message}`;
}

describe('every error tells what happened, with which pool and value, and what to do:', () => {
  it('options', async () => {
    const [one, many] = [
      { address: 'localhost' },
      { address: 'localhost:1', minCapacity: -1, mincapacity: 1 },
    ];
    expect(await failureOf(() => createClientPool(one, { name: 'berlin' }))).toBe(
      `ERR_NPWS_OPTIONS: pool 'berlin': client.address: expected 'host:port' such as 'example.com:8443' or '[::1]:8443', got "localhost"`,
    );
    expect(await failureOf(() => createClientPool(many as never))).toMatch(
      /^ERR_NPWS_OPTIONS: pool 'default': wrong options\n {2}- client.mincapacity: unknown option; known are .*\n {2}- client.minCapacity: expected a whole number from 1 to 2147483647, or 0 for the default 1, got -1$/,
    );
    expect(await failureOf(() => createServerPool(undefined as never))).toBe(
      "ERR_NPWS_OPTIONS: pool 'default': server: expected an object, got undefined",
    );
    await using pools = await createMemoryPools();
    expect(await failureOf(() => pools.server.incomingGet(-1))).toBe(
      "ERR_NPWS_OPTIONS: server pool 'default': wait: expected milliseconds from 0 to 2147483647 or Infinity, got -1",
    );
    expect(await failureOf(() => { pools.server.updateTls({}); })).toBe(
      "ERR_NPWS_OPTIONS: server pool 'default': updateTls: it speaks plain ws, there is no TLS to update",
    ); // prettier-ignore
  });

  it('an ID that is none', async () => {
    await using pools = await createMemoryPools();
    expect(await failureOf(() => pools.client.outgoingGet('A1B2C3D4'))).toBe(
      `ERR_NPWS_BAD_ID: client pool 'default': expected a connection's ID, 8 lower-case hex digits as in the other end's connection.id, got "A1B2C3D4"`,
    );
  });

  it('time-outs', async () => {
    const [clock, network] = [new FakeClock(), new MemoryNetwork()];
    await using pools = await createMemoryPools({ clock, network, name: 'berlin' });
    expect(await failureOf(() => pools.client.outgoingGet('a1b2c3d4', 0))).toBe(
      "ERR_NPWS_TIMEOUT: client pool 'berlin': no connection a1b2c3d4 within 0 ms (idle 4, used 0, waiting 0, capacity 4). Is it the ID of a connection of the other end, of the same pair of pools, and not taken yet?",
    );
    network.down();
    for (const pool of [pools.server, pools.client]) await until(pool, () => pool.active() === 0);
    expect(await failureOf(() => pools.server.incomingGet(0))).toBe(
      "ERR_NPWS_TIMEOUT: server pool 'berlin': no idle connection within 0 ms (idle 0, used 0, waiting 0, capacity 64). Is a client connected, and do its minCapacity and minInterval meet the demand?",
    );
    const failed = once(pools.client, 'dialError');
    clock.advance(100);
    await failed;
    expect(await failureOf(() => pools.client.whenReady(0))).toMatch(
      /^ERR_NPWS_TIMEOUT: client pool 'berlin': no connection within 0 ms \(idle 0, used 0, waiting 0, capacity \d\)\. Is the server up, and do minCapacity and minInterval meet the demand\? Last failure 0.0 s ago: ws:\/\/memory:1\/: connect ECONNREFUSED memory:1\. Nothing listens there: is the server up, and the port right\?$/,
    );
    network.up();
    clock.advance(5_000);
    await once(pools.client, 'recover');
    // What is mended is not to blame.
    expect(await failureOf(() => pools.client.outgoingGet('00000000', 0))).toMatch(
      /^ERR_NPWS_TIMEOUT: client pool 'berlin': no connection 00000000 within 0 ms \(idle \d, .*\)\. Is the other end there, and was it taken before\? Only reserveControl, at both ends, issues it again\.$/,
    );
    await using unstarted = createServerPool({ listen: LOCAL });
    expect(await failureOf(() => unstarted.whenReady(0))).toBe(
      "ERR_NPWS_TIMEOUT: server pool 'default': no listener within 0 ms (idle 0, used 0, waiting 0, capacity 1). It is not running yet: was start() called, and has it resolved?",
    );
  });

  it('waits that are given up, or too many', async () => {
    await using pools = await createMemoryPools({ server: { maxWaiters: 1 } });
    const signal = AbortSignal.abort('enough');
    expect(await failureOf(() => pools.server.outgoingGet('a1b2c3d4', { signal }))).toBe(
      "ERR_NPWS_ABORTED: server pool 'default': the wait for connection a1b2c3d4 was aborted by its signal",
    );
    pools.server.outgoingGet('a1b2c3d4').catch(() => undefined);
    expect(await failureOf(() => pools.server.outgoingGet('a1b2c3d4'))).toBe(
      "ERR_NPWS_TOO_MANY_WAITERS: server pool 'default': 1 are waiting already (maxWaiters): shed load, or keep more connections idle",
    );
  });

  it('the end of a pool', async () => {
    await using pools = await createMemoryPools();
    const { atClient } = await takeBoth(pools);
    const cut = once(atClient, 'error');
    pools.client.drain();
    expect(await failureOf(() => pools.client.incomingGet())).toBe(
      "ERR_NPWS_DRAINING: client pool 'default': it is shutting down and hands out nothing more",
    );
    await pools.close();
    expect(await failureOf(() => pools.client.incomingGet())).toBe(
      "ERR_NPWS_CLOSED: client pool 'default': it is closed and hands out nothing more",
    );
    expect(textOf((await cut)[0])).toBe(
      "ERR_NPWS_CLOSED: client pool 'default': it was closed while this connection was in use (drainTimeout 0 ms)",
    );
  });

  it('a cut', async () => {
    const network = new MemoryNetwork();
    await using pools = await createMemoryPools({ network });
    const { atClient, atServer } = await takeBoth(pools);
    const cuts = [once(atClient, 'error'), once(atServer, 'error')];
    network.cut();
    expect((await Promise.all(cuts)).map(([error]) => textOf(error))).toEqual([
      "ERR_NPWS_TRUNCATED: connection 00000000 of client pool 'default' was cut: read ECONNRESET (close code 1006); what came may be incomplete",
      "ERR_NPWS_TRUNCATED: connection 00000000 of server pool 'default' was cut: read ECONNRESET (close code 1006); what came may be incomplete",
    ]);
  });

  it('a role that is not there', async () => {
    await using booted = await boot({ imports: [NpwsModule.forRoot({})] });
    expect(await failureOf(() => booted.app.get(ServerPoolService).incomingGet())).toBe(
      "ERR_NPWS_NOT_CONFIGURED: server pool 'default': it is not configured: pass 'server' to NpwsModule.forRoot() or forRootAsync()",
    );
  });

  it('a port that is taken', async () => {
    await using first = createServerPool({ listen: LOCAL });
    await first.start();
    const port = first.address()?.port ?? 0;
    await using second = createServerPool({ listen: { host: '127.0.0.1', port } }, { name: 'berlin' });
    expect(await failureOf(() => second.start())).toBe(
      `ERR_NPWS_LISTEN: server pool 'berlin': can't listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}. Choose another port, or stop what listens there.`,
    );
  });

  it('dials that fail', async () => {
    const dial = async (port: number, dialTimeout = 5_000): Promise<string> => {
      const options = { address: `127.0.0.1:${port}`, path: '/pool?key=secret', dialTimeout } as const;
      await using pool = createClientPool({ ...options, tlsMode: 'none' });
      await pool.start();
      return textOf((await once(pool, 'dialError'))[0]);
    };
    const nobody = await freePort();
    expect(await dial(nobody)).toBe(
      `ERR_NPWS_DIAL: client pool 'default': ws://127.0.0.1:${nobody}/pool: connect ECONNREFUSED 127.0.0.1:${nobody}. Nothing listens there: is the server up, and the port right?`,
    );
    await using strict = createServerPool({ listen: LOCAL, clientIP: '192.0.2.1' });
    await strict.start();
    const refused = strict.address()?.port ?? 0;
    expect(await dial(refused)).toBe(
      `ERR_NPWS_HANDSHAKE: client pool 'default': ws://127.0.0.1:${refused}/pool answered 403 Forbidden. The server (or a proxy) does not let this address in: see its \`clientIP\`, and \`allowedOrigins\`.`,
    );
    const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    expect(await dial(port, 100)).toBe(
      `ERR_NPWS_DIAL: client pool 'default': ws://127.0.0.1:${port}/pool: timed out after 100 ms while upgrading. No answer in time: check the route, the firewall, and whether the server speaks TLS as tlsMode says.`,
    );
    silent.close();
  });
});

describe('a secret that was put in the wrong place', () => {
  const secret = 's3cr3t';
  const pem = `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`;

  it.each([
    ['PEM text for a path', { listen: LOCAL, tlsFiles: { key: pem, cert: pem } }],
    ['PEM text for TLS options', { listen: LOCAL, tls: pem }],
  ])('is not shown by a server: %s', async (_, options) => {
    const failure = await failureOf(() => createServerPool(options as never));
    expect(failure).toMatch(/PEM/);
    expect(failure).not.toContain(secret);
  });

  it.each([
    ['a path without its slash', { address: 'localhost:1', path: `pool?key=${secret}` }],
    ['a header in its name', { address: 'localhost:1', headers: { [`Authorization: ${secret}`]: '' } }],
    ['the query beside an address that is none', { address: '192.168.1.300:1', path: `/?key=${secret}` }],
  ])('is not shown by a client: %s', async (_, options) => {
    const failure = await failureOf(() => createClientPool(options));
    expect(failure).not.toContain(secret);
  });
});

describe('the table of codes', () => {
  it('names each code once, and no other', async () => {
    const [page, source] = await Promise.all(
      ['../../docs/reference.md', '../../lib/core/errors.ts'].map((file) =>
        readFile(new URL(file, import.meta.url), 'utf8'),
      ),
    );
    const [, table = ''] = /\| code \| cause \| what to do \|\n(.*?)\n\n/s.exec(page ?? '') ?? [];
    const named = table.split('\n').flatMap((row) => row.split('|')[1]?.match(/ERR_NPWS_\w+/g) ?? []);
    const [, union = ''] = /type NpwsErrorCode =(.*?);/s.exec(source ?? '') ?? [];
    expect([...named].sort()).toEqual(union.match(/ERR_NPWS_\w+/g));
    // Each has a class of its own that can be imported.
    const codes = source?.match(/readonly code = 'ERR_NPWS_\w+'/g)?.map((line) => line.slice(17, -1));
    expect([...(codes ?? [])].sort()).toEqual([...named].sort());
    const classes = source?.match(/class \w+(?= extends NpwsError)/g) ?? [];
    for (const name of classes) expect(npws).toHaveProperty(name.slice(6));
    expect(classes).toHaveLength(named.length);
  });
});
