import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { ClientPoolService, ServerPoolService } from 'nestjs-npws';
import { NpwsTestingModule } from 'nestjs-npws/testing';
import { filter, firstValueFrom } from 'rxjs';
import { WebSocket } from 'ws';
import { AppModule, PoolsModule } from '../src/app.module.js';
import type { Echo } from '../src/echo.controller.js';
import { validate } from '../src/environment.js';
import type { StatsMessage } from '../src/stats.gateway.js';

describe('the quick start', () => {
  let app: INestApplication;
  let url: string;

  function echo(body: unknown): Promise<Response> {
    return fetch(`${url}/echo`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Connection: 'close' },
      body: JSON.stringify(body),
    });
  }

  beforeAll(async () => {
    // #region testing
    const testing = Test.createTestingModule({ imports: [AppModule] });
    testing.overrideModule(PoolsModule).useModule(
      NpwsTestingModule.forRoot({
        client: { minCapacity: 2, maxCapacity: 10 },
        server: { maxCapacity: 10, acquireTimeout: 300 },
      }),
    );
    app = (await testing.compile()).createNestApplication();
    // #endregion
    app.useWebSocketAdapter(new WsAdapter(app));
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    await app.get(ClientPoolService).whenReady();
  });

  afterAll(async () => {
    await app.close();
  });

  it.each([
    ['short', 'hello'],
    ['long', 'ü'.repeat(40_000)],
  ])('echoes a %s message through a pooled connection', async (_, message) => {
    const response = await echo({ message });
    expect(response.status).toBe(200);
    const answer = (await response.json()) as Echo;
    expect(answer).toMatchObject({ id: expect.stringMatching(/^[0-9a-f]{8}$/), message });
    // Ended, so that neither pool holds it any more.
    for (const pool of [app.get(ServerPoolService), app.get(ClientPoolService)]) {
      await firstValueFrom(pool.stats$.pipe(filter(({ used }) => used === 0)));
    }
  });

  it('echoes many messages at once, more than there are idle connections', async () => {
    const messages = Array.from({ length: 20 }, (_, index) => `message ${index}`);
    const answers = await Promise.all(
      messages.map(async (message) => {
        // As Retry-After asks of a client.
        for (;;) {
          const response = await echo({ message });
          if (response.status !== 503) return (await response.json()) as Echo;
          await response.text();
        }
      }),
    );
    expect(answers.map(({ message }) => message)).toEqual(messages);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(messages.length);
  });

  it.each([{}, { message: 7 }, { message: '' }])('refuses %j with 400', async (body) => {
    expect((await echo(body)).status).toBe(400);
  });

  it('tells the numbers of both pools', async () => {
    const stats = (await (await fetch(`${url}/stats`)).json()) as object;
    expect(stats).toMatchObject({
      client: { role: 'client', state: 'running', minCapacity: 2 },
      server: { role: 'server', state: 'running', capacity: 10 },
    });
  });

  it('streams the numbers of both pools to a browser, after changes too', async () => {
    const browser = new WebSocket(`${url.replace('http', 'ws')}/live`);
    const roles = new Set<string>();
    let changes = 0;
    const seen = new Promise<void>((resolve) => {
      browser.on('message', (bytes: Buffer) => {
        const { event, data } = JSON.parse(bytes.toString()) as StatsMessage;
        expect(event).toBe('stats');
        roles.add(data.role);
        if (data.used > 0 || ++changes > 4) resolve();
      });
    });
    await once(browser, 'open');
    await echo({ message: 'a change' });
    await echo({ message: 'another' });
    await seen;
    expect([...roles].sort()).toEqual(['client', 'server']);
    browser.close();
    await once(browser, 'close');
  });

  it('answers 503 with Retry-After, and is not healthy, while there is no connection', async () => {
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await app.get(ClientPoolService).close();
    const response = await echo({ message: 'hello?' });
    expect(response.status).toBe(503);
    expect(response.headers.get('Retry-After')).toBe('1');
    expect(await response.json()).toEqual({
      statusCode: 503,
      code: 'ERR_NPWS_TIMEOUT',
      message: 'no connection right now',
    });
    expect((await fetch(`${url}/health`)).status).toBe(503);
  });
});

describe('the environment', () => {
  it('has a default for everything', () => {
    expect(validate({ POOL_MAX: '' })).toEqual({
      PORT: 3000,
      POOL_PORT: 8443,
      POOL_MIN: 2,
      POOL_MAX: 10,
      POOL_TIMEOUT: 2_000,
    });
  });

  it('is refused with every problem at once', () => {
    expect(() => validate({ PORT: 'http', POOL_PORT: '0', POOL_MIN: '20' })).toThrow(
      [
        'the environment is not right:',
        '  - PORT: expected a whole number from 0 to 65535, got "http"',
        '  - POOL_PORT: expected a whole number from 1 to 65535, got "0"',
        '  - POOL_MIN: expected at most POOL_MAX (10), got 20',
      ].join('\n'),
    );
  });
});
