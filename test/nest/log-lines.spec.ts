import { describe, expect, it } from '@jest/globals';
import { NpwsModule, type NpwsOptions } from 'nestjs-npws';
import { freePort } from '../../sample/parts/free-port.js';
import { boot, LOCAL, quickClient, RecordingLogger } from '../support/apps.js';
import { until } from '../support/pair.js';
import { createCertificate } from '../support/certificates.js';
import { RawServer } from '../support/raw-peer.js';

/** A number of milliseconds or seconds is not the same twice. */
function timeless(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.replace(/after \d+ ms/, 'after # ms').replace(/after [\d.]+ s,/, 'after # s,'),
  );
}

describe('the lines that a pool logs', () => {
  it('tell a server to its end: URL, maximum, who may come, draining and closed', async () => {
    const booted = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 20 } })],
    });
    const port = booted.poolPort;
    await booted.app.close();
    expect(booted.logger.poolLines).toEqual([
      `log [ServerPool:default] listening on ws://127.0.0.1:${port} for up to 20 idle connections from anywhere`,
      'log [ServerPool:default] draining, 0 in use',
      'log [ServerPool:default] closed',
    ]);
  });

  it('tell wss, a name and a white-list', async () => {
    await using booted = await boot({
      imports: [
        NpwsModule.forRoot({
          name: 'office',
          server: {
            listen: LOCAL,
            tls: await createCertificate(),
            clientIP: ['10.0.0.0/8', '192.0.2.1'],
          },
        }),
      ],
    });
    expect(booted.logger.poolLines.map((line) => line.replace(/:\d+ for/, ':# for'))).toEqual([
      'log [ServerPool:office] listening on wss://127.0.0.1:# for up to 1 idle connections from 10.0.0.0/8, 192.0.2.1',
    ]);
  });

  it('tell a client to its end: connected once, draining and closed', async () => {
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 9 } })],
    });
    const near = await boot({ imports: [NpwsModule.forRoot({ client: quickClient(far.poolPort) })] });
    await until(near.client, () => near.client.active() === 2);
    const held = await near.client.incomingGet();
    await until(near.client, () => near.client.active() === 2);
    const closed = near.app.close();
    held.destroy();
    await closed;
    expect(timeless(near.logger.poolLines)).toEqual([
      `log [ClientPool:default] connected to 127.0.0.1:${far.poolPort} after # ms`,
      'log [ClientPool:default] draining, 1 in use',
      'log [ClientPool:default] closed',
    ]);
  });

  it('count the time to the first connection from the start, not from the boot', async () => {
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 9 } })],
    });
    await using near = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(far.poolPort, { autoStart: false }) })],
    });
    await expect(near.client.whenReady(300)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    const started = performance.now();
    await near.client.start();
    await near.client.whenReady();
    const most = Math.ceil(performance.now() - started);
    const [line = ''] = near.logger.poolLines;
    expect(Number(/connected to \S+ after (\d+) ms$/.exec(line)?.[1])).toBeLessThanOrEqual(most);
  });

  it('tell of an outage once, with cause and advice, and of its end', async () => {
    const port = await freePort();
    const logger = new RecordingLogger();
    await using near = await boot(
      { imports: [NpwsModule.forRoot({ client: quickClient(port, { maxBackoff: 100 }) })] },
      { logger },
    );
    const { client } = near;
    const clientLines = (): string[] => logger.poolLines.filter((line) => line.includes('[ClientPool:'));
    const outage = `warn [ClientPool:default] a dial failed, retrying: ws://127.0.0.1:${port}/: connect ECONNREFUSED 127.0.0.1:${port}. Nothing listens there: is the server up, and the port right?`;
    const down = async (): Promise<void> => {
      const errors = client.errorCount();
      await until(client, () => client.errorCount() >= errors + 3);
    };
    const up = async (): Promise<void> => {
      await using far = await boot(
        {
          imports: [NpwsModule.forRoot({ server: { listen: { host: '127.0.0.1', port }, maxCapacity: 9 } })],
        },
        { logger },
      );
      await client.whenReady();
      expect(far.server.ready()).toBe(true);
    };
    await down();
    expect(clientLines()).toEqual([outage]);
    await up();
    await down();
    await up();
    const lines = timeless(clientLines()).map((line) => line.replace(/\d+ failed dials?/, '# failed dials'));
    // A dial that was under way is cut, the next one refused: each reason is told.
    const isRepeated = (line: string, index: number): boolean =>
      line.startsWith('warn') && lines[index - 1]?.startsWith('warn') === true;
    expect(lines.filter((line, index) => !isRepeated(line, index))).toEqual([
      outage,
      `log [ClientPool:default] connected to 127.0.0.1:${port} after # ms`,
      'log [ClientPool:default] recovered after # s, # failed dials',
      expect.stringMatching(/^warn \S+ a dial failed, retrying: \S/),
      'log [ClientPool:default] recovered after # s, # failed dials',
    ]);
  });

  it('tell another reason to fail, once', async () => {
    const port = await freePort();
    const logger = new RecordingLogger();
    const client = quickClient(port, { maxBackoff: 100 });
    await using near = await boot({ imports: [NpwsModule.forRoot({ client })] }, { logger });
    await until(near.client, () => near.client.errorCount() >= 3);
    const server = { listen: { host: '127.0.0.1', port }, path: '/elsewhere' };
    await using far = await boot({ imports: [NpwsModule.forRoot({ server })] }, { logger });
    await until(far.server, () => (far.server.stats()?.rejected ?? 0) >= 3);
    const lines = logger.poolLines.filter((line) => line.includes('[ClientPool:'));
    expect(lines.map((line) => line.replace(/.*ws:\S+ /, ''))).toEqual([
      expect.stringMatching(/^connect ECONNREFUSED/),
      'answered 404 Not Found. The server serves another `path`.',
    ]);
  });

  it('tell of renewed certificates', async () => {
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, tls: await createCertificate() } })],
    });
    far.server.updateTls(await createCertificate());
    expect(far.logger.poolLines.at(-1)).toBe(
      'log [ServerPool:default] new connections use new certificates (updateTls)',
    );
  });

  it('advise on a certificate that nobody vouches for', async () => {
    const tls = await createCertificate();
    await using far = await boot({ imports: [NpwsModule.forRoot({ server: { listen: LOCAL, tls } })] });
    await using near = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(far.poolPort, { tlsMode: 'verified' }) })],
    });
    await until(near.client, () => near.client.errorCount() > 0);
    // Node 24 advises too.
    const lines = near.logger.poolLines.map((line) => line.replace(/; if the root CA .*--use-system-ca/, ''));
    expect(lines).toEqual([
      `warn [ClientPool:default] a dial failed, retrying: wss://127.0.0.1:${far.poolPort}/: self-signed certificate. The certificate's issuer is not known: pass it in \`tls.ca\`; tlsMode 'self-signed' is for tests.`,
    ]);
  });

  it('advise on a server that speaks no TLS', async () => {
    await using far = await boot({ imports: [NpwsModule.forRoot({ server: { listen: LOCAL } })] });
    await using near = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(far.poolPort, { tlsMode: 'verified' }) })],
    });
    await until(near.client, () => near.client.errorCount() > 0);
    const lines = near.logger.poolLines.filter((line) => line.includes('[ClientPool:'));
    expect(lines).toEqual([expect.stringMatching(/speaks no TLS, or an older version/)]);
  });

  it('warn once of TLS that is not verified, and of bounds that were swapped', async () => {
    const tls = await createCertificate();
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL, tls, maxCapacity: 9 } })],
    });
    await using near = await boot({
      imports: [
        NpwsModule.forRoot({
          client: quickClient(far.poolPort, { tlsMode: 'self-signed', minCapacity: 4, maxCapacity: 2 }),
        }),
      ],
    });
    await until(near.client, () => near.client.active() === 2);
    expect(timeless(near.logger.poolLines)).toEqual([
      'warn [ClientPool:default] minCapacity 4 is above maxCapacity 2: swapped',
      "warn [ClientPool:default] the server's certificate is not verified (tlsMode 'self-signed'): anyone in between can read and change the bytes",
      `log [ClientPool:default] connected to 127.0.0.1:${far.poolPort} after # ms`,
    ]);
  });

  it('tell why a server can not listen', async () => {
    await using far = await boot({ imports: [NpwsModule.forRoot({ server: { listen: LOCAL } })] });
    const logger = new RecordingLogger();
    const listen = { host: '127.0.0.1', port: far.poolPort };
    await expect(boot({ imports: [NpwsModule.forRoot({ server: { listen } })] }, { logger })).rejects.toThrow(
      'EADDRINUSE',
    );
    expect(logger.poolLines[0]).toBe(
      `error [ServerPool:default] can't listen on 127.0.0.1:${listen.port}: listen EADDRINUSE: address already in use 127.0.0.1:${listen.port}. Choose another port, or stop what listens there.`,
    );
  });

  it('escape and cut what a peer sends', async () => {
    await using rude = await RawServer.listen(undefined, (peer) => {
      const answer = `HTTP/1.1 418 a\t${'x'.repeat(300)}\r\nContent-Length: 0\r\n\r\n`;
      const gaveUp = (): void => undefined;
      peer.head().then(() => {
        peer.write(answer);
      }, gaveUp);
    });
    await using near = await boot({ imports: [NpwsModule.forRoot({ client: quickClient(rude.port) })] });
    await until(near.client, () => near.client.errorCount() > 0);
    const start = 'a\\u0009';
    expect(near.logger.poolLines).toEqual([
      `warn [ClientPool:default] a dial failed, retrying: ws://127.0.0.1:${rude.port}/ answered 418 ${start}${'x'.repeat(128 - start.length)}…. Is this an NPWS server?`,
    ]);
  });

  it('never hold a secret', async () => {
    const [secret, logger] = ['s3cr3t-of-the-application', new RecordingLogger()];
    const tls = await createCertificate();
    const port = await freePort();
    const client: NpwsOptions['client'] = {
      ...quickClient(port, { maxBackoff: 100 }),
      tlsMode: 'self-signed',
      tls,
      headers: { Authorization: `Bearer ${secret}` },
    };
    const near = await boot({ imports: [NpwsModule.forRoot({ client })] }, { logger });
    await until(near.client, () => near.client.errorCount() > 0);
    const far = await boot(
      {
        imports: [
          NpwsModule.forRoot({ server: { listen: { host: '127.0.0.1', port }, tls, path: '/other' } }),
        ],
      },
      { logger },
    );
    const errors = near.client.errorCount();
    await until(near.client, () => near.client.errorCount() > errors);
    await near.app.close();
    await far.app.close();
    const all = logger.lines.join('\n');
    expect(logger.poolLines.length).toBeGreaterThan(5);
    expect(all).not.toContain(secret);
    for (const line of tls.key.split('\n').filter((part) => part !== '' && !part.startsWith('-----'))) {
      expect(all).not.toContain(line);
    }
  });
});
