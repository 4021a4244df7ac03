import { expect } from '@jest/globals';
import type { PingMode } from 'nestjs-npws';
import { takeBoth } from '../support/pair.js';
import { exchange } from './exchange.js';
import { openAllWays, POOL_SIZE, type Way } from './proxied.js';

/** The proxies' idle time-outs. */
export const IDLE = '5s';

/** The pools' keepAlive in milliseconds: below that. */
export const KEEP_ALIVE = 2_000;

/** Counts the connections that each end loses from here on. */
export function countDrops({ name, server, client }: Way): () => { name: string; drops: [number, number] } {
  const drops: [number, number] = [0, 0];
  server.on('disconnect', () => drops[0]++);
  client.on('disconnect', () => drops[1]++);
  return () => ({ name, drops: [...drops] });
}

/** Takes all that are idle, has each carry bytes both ways, and ends it. */
export async function useAll(way: Way): Promise<void> {
  for (let i = 0; i < POOL_SIZE; i++) {
    const { atServer, atClient } = await takeBoth(way);
    const { sent, received } = await exchange(atServer, atClient, 64 * 1024);
    expect(received).toEqual(sent);
    atClient.end();
    atServer.resume();
  }
}

/** The four ways, pinged from these ends only. */
export function openPinged(atServer: PingMode, atClient: PingMode): ReturnType<typeof openAllWays> {
  return openAllWays({
    idle: IDLE,
    server: { keepAlive: KEEP_ALIVE, ping: atServer },
    client: { keepAlive: KEEP_ALIVE, ping: atClient },
  });
}
