import { once } from 'node:events';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import { buffer, text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Post, StreamableFile } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { PoolConnection } from 'nestjs-npws';
import { WebSocket, WebSocketServer } from 'ws';
import { PLATFORMS } from '../support/apps.js';
import { createPair, takeBoth } from '../support/pair.js';
import { bytesOf, digestOf } from '../support/raw-bytes.js';

/** Reads until what has come contains `ending`. */
async function readTo(connection: PoolConnection, ending: string): Promise<string> {
  let read = '';
  while (!read.includes(ending)) {
    const [part] = (await once(connection, 'data')) as [Buffer];
    read += part.toString();
  }
  return read;
}

describe('an HTTP server that is given connections', () => {
  it('answers many requests on one connection in their order, even those that came at once', async () => {
    await using pair = await createPair({ tls: true });
    const { atServer, atClient } = await takeBoth(pair);
    const http = createServer((incoming, response) => {
      const answer = (): unknown => response.end(`answer to ${incoming.url}\n`);
      // The first takes longest.
      if (incoming.url === '/1') setImmediate(() => setImmediate(answer));
      else answer();
    });
    http.emit('connection', atClient);
    atServer.write([1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    const all = await readTo(atServer, 'answer to /3\n');
    expect(all.match(/answer to .*/g)).toEqual(['answer to /1', 'answer to /2', 'answer to /3']);
    atServer.write('GET /4 HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await readTo(atServer, 'answer to /4\n')).toContain('HTTP/1.1 200 OK');
    atServer.end();
  });

  it('streams an answer in chunks as it is written', async () => {
    await using pair = await createPair({ tls: true });
    const { atServer, atClient } = await takeBoth(pair);
    let written: ServerResponse | undefined;
    const http = createServer((_, response) => {
      written = response;
      response.write('1');
    });
    http.emit('connection', atClient);
    const sent = request({ createConnection: () => atServer }).end();
    const [response] = (await once(sent, 'response')) as [Readable];
    const parts: string[] = [];
    for await (const part of response) {
      parts.push(String(part));
      // The next one is written when the last one was read.
      if (parts.length < 5) written?.write(String(parts.length + 1));
      else written?.end();
    }
    expect(parts).toEqual(['1', '2', '3', '4', '5']);
  });

  it('tells its application that whoever asked was cut off', async () => {
    await using pair = await createPair({ tls: true });
    const { atServer, atClient } = await takeBoth(pair);
    const http = createServer((_, response) => response.write('the first half'));
    const asked = once(http, 'request') as Promise<[unknown, ServerResponse]>;
    http.emit('connection', atClient);
    const sent = request({ createConnection: () => atServer }).end();
    sent.on('error', () => undefined);
    const [, response] = await asked;
    await once(sent, 'response');
    const closed = once(response, 'close');
    sent.destroy();
    await closed;
    expect([response.writableFinished, response.destroyed]).toEqual([false, true]);
  });

  it('lets a WebSocket through, and how it was closed', async () => {
    await using pair = await createPair({ tls: true });
    const { atServer, atClient } = await takeBoth(pair);
    const http = createServer();
    const echo = new WebSocketServer({ server: http });
    const farClosed = new Promise((resolve) => {
      echo.on('connection', (socket) => {
        socket.on('message', (message) => {
          socket.send(message);
        });
        socket.on('close', (code, reason) => {
          resolve([code, reason.toString()]);
        });
      });
    });
    http.emit('connection', atClient);
    const visitor = new WebSocket('ws://visitor.example/', { createConnection: () => atServer as never });
    await once(visitor, 'open');
    const message = bytesOf(1024 * 1024);
    visitor.send(message);
    expect(digestOf(((await once(visitor, 'message')) as [Buffer])[0])).toBe(digestOf(message));
    visitor.close(4321, 'bye');
    await once(visitor, 'close');
    expect(await farClosed).toEqual([4321, 'bye']);
  });

  it.each(PLATFORMS)('may be that of a Nest application on %s which never listens', async (platform) => {
    @Controller()
    class PlainController {
      @Post('echo')
      echo(@Body() body: object): object {
        return { body };
      }

      @Get('stream')
      stream(): StreamableFile {
        return new StreamableFile(Readable.from([bytesOf(100_000, 1), bytesOf(200_000, 2)]));
      }
    }
    const module = await Test.createTestingModule({ controllers: [PlainController] }).compile();
    const app =
      platform === 'express'
        ? module.createNestApplication()
        : module.createNestApplication(new FastifyAdapter());
    await app.init();
    if (platform === 'fastify')
      await (app.getHttpAdapter().getInstance() as { ready(): Promise<void> }).ready();
    const http = app.getHttpServer() as Server;

    await using pair = await createPair({ tls: true });
    const ask = async (method: string, path: string, body = ''): Promise<Readable> => {
      const { atServer, atClient } = await takeBoth(pair);
      http.emit('connection', atClient);
      const headers = { 'Content-Type': 'application/json' };
      const sent = request({ method, path, headers, createConnection: () => atServer }).end(body);
      return ((await once(sent, 'response')) as [Readable])[0];
    };
    expect(await text(await ask('POST', '/echo', '{"a":1}'))).toBe('{"body":{"a":1}}');
    expect(digestOf(await buffer(await ask('GET', '/stream')))).toBe(
      digestOf(Buffer.concat([bytesOf(100_000, 1), bytesOf(200_000, 2)])),
    );
    await app.close();
  });
});
