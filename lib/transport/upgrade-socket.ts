import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * The socket of an upgrade request. What Node hands out beside the request is that, but for a request with a body: then Node
 * 26 has a stand-in there, which fails as the socket does, and nobody else would hear of it.
 */
export function socketOf({ socket }: IncomingMessage, handedOut: Duplex): Socket {
  if (handedOut !== socket) handedOut.on('error', ignore);
  return socket;
}

/** Listens to errors that somebody else tells of. */
export function ignore(): void {
  // Nothing to do.
}
