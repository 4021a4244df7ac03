import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import type { HealthCheckResult } from '@nestjs/terminus';
import { ClientPoolService, createClientPool } from 'nestjs-npws';
import type { RoleHealth } from 'nestjs-npws/health';
import { register } from 'prom-client';
import { AppModule } from './app.module.js';
import { ExchangeService } from './exchange.service.js';

/** Enough for many frames and reads. */
const BYTES = 3_000_000;

/** Boots, uses everything once, and closes. Nothing may keep the process alive after that. */
async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  app.useWebSocketAdapter(new WsAdapter(app));
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  const client = app.get(ClientPoolService);
  await client.start();
  await client.whenReady(5_000);

  const sent = { server: randomBytes(BYTES), client: randomBytes(BYTES) };
  const got = await app.get(ExchangeService).exchange(sent);
  ok(got.client.equals(sent.server), 'the client got other bytes than the server sent');
  ok(got.server.equals(sent.client), 'the server got other bytes than the client sent');

  const url = await app.getUrl();
  const answer = await fetch(`${url}/health`, { headers: { connection: 'close' } });
  const { details } = (await answer.json()) as HealthCheckResult;
  equal(answer.status, 200);
  const { status, ...roles } = details['pools'] as { status: string } & Record<string, RoleHealth>;
  const states = Object.values(roles).map(({ role, state }) => `${role} ${state}`);
  deepEqual([status, ...states], ['up', 'client running', 'server running']);

  const page = await fetch(`${url}/npws-dashboard`, { headers: { connection: 'close' } });
  ok((await page.text()).includes('uPlot'), `the dashboard answers ${page.status}`);
  const scrape = await register.metrics();
  ok(scrape.includes('npws_connections{pool="mounted",role="server",state="idle"} 0'), scrape);
  const near = createClientPool({ address: new URL(url).host, path: '/npws', tlsMode: 'none' });
  await near.start();
  await near.whenReady(5_000);
  await near.close();

  await app.close();
  console.log('used and closed');
}

void bootstrap();
