import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createClientPool,
  type PoolConnection,
  type PoolEvents,
  type ServerPool,
  type ServerPoolSettings,
} from 'nestjs-npws';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { until } from '../support/pair.js';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectNamed } from '../support/raw-peer.js';
import { describeWith } from './find-program.js';

/** What a program printed, as latin1, and its exit code. */
interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, for 10 s at most. */
function run(program: string, args: string[], input?: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { encoding: 'latin1', timeout: 10_000 } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
    // A program that ends before it has read all is judged by its exit code.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

type Reject = PoolEvents['reject'][0];

function noteRejects(pool: ServerPool<PoolConnection>): Pick<Reject, 'status' | 'reason'>[] {
  const rejects: Pick<Reject, 'status' | 'reason'>[] = [];
  pool.on('reject', ({ status, reason }) => rejects.push({ status, reason }));
  return rejects;
}

/** Fails unless a pool of our own still gets through. */
async function expectHealthy(server: ServerPool<PoolConnection>, certificate?: KeyPair): Promise<void> {
  await using client = createClientPool({
    address: `127.0.0.1:${portOf(server)}`,
    drainTimeout: 0,
    ...(certificate ? { tls: { ca: certificate.cert } } : { tlsMode: 'none' as const }),
  });
  await client.start();
  await client.whenReady(5_000);
  const atServer = await server.incomingGet(5_000);
  const atClient = await client.outgoingGet(atServer.id, 5_000);
  atServer.end('hello');
  expect(await text(atClient)).toBe('hello');
  expect(server.errorCount()).toBe(0);
}

/** The arguments by which curl asks for an upgrade. */
function upgrade(...more: string[]): string[] {
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
  const isVersioned = more.some((line) => line.startsWith('Sec-WebSocket-Version'));
  const version = isVersioned ? [] : ['Sec-WebSocket-Version: 13'];
  return ['Connection: Upgrade', 'Upgrade: websocket', key, ...version, ...more].flatMap((line) => [
    '-H',
    line,
  ]);
}

let certificate: KeyPair;
let folder: string;
let authority: string;

beforeAll(async () => {
  certificate = await createCertificate();
  folder = await mkdtemp(join(tmpdir(), 'npws-curl-'));
  authority = join(folder, 'pool.crt');
  await writeFile(authority, certificate.cert);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describeWith('curl')('curl', () => {
  describe.each(['http', 'https'])('over %s', (scheme) => {
    const isSecure = scheme === 'https';
    const tls = (): ServerPoolSettings => (isSecure ? { tls: certificate } : {});
    const ask = (pool: ServerPool<PoolConnection>, ...args: string[]): Promise<Outcome> =>
      run('curl', [
        ...['--silent', '--show-error', '--http1.1', '--cacert', authority, '--noproxy', '*', '--max-time', '8'],
        ...args,
        `${scheme}://127.0.0.1:${portOf(pool)}/some/path`,
      ]); // prettier-ignore
    const withStatus = ['--write-out', ' %{http_code}'];

    it.each<[string, string[], ServerPoolSettings, number, string]>([
      ['without Upgrade', [], {}, 426, 'upgrade required'],
      ['with a POST', ['--data', 'x=1'], {}, 405, 'method not allowed'],
      ['for another path', upgrade(), { path: '/' }, 404, 'not found'],
      ['from a wrong address', [...upgrade(), '--interface', '127.0.0.2'], { clientIP: '127.0.0.1' }, 403, 'unauthorized'],
      ['with an Origin', upgrade('Origin: https://evil.example'), {}, 403, 'origin not allowed'],
      ['in version 8', upgrade('Sec-WebSocket-Version: 8'), {}, 400, 'unsupported version'],
    ])('is refused %s', async (_, args, options, status, reason) => {
      await using pool = await startServer({ ...tls(), ...options });
      const rejects = noteRejects(pool);
      const answer = await ask(pool, ...withStatus, ...args);
      expect(answer).toEqual({ code: 0, stdout: `${reason} ${status}`, stderr: '' });
      expect(rejects).toEqual([{ status, reason }]);
      expect([pool.stats().rejected, pool.stats().connecting, pool.active()]).toEqual([1, 0, 0]);
      await expectHealthy(pool, isSecure ? certificate : undefined);
    }); // prettier-ignore

    it('is refused when the pool is full', async () => {
      await using pool = await startServer({ ...tls(), maxCapacity: 1 });
      const rejects = noteRejects(pool);
      const { peer } = await connectNamed(portOf(pool), { tls: isSecure });
      expect(await ask(pool, ...withStatus, ...upgrade())).toEqual({ code: 0, stdout: 'pool full 503', stderr: '' });
      expect(rejects).toEqual([{ status: 503, reason: 'pool full' }]);
      peer.socket.destroy();
      await until(pool, () => pool.active() === 0);
      await expectHealthy(pool, isSecure ? certificate : undefined);
    }); // prettier-ignore

    it('is let in with the headers of an upgrade, and gets the ID and bytes in frames', async () => {
      await using pool = await startServer({ ...tls(), ping: 'off' });
      const answer = ask(pool, '--include', '--no-buffer', ...upgrade());
      const connection = await pool.incomingGet(5_000);
      await new Promise((resolve) => connection.write('hello', resolve));
      connection.destroy();
      const { stdout } = await answer;
      expect(stdout).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
      expect(stdout).toMatch(/^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/m);
      expect(stdout.slice(stdout.indexOf('\r\n\r\n') + 4)).toBe('\x82\x04\0\0\0\0\x82\x05hello');
      await expectHealthy(pool, isSecure ? certificate : undefined);
    });
  });

  it('does not get past a certificate that it can not verify', async () => {
    await using pool = await startServer({ tls: certificate });
    const rejects = noteRejects(pool);
    const { code, stdout } = await run('curl', ['--silent', '--noproxy', '*', `https://127.0.0.1:${portOf(pool)}/`]);
    expect([code, stdout]).toEqual([60, '']);
    await until(pool, () => rejects.length > 0);
    expect(rejects).toMatchObject([{ status: 0 }]);
    await expectHealthy(pool, certificate);
  }); // prettier-ignore
});

describeWith('openssl')('openssl s_client', () => {
  const connect = (pool: ServerPool<PoolConnection>, ...args: string[]): string[] => [
    's_client',
    '-connect',
    `127.0.0.1:${portOf(pool)}`,
    ...args,
  ];

  it.each(['-tls1_2', '-tls1_1'])('is refused with an alert (%s)', async (version) => {
    await using pool = await startServer({ tls: certificate });
    const rejects = noteRejects(pool);
    // OpenSSL itself refuses TLS 1.1 at its usual level of security.
    const args = [version, '-cipher', 'DEFAULT@SECLEVEL=0'];
    const { code, stderr } = await run('openssl', connect(pool, ...args), 'GET / HTTP/1.1\r\n\r\n');
    expect(code).toBe(1);
    expect(stderr).toMatch(/alert protocol version/);
    await until(pool, () => rejects.length > 0);
    expect(rejects).toEqual([{ status: 0, reason: expect.stringMatching(/unsupported protocol/) }]);
    await expectHealthy(pool, certificate);
  });

  it('speaks TLS 1.3 and gets an answer to what is typed', async () => {
    await using pool = await startServer({ tls: certificate });
    const rejects = noteRejects(pool);
    const args = ['-tls1_3', '-CAfile', authority, '-verify_return_error', '-quiet'];
    const request = 'GET / HTTP/1.1\r\nHost: pool.example\r\n\r\n';
    const { code, stdout } = await run('openssl', connect(pool, ...args), request);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n[^]*\r\n\r\nupgrade required$/);
    expect(rejects).toEqual([{ status: 426, reason: 'upgrade required' }]);
    await expectHealthy(pool, certificate);
  });
});
