import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Tunnel } from './tunnel.js';
import { exchange, isStreamed, isWebSocketEchoed } from './visits.js';

describe('the reverse tunnel', () => {
  const agent = new Agent({ keepAlive: false });
  const links: Socket[] = [];
  const relay = createServer((near) => {
    links.push(near);
    const far = connect((relay as unknown as { target: number }).target, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  let tunnel: Tunnel;

  /** One exchange, tried again while what was lost comes back. */
  async function comesThrough(): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      try {
        return await exchange(tunnel.url, { seed: tries, up: 10_000, down: 100_000 }, agent);
      } catch (error) {
        if (tries === 100) throw error;
        await sleep(50);
      }
    }
  }

  beforeAll(async () => {
    tunnel = await Tunnel.start({
      anyPorts: true,
      between: async (target) => {
        Object.assign(relay, { target });
        await once(relay.listen(0, '127.0.0.1'), 'listening');
        return (relay.address() as AddressInfo).port;
      },
    });
  }, 30_000);

  afterAll(async () => {
    await tunnel.stop();
    relay.close();
  }, 30_000);

  it('carries requests, streamed answers and WebSockets of visitors', async () => {
    expect(await comesThrough()).toBe(true);
    expect(await isStreamed(tunnel.url)).toBe(true);
    expect(await isWebSocketEchoed(tunnel.url)).toBe(true);
  });

  it('carries the answer to a visitor who has ended its own side', async () => {
    const visitor = connect(Number(new URL(tunnel.url).port), '127.0.0.1');
    visitor.end('GET / HTTP/1.0\r\n\r\n');
    let answer = '';
    for await (const chunk of visitor) answer += String(chunk);
    expect(answer).toContain('Hello from behind the tunnel');
  });

  it('resets a visitor whose way is cut in the middle of an answer', async () => {
    const visitor = connect(Number(new URL(tunnel.url).port), '127.0.0.1');
    visitor.write('GET /stream HTTP/1.0\r\n\r\n');
    await once(visitor, 'data');
    const failed = once(visitor, 'error');
    for (const link of links.splice(0)) link.resetAndDestroy();
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
  });

  it('survives the loss of the control connection', async () => {
    expect(await comesThrough()).toBe(true);
    // The first one that the edge dialled since the last cut bears the control ID.
    links[0]?.resetAndDestroy();
    expect(await comesThrough()).toBe(true);
  });

  it.each(['private', 'edge', 'public'] as const)(
    'survives the loss and return of the %s process',
    async (name) => {
      await tunnel[name].kill();
      await tunnel[name].start();
      expect(await comesThrough()).toBe(true);
    },
  );
});
