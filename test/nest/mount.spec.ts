import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  type ClientPool,
  type ClientPoolOptions,
  createClientPool,
  NpwsModule,
  type NpwsOptions,
  type PoolConnection,
  type ServerPoolService,
} from 'nestjs-npws';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { boot, type BootedApp, PLATFORMS, quickClient } from '../support/apps.js';
import { createCertificate, type KeyPair } from '../support/certificates.js';
import { until } from '../support/pair.js';

@Injectable()
class Anybody implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

/** A real gateway, with a guard, whose every message is answered. */
class Chat {
  readonly heard: unknown[] = [];

  say(text: unknown): { event: string; data: unknown } {
    this.heard.push(text);
    return { event: 'said', data: text };
  }
}

@UseGuards(Anybody)
@WebSocketGateway({ path: '/chat' })
class PlainChat extends Chat {
  @SubscribeMessage('say')
  override say(@MessageBody() text: unknown): { event: string; data: unknown } {
    return super.say(text);
  }
}

@WebSocketGateway()
class SocketIoChat extends Chat {
  @SubscribeMessage('say')
  answer(
    @ConnectedSocket() socket: { emit(event: string, data: unknown): void },
    @MessageBody() text: unknown,
  ): void {
    socket.emit('said', super.say(text).data);
  }
}

@Controller()
class Pages {
  @Get('page')
  page(): string {
    return 'a page';
  }
}

/** Talks to a chat. */
interface Talk extends AsyncDisposable {
  say(text: string): Promise<unknown>;
}

/** What an application has on its HTTP server besides the pools. */
interface Company {
  readonly gateway: Type<Chat> | null;
  readonly adapter: (app: INestApplication) => unknown;
  readonly talk: (url: string) => Promise<Talk>;
}

const COMPANY: Record<string, Company> = {
  'a gateway under WsAdapter': {
    gateway: PlainChat,
    adapter: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
    async talk(url) {
      const ws = new WebSocket(`${url.replace('http', 'ws')}/chat`, { rejectUnauthorized: false });
      await once(ws, 'open');
      return {
        async say(text) {
          ws.send(JSON.stringify({ event: 'say', data: text }));
          const [answer] = (await once(ws, 'message')) as [Buffer];
          return (JSON.parse(answer.toString()) as { data: unknown }).data;
        },
        async [Symbol.asyncDispose]() {
          ws.close();
          if (ws.readyState !== WebSocket.CLOSED) await once(ws, 'close');
        },
      };
    },
  },
  'Socket.IO under IoAdapter': {
    gateway: SocketIoChat,
    adapter: (app) => app.useWebSocketAdapter(new IoAdapter(app)),
    async talk(url) {
      const socket = io(url, { transports: ['websocket'], rejectUnauthorized: false, reconnection: false });
      await new Promise<void>((resolve, reject) => {
        socket.on('connect', resolve).on('connect_error', reject);
      });
      return {
        say: (text) =>
          new Promise((resolve) => {
            socket.once('said', resolve).emit('say', text);
          }),
        [Symbol.asyncDispose]() {
          socket.disconnect();
          return Promise.resolve();
        },
      };
    },
  },
  'no adapter': {
    gateway: null,
    adapter: () => undefined,
    talk: (url) =>
      Promise.resolve({
        async say(text) {
          const page = await fetchFrom(`${url}/page`);
          return page === 'a page' ? text : page;
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  },
};

/** Asks for a page over a connection of its own. */
async function fetchFrom(url: string, headers: Record<string, string> = {}): Promise<string> {
  const { request } = url.startsWith('https') ? await import('node:https') : await import('node:http');
  const asked = request(url, { rejectUnauthorized: false, agent: false, headers }).end();
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
  return (await buffer(response)).toString();
}

/** How long what is in use may take to finish at shutdown, in milliseconds. */
const DRAIN = 300;

const SCHEMES = ['http', 'https'] as const;

/** A client pool that dials a path of an application. */
function dialTo(
  { url }: BootedApp,
  path: string,
  options: Partial<ClientPoolOptions> = {},
): ClientPool<PoolConnection> {
  const { port, protocol } = new URL(url);
  const tlsMode = protocol === 'https:' ? 'self-signed' : 'none';
  const pool = createClientPool({
    ...quickClient(Number(port)),
    tlsMode,
    path,
    drainTimeout: 300,
    ...options,
  });
  pool.on('warning', () => undefined);
  void pool.start();
  return pool;
}

/** Puts bytes through a connection of both pools, there and back. */
async function echo(server: ServerPoolService, client: ClientPool<PoolConnection>): Promise<boolean> {
  const bytes = randomBytes(300_000);
  const atServer = await server.incomingGet(5_000);
  const atClient = await client.outgoingGet(atServer.id, 5_000);
  atClient.pipe(atClient);
  atServer.end(bytes);
  return bytes.equals(await buffer(atServer));
}

describe.each(Object.keys(COMPANY))('a pool mounted on the HTTP server of an application with %s', (name) => {
  const { gateway, adapter, talk } = COMPANY[name] as Company;

  describe.each(PLATFORMS.flatMap((platform) => SCHEMES.map((scheme) => ({ platform, scheme }))))(
    'on $platform over $scheme',
    ({ platform, scheme }) => {
      async function bootMounted(): Promise<BootedApp> {
        const https: KeyPair | undefined = scheme === 'https' ? await createCertificate() : undefined;
        return boot(
          {
            imports: [
              NpwsModule.forRootAsync({
                useFactory: async (): Promise<NpwsOptions> => {
                  await Promise.resolve();
                  return { server: { mount: { path: '/npws' }, maxCapacity: 10, drainTimeout: DRAIN } };
                },
              }),
            ],
            controllers: [Pages],
            providers: gateway ? [gateway] : [],
          },
          { platform, prepare: adapter, https },
        );
      }

      it('carries bytes both ways while the neighbours go on as if it were not there', async () => {
        await using booted = await bootMounted();
        await using chat = await talk(booted.url);
        expect(await chat.say('before')).toBe('before');
        await using client = dialTo(booted, '/npws');
        await until(client, () => client.active() >= 2);
        expect(await echo(booted.server, client)).toBe(true);
        expect(await chat.say('between')).toBe('between');
        const atServer = await booted.server.incomingGet(5_000);
        const atClient = await client.outgoingGet(atServer.id, 5_000);
        // What a gateway would take for a message of its own.
        atClient.end(JSON.stringify({ event: 'say', data: 'not for the chat' }));
        expect(String(await buffer(atServer))).toContain('not for the chat');
        atServer.end();
        expect(await chat.say('after')).toBe('after');
        expect(await fetchFrom(`${booted.url}/page`)).toBe('a page');
        if (gateway) expect(booted.app.get(gateway).heard).toEqual(['before', 'between', 'after']);
      });

      it('closes with the application, though connections are idle and in use', async () => {
        await using booted = await bootMounted();
        await using client = dialTo(booted, '/npws');
        await until(client, () => client.active() >= 2);
        const { id } = await booted.server.incomingGet(5_000);
        const held = await client.outgoingGet(id, 5_000);
        held.on('error', () => undefined);
        const before = performance.now();
        await booted.app.close();
        // And what closing takes on a busy machine.
        expect(performance.now() - before).toBeLessThan(DRAIN + 1_000);
        expect(booted.server.stats()).toMatchObject({ state: 'closed', active: 0, used: 0 });
      });
    },
  );
});
