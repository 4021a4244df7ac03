import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { ClientPoolService, createClientPool, NpwsModule, ServerPoolService } from 'nestjs-npws';
import { NpwsHealthModule } from 'nestjs-npws/health';
import { NpwsTestingModule } from 'nestjs-npws/testing';
import { ExchangeService } from '../src/exchange.service.js';
import { HealthController } from '../src/health.controller.js';

describe('an application', () => {
  it('is tested with pools in memory', async () => {
    const app = await Test.createTestingModule({
      imports: [NpwsTestingModule.forRoot(), TerminusModule, NpwsHealthModule],
      controllers: [HealthController],
      providers: [ExchangeService],
    }).compile();
    await app.init();
    const sent = { server: randomBytes(100_000), client: randomBytes(100_000) };
    const got = await app.get(ExchangeService).exchange(sent);
    expect(got.client.equals(sent.server)).toBe(true);
    expect(got.server.equals(sent.client)).toBe(true);
    const atServer = await app.get(ServerPoolService).incomingGet();
    const atClient = await app.get(ClientPoolService).outgoingGet(atServer.id);
    expect(atClient.id).toBe(atServer.id);
    expect(await app.get(HealthController).check()).toMatchObject({ status: 'ok' });
    await app.close();
  });

  it('is tested with pools on sockets', async () => {
    const app = await Test.createTestingModule({
      imports: [NpwsModule.forRoot({ server: { listen: { host: '127.0.0.1', port: 0 }, maxCapacity: 5 } })],
    }).compile();
    await app.init();
    const server = app.get(ServerPoolService);
    const address = `127.0.0.1:${server.address()?.port ?? 0}`;
    const client = createClientPool({ address, tlsMode: 'none' });
    await client.start();
    const atServer = await server.incomingGet(5_000);
    const atClient = await client.outgoingGet(atServer.id, 5_000);
    expect(atClient.id).toBe(atServer.id);
    atServer.end();
    atClient.end();
    await client.close();
    await app.close();
  });
});
