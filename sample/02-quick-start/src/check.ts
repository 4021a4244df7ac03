import { once } from 'node:events';
import { ConsoleLogger, type INestApplication } from '@nestjs/common';
import { WebSocket } from 'ws';
import type { Echo } from './echo.controller.js';
import { freePort } from './free-port.js';
import type { StatsMessage } from './stats.gateway.js';

/** How long one step may take, in milliseconds. */
const PATIENCE = 10_000;

/** Runs the application on free ports, tries each of its parts, and tells whether all is well. */
export async function check(): Promise<boolean> {
  Object.assign(process.env, { PORT: '0', POOL_PORT: String(await freePort()) });
  // Its module reads the environment when it is loaded, so that comes now.
  const { bootstrap } = await import('./bootstrap.js');
  const app = await bootstrap(new ConsoleLogger({ logLevels: ['warn', 'error'] }));
  const url = await app.getUrl();
  const rows = [
    await row('POST /echo', () => echo(url)),
    await row('GET /health', () => health(url)),
    await row('stats on /live', () => live(url)),
    await row('close', () => close(app)),
  ];
  for (const { what, ok, result } of rows) console.log(`${ok ? '✓' : '✗'} ${what.padEnd(15)} ${result}`);
  return rows.every(({ ok }) => ok);
}

async function row(
  what: string,
  step: () => Promise<string>,
): Promise<{ what: string; ok: boolean; result: string }> {
  try {
    return { what, ok: true, result: await step() };
  } catch (error) {
    return { what, ok: false, result: (error as Error).message };
  }
}

async function echo(url: string): Promise<string> {
  const response = await fetch(`${url}/echo`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ message: 'hello' }),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const { id, message, taken } = (await response.json()) as Echo;
  if (response.status !== 200 || message !== 'hello') throw new Error(`${response.status}: ${message}`);
  return `'${message}' over ${id}, taken in ${taken.toFixed(1)} ms`;
}

async function health(url: string): Promise<string> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(PATIENCE) });
  const { status } = (await response.json()) as { status: string };
  if (response.status !== 200) throw new Error(`${response.status}: ${status}`);
  return status;
}

async function live(url: string): Promise<string> {
  const socket = new WebSocket(url.replace('http', 'ws') + '/live');
  const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE) })) as [Buffer];
  socket.terminate();
  const { data } = JSON.parse(message.toString()) as StatsMessage;
  return `${data.role}: ${data.active} idle of ${data.capacity}`;
}

async function close(app: INestApplication): Promise<string> {
  const start = performance.now();
  await app.close();
  return `${Math.round(performance.now() - start)} ms`;
}
