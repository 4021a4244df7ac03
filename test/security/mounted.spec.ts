import { describe, expect, it } from '@jest/globals';
import { type CanActivate, Controller, Get, type ModuleMetadata } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { NpwsModule, type ServerPoolSettings } from 'nestjs-npws';
import { boot, type BootedApp, PLATFORMS } from '../support/apps.js';
import { connectRaw, upgradeRequest } from '../support/raw-peer.js';

class RefuseAll implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@Controller()
class Page {
  @Get()
  page(): string {
    return 'for nobody';
  }
}

function bootGuarded(
  platform: (typeof PLATFORMS)[number],
  settings: ServerPoolSettings = {},
): Promise<BootedApp> {
  const metadata: ModuleMetadata = {
    imports: [NpwsModule.forRoot({ server: { mount: { path: '/npws' }, drainTimeout: 0, ...settings } })],
    controllers: [Page],
    providers: [{ provide: APP_GUARD, useClass: RefuseAll }],
  };
  return boot(metadata, { platform, forceCloseConnections: true });
}

/** How the pool's path answers somebody who asks for the upgrade. */
async function statusOf({ url }: BootedApp, lines: string[] = []): Promise<number> {
  const peer = await connectRaw(Number(new URL(url).port));
  peer.write(upgradeRequest(lines, 'GET /npws HTTP/1.1'));
  const status = Number((await peer.head()).split(' ')[1]);
  peer.socket.destroy();
  await peer.gone;
  return status;
}

describe.each(PLATFORMS)('a pool mounted on an application (%s)', (platform) => {
  it("does not ask the application's guards: they are for its requests", async () => {
    await using booted = await bootGuarded(platform);
    expect((await fetch(booted.url, { headers: { connection: 'close' } })).status).toBe(403);
    expect(await statusOf(booted)).toBe(101);
  });

  it('asks its own options', async () => {
    await using booted = await bootGuarded(platform, { clientIP: '192.0.2.1' });
    expect(await statusOf(booted)).toBe(403);
    expect(await statusOf(booted, ['X-Forwarded-For: 192.0.2.1'])).toBe(403);
  });
});
