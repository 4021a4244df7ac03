import type { Socket } from 'node:net';
import type { PoolConnection } from 'nestjs-npws';

/**
 * Joins a TCP socket and a pooled connection, byte for byte, each direction to its own end. What breaks on one side shows
 * on the other: a cut connection resets the socket, so that nobody takes half an answer for a whole one.
 */
export function splice(socket: Socket, connection: PoolConnection): void {
  socket.pipe(connection).pipe(socket);
  socket.once('error', () => connection.destroy());
  socket.once('close', () => {
    if (!connection.writableEnded || !connection.readableEnded) connection.destroy();
  });
  connection.once('error', () => {
    // What all was said to has a whole answer, and Node leaks a socket that is reset while it ends.
    if (socket.writableEnded && socket.writableLength === 0) socket.destroy();
    else socket.resetAndDestroy();
  });
}
