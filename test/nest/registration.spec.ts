import { describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, type Type } from '@nestjs/common';
import {
  ClientPoolService,
  getClientPoolToken,
  getServerPoolToken,
  InjectClientPool,
  InjectServerPool,
  NpwsModule,
  type NpwsOptions,
  NpwsOptionsError,
  type NpwsOptionsFactory,
  ServerPoolService,
} from 'nestjs-npws';
import { freePort } from '../../sample/parts/free-port.js';
import { boot, LOCAL, portOf, quickClient } from '../support/apps.js';
import { connectNamed } from '../support/raw-peer.js';

const SERVER: NpwsOptions = { server: { listen: LOCAL, maxCapacity: 7 } };

@Injectable()
class Settings {
  readonly maxCapacity = 7;
}

@Injectable()
class OptionsFromSettings implements NpwsOptionsFactory {
  constructor(@Inject(Settings) private readonly settings: Settings) {}

  createNpwsOptions(): Promise<NpwsOptions> {
    return Promise.resolve({ server: { listen: LOCAL, maxCapacity: this.settings.maxCapacity } });
  }
}

@Module({ providers: [Settings, OptionsFromSettings], exports: [Settings, OptionsFromSettings] })
class SettingsModule {}

@Injectable()
class ByClass {
  constructor(
    @Inject(ClientPoolService) readonly client: ClientPoolService,
    @Inject(ServerPoolService) readonly server: ServerPoolService,
  ) {}
}

describe('the module', () => {
  it.each([
    ['forRoot', NpwsModule.forRoot(SERVER)],
    [
      'forRootAsync with a factory, what it injects and where that comes from',
      NpwsModule.forRootAsync({
        imports: [SettingsModule],
        inject: [Settings],
        useFactory: (settings: Settings): NpwsOptions => ({
          server: { listen: LOCAL, maxCapacity: settings.maxCapacity },
        }),
      }),
    ],
    [
      'forRootAsync with a factory that takes its time',
      NpwsModule.forRootAsync({ useFactory: () => Promise.resolve(SERVER) }),
    ],
    [
      'forRootAsync with a class',
      NpwsModule.forRootAsync({ imports: [SettingsModule], useClass: OptionsFromSettings }),
    ],
    [
      'forRootAsync with an existing provider',
      NpwsModule.forRootAsync({ imports: [SettingsModule], useExisting: OptionsFromSettings }),
    ],
  ])('provides pools by %s', async (_, module) => {
    await using booted = await boot({ imports: [module], providers: [ByClass] });
    const { client, server } = booted.app.get(ByClass);
    expect(server).toBeInstanceOf(ServerPoolService);
    expect(client).toBeInstanceOf(ClientPoolService);
    expect(server.capacity()).toBe(7);
    const { peer } = await connectNamed(portOf(server));
    expect(server.active()).toBe(1);
    peer.socket.destroy();
  });

  it('joins a client and a server of two applications, whose streams carry bytes', async () => {
    await using far = await boot({ imports: [NpwsModule.forRoot(SERVER)] });
    await using near = await boot({ imports: [NpwsModule.forRoot({ client: quickClient(far.poolPort) })] });
    const atServer = await far.server.incomingGet();
    const atClient = await near.client.outgoingGet(atServer.id);
    atClient.end('from one application to the other');
    let heard = '';
    for await (const chunk of atServer) heard += String(chunk);
    expect(heard).toBe('from one application to the other');
  });

  it('keeps named pools apart, of the same role and beside the unnamed ones', async () => {
    @Injectable()
    class Offices {
      constructor(
        @InjectServerPool('berlin') readonly berlin: ServerPoolService,
        @InjectServerPool('tokyo') readonly tokyo: ServerPoolService,
        @InjectServerPool() readonly unnamed: ServerPoolService,
        @InjectClientPool('berlin') readonly client: ClientPoolService,
      ) {}
    }
    await using booted = await boot({
      imports: [
        NpwsModule.forRoot({ name: 'berlin', server: { listen: LOCAL, maxCapacity: 1 } }),
        NpwsModule.forRootAsync({
          name: 'tokyo',
          useFactory: () => ({ server: { listen: LOCAL, maxCapacity: 2 } }),
        }),
        NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity: 3 } }),
      ],
      providers: [Offices],
    });
    const { berlin, tokyo, unnamed, client } = booted.app.get(Offices);
    expect([berlin, tokyo, unnamed].map(({ name }) => name)).toEqual(['berlin', 'tokyo', 'default']);
    expect([berlin, tokyo, unnamed].map((pool) => pool.capacity())).toEqual([1, 2, 3]);
    expect(new Set([berlin, tokyo, unnamed].map(portOf)).size).toBe(3);
    expect(booted.server).toBe(unnamed);
    expect(client.isConfigured).toBe(false);
    expect(booted.app.get(getServerPoolToken('tokyo'))).toBe(tokyo);
    expect(booted.app.get(getClientPoolToken('berlin'))).toBe(client);

    const { peer } = await connectNamed(portOf(tokyo));
    expect([berlin, tokyo, unnamed].map((pool) => pool.active())).toEqual([0, 1, 0]);
    peer.socket.destroy();
  });

  it('gives each feature that imports a registration of its own the pool of that registration', async () => {
    @Injectable()
    class Left {
      constructor(@Inject(ServerPoolService) readonly pool: ServerPoolService) {}
    }
    @Injectable()
    class Right {
      constructor(@Inject(ServerPoolService) readonly pool: ServerPoolService) {}
    }
    const register = (maxCapacity: number) => NpwsModule.forRoot({ server: { listen: LOCAL, maxCapacity } });
    @Module({ imports: [register(1)], providers: [Left] })
    class LeftModule {}
    @Module({ imports: [register(2)], providers: [Right] })
    class RightModule {}
    await using booted = await boot({ imports: [LeftModule, RightModule] });
    expect(booted.app.get(Left).pool.capacity()).toBe(1);
    expect(booted.app.get(Right).pool.capacity()).toBe(2);
  });

  it('is the same one for all features that import the same registration', async () => {
    const registration = NpwsModule.forRoot(SERVER);
    const feature = (): [Type, Type<ByClass>] => {
      @Injectable()
      class Consumer extends ByClass {}
      @Module({ imports: [registration], providers: [Consumer] })
      class Feature {}
      return [Feature, Consumer];
    };
    const [One, ConsumerOne] = feature();
    const [Two, ConsumerTwo] = feature();
    await using booted = await boot({ imports: [One, Two] });
    expect(booted.app.get(ConsumerOne).server).toBe(booted.app.get(ConsumerTwo).server);
  });

  it('is seen by modules that do not import it only with isGlobal', async () => {
    @Module({ providers: [ByClass] })
    class Feature {}
    await expect(boot({ imports: [Feature, NpwsModule.forRoot(SERVER)] })).rejects.toThrow(
      /can't resolve dependencies of the ByClass/,
    );
    await using booted = await boot({
      imports: [Feature, NpwsModule.forRoot({ isGlobal: true, ...SERVER })],
    });
    expect(booted.app.get(ByClass).server.ready()).toBe(true);
  });

  it('is global together with a name, also by forRootAsync', async () => {
    @Injectable()
    class Consumer {
      constructor(@InjectServerPool('everywhere') readonly pool: ServerPoolService) {}
    }
    @Module({ providers: [Consumer] })
    class Feature {}
    await using booted = await boot({
      imports: [
        Feature,
        NpwsModule.forRootAsync({ name: 'everywhere', isGlobal: true, useFactory: () => SERVER }),
      ],
    });
    expect(booted.app.get(Consumer).pool.name).toBe('everywhere');
  });

  it('has one token for no name and the name default', () => {
    expect(getClientPoolToken()).toBe(ClientPoolService);
    expect(getClientPoolToken('default')).toBe(ClientPoolService);
    expect(getServerPoolToken()).toBe(ServerPoolService);
    expect(getServerPoolToken('a')).not.toBe(getServerPoolToken('b'));
    expect(getServerPoolToken('a')).not.toBe(getClientPoolToken('a'));
  });
});

describe('a role that is not configured', () => {
  it('rejects gets and says which option to pass', async () => {
    await using booted = await boot({ imports: [NpwsModule.forRoot({ name: 'empty' })] });
    const client = booted.app.get<ClientPoolService>(getClientPoolToken('empty'));
    const server = booted.app.get<ServerPoolService>(getServerPoolToken('empty'));
    for (const pool of [client, server]) {
      const refusal = {
        code: 'ERR_NPWS_NOT_CONFIGURED',
        message: `${pool.role} pool 'empty': it is not configured: pass '${pool.role}' to NpwsModule.forRoot() or forRootAsync()`,
      };
      await expect(pool.incomingGet()).rejects.toMatchObject(refusal);
      await expect(pool.outgoingGet('00000000')).rejects.toMatchObject(refusal);
      await expect(pool.whenReady()).rejects.toMatchObject(refusal);
      expect(() => {
        pool.updateTls({});
      }).toThrow(expect.objectContaining(refusal));
    }
  });

  it('counts nothing and does nothing', async () => {
    await using booted = await boot({ imports: [NpwsModule.forRoot({})] });
    for (const pool of [booted.client, booted.server]) {
      const listener = (): void => {
        throw new Error('an event of a pool that is not there');
      };
      pool.on('change', listener).once('close', listener).off('change', listener);
      pool.addError(new Error('an application error'));
      pool.resetError();
      await pool.start();
      expect([pool.active(), pool.capacity(), pool.interval(), pool.errorCount()]).toEqual([0, 0, 0, 0]);
      expect(pool.ready()).toBe(false);
      expect(pool.stats()).toBeNull();
      expect(pool.health()).toBeNull();
      expect(pool.address()).toBeNull();
      expect(pool.flush()).toBe(0);
      await pool.close();
      await pool[Symbol.asyncDispose]();
    }
  });
});

describe('options that can not be used', () => {
  const BAD: NpwsOptions = {
    client: { address: 'example.com', keepAlive: 30, maxCapacity: -1 },
    server: { listen: { port: 70_000 }, clientIP: [], maxErrors: Number.NaN },
  };

  it.each([
    ['forRoot', () => NpwsModule.forRoot(BAD)],
    ['forRootAsync', () => NpwsModule.forRootAsync({ useFactory: () => BAD })],
  ])('fail the boot with every problem of both roles at once, by %s', async (_, register) => {
    const failure: unknown = await boot({ imports: [register()] }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NpwsOptionsError);
    const { code, problems } = failure as NpwsOptionsError;
    expect(code).toBe('ERR_NPWS_OPTIONS');
    const named = problems.map((problem) => problem.split(':', 1)[0]);
    expect(named.sort()).toEqual([
      'client.address',
      'client.keepAlive',
      'client.maxCapacity',
      'server.clientIP',
      'server.listen.port',
      'server.maxErrors',
    ]);
    for (const problem of problems) expect((failure as Error).message).toContain(problem);
  });

  it('fail the boot when the factory returns none at all', async () => {
    const nothing = undefined as unknown as NpwsOptions;
    await expect(
      boot({ imports: [NpwsModule.forRootAsync({ useFactory: () => nothing })] }),
    ).rejects.toMatchObject({ code: 'ERR_NPWS_OPTIONS' });
  });

  it('never show a key, whatever is wrong with it, and tell it of both roles', async () => {
    const secret = 'a-very-secret-key';
    const failure: unknown = await boot({
      imports: [
        NpwsModule.forRoot({
          client: {
            ...quickClient(await freePort()),
            tlsMode: 'verified',
            tls: { key: secret, cert: secret },
          },
          server: { listen: LOCAL, tls: { key: secret, cert: secret } },
        }),
      ],
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NpwsOptionsError);
    expect((failure as Error).message).not.toContain(secret);
    const named = (failure as NpwsOptionsError).problems.map((problem) => problem.split(':', 1)[0]);
    expect(named).toEqual(['client.tls', 'server.tls']);
  });
});
