import { randomBytes } from 'node:crypto';
import { frameOf } from './raw-frames.js';
import { connectRaw, type RawPeer } from './raw-peer.js';

/** The message of protocol 2 that greets, ends a direction or gives a link back, each in its place. */
export const EMPTY = Buffer.alloc(0);

/** The lines of a request that offers protocol 2. */
export function offerLines(): string[] {
  const key = randomBytes(16).toString('base64');
  return [`Sec-WebSocket-Key: ${key}`, `Npws-Protocol: 2 ${key}`];
}

/** How a server greets who offered protocol 2: the empty message and the ID. */
export function greetingOf(id: string): Buffer {
  return Buffer.concat([frameOf(EMPTY), frameOf(Buffer.from(id, 'hex'))]);
}

/** A client that speaks protocol 2 and has been named. */
export async function connectOffering(
  port: number,
  options: { tls?: boolean } = {},
): Promise<{ peer: RawPeer; id: string }> {
  const peer = await connectRaw(port, options);
  await peer.upgrade(offerLines());
  const { payload: greeting } = await peer.frame();
  if (greeting.length > 0) throw new Error('the server does not speak protocol 2');
  return { peer, id: await nameOf(peer) };
}

/** The next name that a server gives. */
export async function nameOf(peer: RawPeer): Promise<string> {
  const { payload } = await peer.frame();
  if (payload.length !== 4) throw new Error(`${payload.length} bytes are no name`);
  return payload.toString('hex');
}

/** The bytes of several messages of a client, to be written at once. */
export function masked(...payloads: (Uint8Array | string)[]): Buffer {
  return Buffer.concat(payloads.map((payload) => frameOf(Buffer.from(payload), { masked: true })));
}
