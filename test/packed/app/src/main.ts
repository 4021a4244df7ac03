import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import type { HealthCheckResult } from '@nestjs/terminus';
import { ClientPoolService } from 'nestjs-npws';
import type { RoleHealth } from 'nestjs-npws/health';
import { AppModule } from './app.module.js';
import { ExchangeService } from './exchange.service.js';

/** Enough for many frames and reads. */
const BYTES = 3_000_000;

/** Boots, uses everything once, and closes. Nothing may keep the process alive after that. */
async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  const client = app.get(ClientPoolService);
  await client.start();
  await client.whenReady(5_000);

  const sent = { server: randomBytes(BYTES), client: randomBytes(BYTES) };
  const got = await app.get(ExchangeService).exchange(sent);
  ok(got.client.equals(sent.server), 'the client got other bytes than the server sent');
  ok(got.server.equals(sent.client), 'the server got other bytes than the client sent');

  const answer = await fetch(`${await app.getUrl()}/health`, { headers: { connection: 'close' } });
  const { details } = (await answer.json()) as HealthCheckResult;
  equal(answer.status, 200);
  const { status, ...roles } = details['pools'] as { status: string } & Record<string, RoleHealth>;
  const states = Object.values(roles).map(({ role, state }) => `${role} ${state}`);
  deepEqual([status, ...states], ['up', 'client running', 'server running']);

  await app.close();
  console.log('used and closed');
}

void bootstrap();
