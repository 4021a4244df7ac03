import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Database } from './postgres.js';
import type { Session } from './session.js';

// Where PostgreSQL is not installed: a TCP service that knows two commands. It doubles numbers, and counts.

/** The lines of a long answer. */
const MANY = 1_000_000;

/** Starts the service. */
export async function startStandIn(port: number): Promise<Database> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    const lines = createInterface(client);
    // The socket's errors come here.
    lines.on('error', () => client.destroy());
    lines.on('line', (line) => {
      const [command, argument] = line.split(' ');
      if (command === 'double') client.write(`${Number(argument) * 2}\n`);
      else if (command === 'count') client.write(countTo(Number(argument)));
      else client.write('double <number>, or count <number>\n');
    });
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    what: 'a TCP service of this sample',
    port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}

/** Connects to it. */
export async function openStandIn(port: number): Promise<Session> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const reader = createInterface(socket);
  reader.on('error', () => socket.destroy());
  const lines = reader[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done) throw new Error('the service is gone');
    return line.value;
  };
  return {
    async ask(question) {
      socket.write(`double ${question}\n`);
      return (await next()) === String(question * 2);
    },
    async readMuch() {
      socket.write(`count ${MANY}\n`);
      for (let n = 1; n <= MANY; n++) if ((await next()) !== String(n)) return false;
      return true;
    },
    async close() {
      const closed = once(socket, 'close');
      socket.end();
      socket.resume();
      await closed;
    },
  };
}

function countTo(last: number): string {
  let lines = '';
  for (let n = 1; n <= last; n++) lines += `${n}\n`;
  return lines;
}
