import type { Socket } from 'node:net';

/**
 * Resets a TCP connection, with errors at this end left to its listeners. What it is told to end in this very turn is
 * reset a turn later: Node neither resets nor closes a socket whose end is on its way to the kernel, and the process that
 * holds it never exits.
 */
export function reset(socket: Socket): void {
  const again = (): void => {
    reset(socket);
  };
  if (socket.destroyed) return;
  if (socket.connecting) socket.once('connect', again);
  else if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0)
    socket.once('finish', again);
  else socket.resetAndDestroy();
}
