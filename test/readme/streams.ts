import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { connect, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { PoolConnection } from 'nestjs-npws';

interface Ends {
  atServer: PoolConnection;
  atClient: PoolConnection;
}

export function overHttp({ atServer, atClient }: Ends, httpServer: HttpServer): Promise<string> {
  return new Promise((resolve, reject) => {
    // #region http
    // Behind the client an HTTP server, Nest's own too (app.getHttpServer()): it needs no port.
    httpServer.emit('connection', atClient);
    // Before the server those who ask it.
    const request = get({ path: '/', createConnection: () => atServer }, (response) => {
      text(response).then(resolve, reject);
    });
    request.on('error', reject); // a cut comes here first, whatever the response says
    // #endregion
  });
}

export function overTls({ atServer, atClient }: Ends, tlsServer: TlsServer, ca: string): TLSSocket {
  // #region tls
  // TLS from end to end, which the pools do not see into. Half-open as its connection is, and here not.
  atServer.allowHalfOpen = atClient.allowHalfOpen = false;
  tlsServer.emit('connection', atClient);
  const socket = connect({ socket: atServer, ca, servername: 'localhost' });
  // #endregion
  return socket;
}

// #region join
// import type { Socket } from 'node:net'; import { pipeline } from 'node:stream/promises';
/** Joins a socket and a connection, both ways, to the last byte. */
export async function join(socket: Socket, connection: PoolConnection): Promise<void> {
  connection.once('error', () => {
    // A cut must not look like an end. After all was said it is none, and Node leaks what is reset while it ends.
    if (socket.writableEnded && socket.writableLength === 0) socket.destroy();
    else socket.resetAndDestroy();
  });
  await Promise.all([pipeline(socket, connection), pipeline(connection, socket)]);
}
// #endregion
