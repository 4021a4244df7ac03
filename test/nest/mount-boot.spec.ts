import { describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { WebSocketGateway } from '@nestjs/websockets';
import { getServerPoolToken, NpwsModule, type NpwsOptions, type ServerPoolService } from 'nestjs-npws';
import { boot, type BootedApp, LOCAL } from '../support/apps.js';
import { connectRaw, upgradeRequest } from '../support/raw-peer.js';

/** A named pool whose path comes from elsewhere. */
function mounted(name: string, path: string) {
  return NpwsModule.forRootAsync({
    name,
    useFactory: async (): Promise<NpwsOptions> => ({
      server: { mount: { path: await Promise.resolve(path) }, maxCapacity: 3 },
    }),
  });
}

function poolOf(booted: BootedApp, name: string): ServerPoolService {
  return booted.app.get(getServerPoolToken(name), { strict: false });
}

async function upgradeAt(
  booted: BootedApp,
  path: string,
): Promise<{ answer: string; end: () => Promise<unknown> }> {
  const peer = await connectRaw(Number(new URL(booted.url).port));
  peer.write(upgradeRequest([], `GET ${path} HTTP/1.1`));
  const answer = await peer.head();
  return { answer, end: () => peer.reset() };
}

@WebSocketGateway({ path: '/npws' })
class OnThePath {}

@WebSocketGateway(0, { path: 'npws/' })
class OnThePathToo {}

@WebSocketGateway({ path: '/chat' })
class Beside {}

describe('pools mounted on one HTTP server', () => {
  it('have each their own path, known as late as at boot', async () => {
    await using booted = await boot({ imports: [mounted('a', '/pools/a'), mounted('b', '/pools/b')] });
    const atB = await upgradeAt(booted, '/pools/b?token=1');
    expect(atB.answer).toContain('101 Switching Protocols');
    expect([poolOf(booted, 'a').active(), poolOf(booted, 'b').active()]).toEqual([0, 1]);
    const atA = await upgradeAt(booted, '/pools/a');
    expect(atA.answer).toContain('101');
    expect([poolOf(booted, 'a').active(), poolOf(booted, 'b').active()]).toEqual([1, 1]);
    await Promise.all([atA.end(), atB.end()]);
  });

  it('tell where they are', async () => {
    await using booted = await boot({ imports: [mounted('a', '/pools/a')] });
    expect(booted.logger.poolLines).toEqual([
      'log [ServerPool:a] mounted on /pools/a of the HTTP server for up to 3 idle connections from anywhere',
    ]);
    expect(poolOf(booted, 'a').address()).toEqual({
      host: '127.0.0.1',
      port: Number(new URL(booted.url).port),
    });
  });

  it('are ready as soon as they are mounted, so that hooks of the boot may wait for it', async () => {
    @Injectable()
    class Waits implements OnModuleInit {
      constructor(@Inject(getServerPoolToken('a')) readonly pool: ServerPoolService) {}
      async onModuleInit(): Promise<void> {
        await this.pool.whenReady(1_000);
      }
    }
    await using booted = await boot({ imports: [mounted('a', '/a')], providers: [Waits] });
    expect(booted.app.get(Waits).pool.health()).toMatchObject({ up: true });
  });

  it('fail the boot when two have one path', async () => {
    await expect(boot({ imports: [mounted('a', '/pools/a'), mounted('b', '/pools/a')] })).rejects.toThrow(
      /^(server )?pool 'b'.*: can't mount on \/pools\/a: another pool is mounted on this path of the same server/,
    );
  });

  it.each([OnThePath, OnThePathToo])('fail the boot when a gateway has the path (%p)', async (gateway) => {
    const booting = boot(
      { imports: [mounted('a', '/npws')], providers: [gateway] },
      { prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)) },
    );
    await expect(booting).rejects.toThrow(`can't mount on /npws: the gateway ${gateway.name} has this path`);
  });

  it('do not mind a gateway on another path', async () => {
    await using booted = await boot(
      { imports: [mounted('a', '/npws')], providers: [Beside] },
      { prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)) },
    );
    expect(poolOf(booted, 'a').ready()).toBe(true);
  });

  it('fail the boot of an application without an HTTP server', async () => {
    @Module({ imports: [mounted('a', '/npws')] })
    class Headless {}
    await expect(
      NestFactory.createApplicationContext(Headless, { logger: false, abortOnError: false }),
    ).rejects.toThrow("can't mount on /npws: this application has no HTTP server");
  });

  it.each([
    [
      { mount: { path: 'npws' } },
      'server.mount.path: expected a path that begins with \'/\', without a query, got "npws"',
    ],
    [
      { mount: {} },
      "server.mount.path: expected a path that begins with '/', without a query, got undefined",
    ],
    [{ mount: { path: '/a', port: 1 } }, 'server.mount.port: unknown option; known are path, server'],
    [
      { mount: { path: '/a', server: 3_000 } },
      'server.mount.server: expected an http.Server or https.Server, got 3000',
    ],
    [{ mount: { path: '/a' }, listen: LOCAL }, 'one of the three'],
    [
      { mount: { path: '/a' }, path: '/b' },
      'server.path: expected nothing beside `mount`, which has a path of its own',
    ],
    [
      { mount: { path: '/a' }, tls: { key: 'k', cert: 'c' } },
      'server.tls: expected nothing beside `mount`: it is a matter of the server',
    ],
    [{ mount: { path: '/a' }, maxHandshakes: 3 }, 'server.maxHandshakes: expected nothing beside `mount`'],
  ])('refuse what is wrong with the options: %j', async (server, problem) => {
    await expect(boot({ imports: [NpwsModule.forRoot({ server } as never)] })).rejects.toThrow(problem);
  });
});
