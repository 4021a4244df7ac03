import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Service, Session } from './service.js';

// Where PostgreSQL is not installed: a TCP service that knows one command. It doubles numbers, and counts.

const MANY = 1_000_000;

/** Starts the service on a free port of this machine. */
export async function startStandIn(): Promise<Service> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    client.once('error', () => client.destroy());
    createInterface(client).on('line', (line) => {
      const [command, argument] = line.split(' ');
      if (command === 'double') client.write(`${Number(argument) * 2}\n`);
      else if (command === 'count') client.write(countTo(Number(argument)));
      else client.write('double <number>, or count <number>\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    what: 'a TCP service of this sample, as PostgreSQL is not installed',
    port,
    commandFor: (at) => `nc 127.0.0.1 ${at}   and say: double 21`,
    open,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const client of clients) client.destroy();
      await once(server, 'close');
    },
  };
}

async function open(port: number): Promise<Session> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const lines = createInterface(socket)[Symbol.asyncIterator]();
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
    close: async () => {
      socket.end();
      await once(socket.resume(), 'close');
    },
  };
}

function countTo(last: number): string {
  let lines = '';
  for (let n = 1; n <= last; n++) lines += `${n}\n`;
  return lines;
}
