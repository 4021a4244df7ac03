import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { connect as connectSecurely, createServer as createSecureServer } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { createCertificate } from '../support/certificates.js';
import { createPair, takeBoth } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';

/** How a pipeline in one direction ended: 'ok', or the code of its error. */
type End = string;

/** visitor ◄─ TCP ─► entrance ◄═ connection ═► exit ◄─ TCP ─► service, joined by two pipelines at either side. */
interface Tunnel extends AsyncDisposable {
  visitor: Socket;
  service: Socket;
  near: Joint;
  far: Joint;
}

/** A socket and an end of a connection, piped into each other. */
interface Joint {
  socket: Socket;
  connection: PoolConnection;
  ends: Promise<[towardsConnection: End, towardsSocket: End]>;
}

/** Joins both by a pipeline in each direction. `allowHalfOpen` keeps either from closing before both are through. */
function join(socket: Socket, connection: PoolConnection): Joint {
  connection.allowHalfOpen = true;
  const endOf = (running: Promise<void>): Promise<End> =>
    running.then(
      () => 'ok',
      (error: unknown) => (error as NodeJS.ErrnoException).code ?? 'unknown',
    );
  const ends = Promise.all([endOf(pipeline(socket, connection)), endOf(pipeline(connection, socket))]);
  return { socket, connection, ends };
}

async function accept(server: Server, event = 'connection'): Promise<Socket> {
  const [socket] = (await once(server, event)) as [Socket];
  return socket;
}

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

interface TunnelOptions {
  /** Whether the visitor speaks TLS to the entrance. */
  isSecure?: boolean;
  /** Called before the pipelines are made. */
  prepare?: (socket: Socket, connection: PoolConnection) => void;
}

async function openTunnel({ isSecure = false, prepare }: TunnelOptions = {}): Promise<Tunnel> {
  const pair = await createPair({ tls: true, server: { drainTimeout: 0 }, client: { drainTimeout: 0 } });
  const { atServer, atClient } = await takeBoth(pair);
  const certificate = await createCertificate();
  const entrance = isSecure
    ? createSecureServer({ ...certificate, allowHalfOpen: true })
    : createServer({ allowHalfOpen: true });
  const service = createServer();
  const port = await listen(entrance);
  const visitor = isSecure
    ? connectSecurely({ port, host: '127.0.0.1', ca: certificate.cert, servername: 'localhost' })
    : connect(port, '127.0.0.1');
  const entered = await accept(entrance, isSecure ? 'secureConnection' : 'connection');
  const exit = connect({ port: await listen(service), host: '127.0.0.1', allowHalfOpen: true });
  const served = await accept(service);
  prepare?.(entered, atServer);
  prepare?.(exit, atClient);
  return {
    visitor,
    service: served,
    near: join(entered, atServer),
    far: join(exit, atClient),
    async [Symbol.asyncDispose]() {
      for (const socket of [visitor, served]) socket.destroy();
      await Promise.all([entrance, service].map((server) => new Promise((resolve) => server.close(resolve))));
      await pair[Symbol.asyncDispose]();
    },
  };
}

describe('a pipeline each way between a socket and a connection', () => {
  it.each([
    ['TCP', false, 3_000_000],
    ['TCP', false, 1],
    // So much that the entrance has some of it left to write when the connection has ended.
    ['TLS', true, 60_000],
    ['TLS', true, 3_000_000],
  ])(
    'carries every byte both ways and ends when the answer does (%s, %s, %i B)',
    async (_, isSecure, length) => {
      await using tunnel = await openTunnel({ isSecure });
      const [question, answer] = [bytesOf(2_000_000, 1), bytesOf(length, 2)];
      const [asked, answered] = [outcomeOf(tunnel.service), outcomeOf(tunnel.visitor)];
      let missing = question.length;
      tunnel.service.on('data', (part: Buffer) => {
        missing -= part.length;
        if (missing === 0) tunnel.service.end(answer);
      });
      tunnel.visitor.write(question);
      for (const [outcome, sent] of [[await asked, question] as const, [await answered, answer] as const]) {
        expect([digestOf(outcome.bytes), outcome.ended, outcome.error]).toEqual([digestOf(sent), true, null]);
      }
      expect([await tunnel.near.ends, await tunnel.far.ends]).toEqual([
        ['ok', 'ok'],
        ['ok', 'ok'],
      ]);
    },
  );

  it('fails both ways when the connection is cut', async () => {
    await using tunnel = await openTunnel();
    tunnel.service.write(bytesOf(100_000));
    await once(tunnel.visitor, 'data');
    tunnel.far.connection.destroy();
    expect(await tunnel.near.ends).toEqual(['ERR_NPWS_TRUNCATED', 'ERR_NPWS_TRUNCATED']);
    expect(await tunnel.far.ends).not.toContain('ok');
  });

  it('shows the visitor a reset when the connection is cut, if its error resets the socket', async () => {
    await using tunnel = await openTunnel({
      // Before the pipelines: they would close the socket as if all were well.
      prepare: (socket, connection) => connection.once('error', () => socket.resetAndDestroy()),
    });
    const answered = outcomeOf(tunnel.visitor);
    tunnel.service.write(bytesOf(100_000));
    await once(tunnel.visitor, 'data');
    tunnel.far.connection.destroy();
    const { ended, error } = await answered;
    expect([ended, error?.code]).toEqual([false, 'ECONNRESET']);
  });

  it('is an error at the far end when the visitor is cut', async () => {
    await using tunnel = await openTunnel();
    tunnel.visitor.write(bytesOf(100_000));
    await once(tunnel.service, 'data');
    tunnel.visitor.resetAndDestroy();
    expect(await tunnel.far.ends).toEqual(['ERR_NPWS_TRUNCATED', 'ERR_NPWS_TRUNCATED']);
    expect(tunnel.far.connection.errored).toHaveProperty('code', 'ERR_NPWS_TRUNCATED');
  });
});
