import type { Socket } from 'node:net';
import type { PoolConnection } from 'nestjs-npws';

/**
 * Joins a TCP socket and a pooled connection, byte for byte, both ways. What breaks on one side shows on the other:
 * a cut connection resets the socket, so that nobody takes half an answer for a whole one.
 */
export function splice(socket: Socket, connection: PoolConnection, onSocketEnd: () => void): void {
  socket.pipe(connection, { end: false });
  connection.pipe(socket);
  socket.once('end', onSocketEnd);
  socket.once('error', () => connection.destroy());
  socket.once('close', () => {
    if (!connection.writableEnded) connection.destroy();
  });
  connection.once('error', () => socket.resetAndDestroy());
}
