import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import {
  type DynamicModule,
  Global,
  Inject,
  Injectable,
  Module,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import {
  ClientPoolService,
  NpwsModule,
  type NpwsOptions,
  type PoolService,
  ServerPoolService,
} from 'nestjs-npws';
import { freePort } from '../../sample/parts/free-port.js';
import { boot, listenAnywhere, LOCAL, quickClient } from '../support/apps.js';
import { RawServer } from '../support/raw-peer.js';

/** Both roles in one application: the client dials the server beside it. */
async function bothRoles(): Promise<NpwsOptions> {
  const { listener, port } = await listenAnywhere();
  return { server: { listener, maxCapacity: 10 }, client: quickClient(port) };
}

@Injectable()
class AwaitsBoth implements OnModuleInit {
  seen: boolean[] = [];

  constructor(
    @Inject(ClientPoolService) readonly client: ClientPoolService,
    @Inject(ServerPoolService) readonly server: ServerPoolService,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.server.whenReady(5_000);
    await this.client.whenReady(5_000);
    this.seen = [this.client.ready(), this.server.ready()];
  }
}

/** A module of its own with a provider that awaits both pools. */
function consumer(imports: DynamicModule[], isGlobal = false): [module: Type, provider: Type<AwaitsBoth>] {
  @Injectable()
  class Consumer extends AwaitsBoth {}
  @Module({ imports, providers: [Consumer] })
  class ConsumerModule {}
  if (isGlobal) Global()(ConsumerModule);
  return [ConsumerModule, Consumer];
}

describe('a pool at boot', () => {
  it('listens once the application is initialised', async () => {
    await using booted = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: LOCAL } })],
    });
    expect(booted.server.ready()).toBe(true);
    expect(booted.server.stats()?.state).toBe('running');
  });

  it('dials but does not keep the application waiting when the peer is down', async () => {
    await using booted = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(await freePort()) })],
    });
    expect(booted.client.stats()?.state).toBe('running');
    expect(booted.client.ready()).toBe(false);
    expect((await fetch(booted.url)).status).toBe(404);
    await expect(booted.client.whenReady(50)).rejects.toMatchObject({
      code: 'ERR_NPWS_TIMEOUT',
      cause: { code: 'ERR_NPWS_DIAL', cause: { code: 'ECONNREFUSED' } },
    });
  });

  it('does not keep the application waiting when the peer never answers', async () => {
    await using mute = await RawServer.listen();
    await using booted = await boot({
      imports: [NpwsModule.forRoot({ client: quickClient(mute.port) })],
    });
    await mute.next();
    expect(booted.client.ready()).toBe(false);
  });

  it('finds a peer that comes up later', async () => {
    const port = await freePort();
    await using near = await boot({ imports: [NpwsModule.forRoot({ client: quickClient(port) })] });
    const ready = near.client.whenReady(10_000);
    await using far = await boot({
      imports: [NpwsModule.forRoot({ server: { listen: { host: '127.0.0.1', port }, maxCapacity: 10 } })],
    });
    await ready;
    expect(near.client.ready()).toBe(true);
    expect(far.server.stats()?.active).toBeGreaterThan(0);
  });

  it('fails the boot when its server can not listen, naming address and cause', async () => {
    const { listener, port } = await listenAnywhere();
    await expect(
      boot({ imports: [NpwsModule.forRoot({ server: { listen: { host: '127.0.0.1', port } } })] }),
    ).rejects.toMatchObject({
      code: 'ERR_NPWS_LISTEN',
      message: `server pool 'default': can't listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}. Choose another port, or stop what listens there.`,
      cause: { code: 'EADDRINUSE' },
    });
    listener.close();
    await once(listener, 'close');
  });

  it('is left to the application with autoStart: false', async () => {
    const { listener, port } = await listenAnywhere();
    await using booted = await boot({
      imports: [
        NpwsModule.forRoot({
          server: { listener, maxCapacity: 10, autoStart: false },
          client: quickClient(port, { autoStart: false }),
        }),
      ],
    });
    const { client, server } = booted;
    expect([client.stats()?.state, server.stats()?.state]).toEqual(['new', 'new']);
    expect([client.ready(), server.ready()]).toEqual([false, false]);
    const early = server.incomingGet();
    await expect(client.whenReady(0)).rejects.toMatchObject({ code: 'ERR_NPWS_TIMEOUT' });
    expect([client.stats()?.state, server.stats()?.state]).toEqual(['new', 'new']);

    await server.start();
    await server.start();
    expect(server.ready()).toBe(true);
    await client.start();
    await client.start();
    await client.whenReady();
    const connection = await early;
    connection.destroy();
  });
});

describe('a provider that awaits whenReady() in its own onModuleInit', () => {
  it('boots when its module imports the pools', async () => {
    await using booted = await boot({
      imports: [NpwsModule.forRoot(await bothRoles())],
      providers: [AwaitsBoth],
    });
    expect(booted.app.get(AwaitsBoth).seen).toEqual([true, true]);
  });

  it.each(['first', 'last'])('boots when a sibling that imports the same pools stands %s', async (place) => {
    const pools = NpwsModule.forRoot(await bothRoles());
    const [Other] = consumer([pools]);
    const [Own, provider] = consumer([pools]);
    await using booted = await boot({
      imports: place === 'first' ? [Own, Other, pools] : [pools, Other, Own],
    });
    expect(booted.app.get(provider).seen).toEqual([true, true]);
  });

  it.each(['before', 'after'])('boots when it stands %s global pools', async (place) => {
    const pools = NpwsModule.forRoot({ isGlobal: true, ...(await bothRoles()) });
    const [Own, provider] = consumer([]);
    await using booted = await boot({ imports: place === 'before' ? [Own, pools] : [pools, Own] });
    expect(booted.app.get(provider).seen).toEqual([true, true]);
  });

  // Nest initialises global modules first, among them in the order of their registration.
  it.each(['before', 'after'])(
    'boots when its own module is global and stands %s global pools',
    async (place) => {
      const pools = NpwsModule.forRoot({ isGlobal: true, ...(await bothRoles()) });
      const [Own, provider] = consumer([], true);
      await using booted = await boot({ imports: place === 'before' ? [Own, pools] : [pools, Own] });
      expect(booted.app.get(provider).seen).toEqual([true, true]);
    },
  );

  it('boots when its own module is global and the pools that it imports are not', async () => {
    const [Own, provider] = consumer([NpwsModule.forRoot(await bothRoles())], true);
    await using booted = await boot({ imports: [Own] });
    expect(booted.app.get(provider).seen).toEqual([true, true]);
  });

  it('fails the boot at once when the server that it awaits can not listen', async () => {
    const { listener, port } = await listenAnywhere();
    @Injectable()
    class AwaitsServer implements OnModuleInit {
      constructor(@Inject(ServerPoolService) private readonly pool: PoolService) {}

      async onModuleInit(): Promise<void> {
        await this.pool.whenReady(Infinity);
      }
    }
    @Global()
    @Module({
      imports: [NpwsModule.forRoot({ server: { listen: { host: '127.0.0.1', port } } })],
      providers: [AwaitsServer],
    })
    class AwaitingModule {}
    await expect(boot({ imports: [AwaitingModule] })).rejects.toMatchObject({ code: 'ERR_NPWS_LISTEN' });
    listener.close();
    await once(listener, 'close');
  });
});
