import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { WebSocket } from 'ws';
import { seededBytes, sha256 } from './seeded-bytes.js';

/** One request of the check: so many bytes up, so many down, both made from the seed. */
export interface Exchange {
  readonly seed: number;
  readonly up: number;
  readonly down: number;
}

/** Fetches a page and tells how long it took, in milliseconds. */
export async function timedGet(url: string): Promise<number> {
  const start = performance.now();
  const answer = await fetch(url, { headers: { connection: 'close' } });
  await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return performance.now() - start;
}

/**
 * Sends and receives the bytes of an exchange. Throws when it fails visibly; returns false when it looks whole but
 * is not: what must never happen.
 */
export async function exchange(url: string, { seed, up, down }: Exchange, agent: Agent): Promise<boolean> {
  const sent = request(`${url}/exchange?bytes=${down}&seed=${seed}`, {
    method: 'POST',
    agent,
    headers: { 'Content-Length': up },
  });
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  // Whichever fails first is told; the other must not be left alone.
  const [, [response]] = await Promise.all([pipeline(Readable.from(seededBytes(seed, up)), sent), answered]);
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk);
    length += chunk.length;
  }
  return (
    response.statusCode === 200 &&
    length === down &&
    hash.digest('hex') === sha256(seededBytes(seed, down)) &&
    response.headers['x-received-sha256'] === sha256(seededBytes(seed, up))
  );
}

/** Whether an answer that the service sends piece by piece comes piece by piece. */
export async function isStreamed(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/stream`, { headers: { connection: 'close' } });
  const arrivals: number[] = [];
  await answer.body?.pipeTo(new WritableStream({ write: () => void arrivals.push(performance.now()) }));
  return arrivals.length === 3 && (arrivals[2] ?? 0) - (arrivals[0] ?? 0) > 300;
}

/** Whether several requests share one TCP connection. */
export async function isKeptAlive(url: string): Promise<boolean> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let reused = 0;
  for (let visit = 0; visit < 3; visit++) {
    const sent = request(url, { agent }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    if (sent.reusedSocket) reused++;
    await once(response.resume(), 'end');
  }
  agent.destroy();
  return reused === 2;
}

/** Whether a visitor's own WebSocket passes through. */
export async function isWebSocketEchoed(url: string): Promise<boolean> {
  const socket = new WebSocket(url.replace('http', 'ws'));
  await once(socket, 'open');
  socket.send('hello through the tunnel');
  const [message] = (await once(socket, 'message')) as [Buffer];
  socket.close(1000);
  await once(socket, 'close');
  return message.toString() === 'hello through the tunnel';
}

/** How many links (hand-shakes) the public app's pool has seen, and how often one of them served again. */
export async function linksOf(healthUrl: string): Promise<{ opened: number; reused: number }> {
  const answer = await fetch(healthUrl, { headers: { connection: 'close' } });
  const { info } = (await answer.json()) as {
    info: { pools: { server: { opened: number; reused: number } } };
  };
  return info.pools.server;
}

/** Whether `/health` says that all is well. */
export async function isHealthy(url: string): Promise<boolean> {
  const answer = await fetch(url, { headers: { connection: 'close' } });
  await answer.text();
  return answer.status === 200;
}
