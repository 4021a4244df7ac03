import { type ConnectionId, ID_BYTES, idFromBytes } from '../core/connection-id.js';

/** The request header by which a client offers protocol 2. */
export const OFFER_HEADER = 'Npws-Protocol';

/** What protocol 2 says without data: that it is spoken, that one end has said all, that a link is given back. */
export const EMPTY = Buffer.alloc(0);

/** What makes that header: the key of the request shows a server that nothing in between makes frames of its own. */
export function offerOf(key: string): string {
  return `2 ${key}`;
}

/** Tells from a request's headers whether its sender, and nothing in between, offers protocol 2. */
export function isOffered(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const key = headers['sec-websocket-key'];
  return typeof key === 'string' && headers[OFFER_HEADER.toLowerCase()] === offerOf(key);
}

/** What a server's first messages said. */
export interface Greeting {
  readonly id: ConnectionId;
  readonly protocol: 1 | 2;
  /** What came behind the ID in the same message: data already (protocol 1). */
  readonly rest: Buffer;
}

/**
 * Reads how a server greets. If protocol 2 was offered and the first message is empty, the server speaks it, and its
 * next message is the ID and nothing else. Otherwise it is read as a Go client does: the ID is the first 4 bytes of the
 * stream, in whatever messages they come.
 */
export class GreetingReader {
  #protocol: 1 | 2 | undefined;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(private readonly isOffering: boolean) {}

  /** The greeting, undefined while some of it is missing, or null when it breaks a rule. */
  read(message: Buffer): Greeting | null | undefined {
    if (!this.#protocol) {
      this.#protocol = this.isOffering && message.length === 0 ? 2 : 1;
      if (this.#protocol === 2) return undefined;
    }
    if (this.#protocol === 2) {
      const id = readName(message);
      return id === null ? null : { id, protocol: 2, rest: message.subarray(ID_BYTES) };
    }
    this.#bytes = this.#bytes.length === 0 ? message : Buffer.concat([this.#bytes, message]);
    if (this.#bytes.length < ID_BYTES) return undefined;
    return { id: idFromBytes(this.#bytes), protocol: 1, rest: this.#bytes.subarray(ID_BYTES) };
  }
}

/** The ID that a whole message is (protocol 2), or null when it is something else. */
export function readName(message: Buffer): ConnectionId | null {
  return message.length === ID_BYTES ? idFromBytes(message) : null;
}
