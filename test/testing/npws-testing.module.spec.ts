import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  ClientPoolService,
  CONTROL_ID,
  getClientPoolToken,
  InjectServerPool,
  NpwsModule,
  ServerPoolService,
} from 'nestjs-npws';
import { NpwsHealthIndicator, NpwsHealthModule } from 'nestjs-npws/health';
import { FakeClock, NpwsTestingModule } from 'nestjs-npws/testing';

/** The pools of an application whose other side is far away. */
const BerlinPools = NpwsModule.forRootAsync({
  name: 'berlin',
  useFactory: () => ({ server: { listen: { host: '192.0.2.1', port: 1 } } }),
});

@Controller()
class AskController {
  constructor(@InjectServerPool('berlin') private readonly pool: ServerPoolService) {}

  @Get('ask')
  async ask(): Promise<string> {
    const control = await this.pool.outgoingGet(CONTROL_ID);
    const connection = await this.pool.incomingGet();
    control.end(connection.id);
    connection.write('which?');
    return text(connection);
  }
}

@Module({ imports: [BerlinPools], controllers: [AskController] })
class AppModule {}

describe('NpwsTestingModule', () => {
  it('takes the place of the pools of an application, whose far side the test plays', async () => {
    const testing = Test.createTestingModule({ imports: [AppModule] });
    testing.overrideModule(BerlinPools).useModule(NpwsTestingModule.forRoot({ name: 'berlin' }));
    const app = (await testing.compile()).createNestApplication();
    await app.listen(0, '127.0.0.1');
    const answer = fetch(`${await app.getUrl()}/ask`);
    const client = app.get<ClientPoolService>(getClientPoolToken('berlin'));
    const id = await text(await client.outgoingGet(CONTROL_ID));
    const connection = await client.outgoingGet(id);
    connection.once('data', (question: Buffer) => connection.end(`you asked: ${question.toString()}`));
    expect(await (await answer).text()).toBe('you asked: which?');
    await app.close();
    expect(client.stats()).toMatchObject({ state: 'closed', active: 0, used: 0 });
  });

  it('provides both services, started, and stopped with the application', async () => {
    const module = await Test.createTestingModule({ imports: [NpwsTestingModule.forRoot()] }).compile();
    await module.init();
    const [client, server] = [module.get(ClientPoolService), module.get(ServerPoolService)];
    const atServer = await server.incomingGet();
    const atClient = await client.outgoingGet(atServer.id);
    atClient.end('hello');
    expect(await text(atServer)).toBe('hello');
    await module.close();
    expect([client.health()?.reason, server.health()?.reason]).toEqual(['closed', 'closed']);
  });

  it('passes on options, starts nothing that should not start, and shares its health', async () => {
    const clock = new FakeClock();
    const module = await Test.createTestingModule({
      imports: [
        NpwsTestingModule.forRoot({ isGlobal: true, clock, client: { minCapacity: 1, autoStart: false } }),
        NpwsHealthModule,
      ],
    }).compile();
    await module.init();
    expect(module.get(NpwsHealthIndicator).check('pools')).toMatchObject({
      pools: {
        status: 'down',
        client: { reason: 'not started' },
        server: { reason: 'no client is connected' },
      },
    });
    await module.get(ClientPoolService).start();
    await module.get(ClientPoolService).whenReady();
    expect(module.get(NpwsHealthIndicator).check('pools')).toMatchObject({ pools: { status: 'up' } });
    await module.close();
    expect(clock.pending).toBe(0);
  });

  it.each<[string, (module: TestingModule) => Promise<unknown>]>([
    ['when a role was not to start', (module) => module.init()],
    ['when nothing was initialised', () => Promise.resolve()],
  ])('closes %s', async (_, prepare) => {
    const options = { server: { autoStart: false }, client: { autoStart: false } };
    const module = await Test.createTestingModule({
      imports: [NpwsTestingModule.forRoot(options)],
    }).compile();
    await prepare(module);
    await Promise.all([module.get(ClientPoolService).close(), module.get(ServerPoolService).close()]);
    await module.close();
    expect(module.get(ServerPoolService).stats()?.state).toBe('closed');
  });

  it('is there for every module when it is global', async () => {
    @Injectable()
    class Feature {
      constructor(@Inject(ServerPoolService) readonly pool: ServerPoolService) {}
    }
    @Module({ providers: [Feature] })
    class FeatureModule {}
    const module = await Test.createTestingModule({
      imports: [FeatureModule, NpwsTestingModule.forRoot({ isGlobal: true })],
    }).compile();
    expect(module.get(Feature, { strict: false }).pool.isConfigured).toBe(true);
    await module.close();
    const alone = Test.createTestingModule({ imports: [FeatureModule, NpwsTestingModule.forRoot()] });
    await expect(alone.compile()).rejects.toThrow('ServerPoolService');
  });

  it('fails the boot for a mistake in the options', async () => {
    const testing = Test.createTestingModule({
      imports: [NpwsTestingModule.forRoot({ server: { maxCapacity: -1 } })],
    });
    await expect(testing.compile()).rejects.toMatchObject({ code: 'ERR_NPWS_OPTIONS' });
  });
});
