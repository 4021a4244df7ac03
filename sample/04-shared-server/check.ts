import { once } from 'node:events';
import { ServerPoolService } from 'nestjs-npws';
import { WebSocket } from 'ws';
import type { Row } from '../parts/table.js';
import type { Said } from './chat.gateway.js';
import type { Site } from './site.js';

const QUESTIONS = 100;

/** Chats and asks, and tells how it went. */
export async function check({ app, url }: Site): Promise<Row[]> {
  const [one, other] = [await visit(url), await visit(url)];
  const page = await (await fetch(url, { headers: { Connection: 'close' } })).text();

  const heard = collect(other, QUESTIONS * 3);
  for (let i = 0; i < QUESTIONS; i++) {
    say(one, `hello ${i}`);
    say(one, '!time');
  }
  const lines = await heard;
  const by = (name: string): string[] => lines.filter((line) => line.by === name).map(({ text }) => text);
  const hellos = by('visitor 1').filter((text) => text.startsWith('hello'));
  const answers = by('bot').filter((text) => !Number.isNaN(Date.parse(text)));
  const reused = app.get(ServerPoolService).stats()?.reused ?? 0;

  for (const socket of [one, other]) socket.close();
  return [
    {
      what: 'the page',
      result: page.includes('<h1>Chat</h1>') ? 'ok' : page,
      ok: page.includes('<h1>Chat</h1>'),
    },
    {
      what: 'chat, in order',
      result: `${hellos.length} of ${QUESTIONS}`,
      ok: hellos.every((text, i) => text === `hello ${i}`) && hellos.length === QUESTIONS,
    },
    {
      what: 'answers of the bot',
      result: `${answers.length} of ${QUESTIONS}`,
      ok: answers.length === QUESTIONS,
    },
    { what: 'connections served again', result: `${reused} times`, ok: reused > 0 },
  ];
}

async function visit(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/chat`);
  await once(socket, 'open');
  return socket;
}

function say(visitor: WebSocket, text: string): void {
  visitor.send(JSON.stringify({ event: 'say', data: text }));
}

/** The next lines that a visitor hears. */
function collect(visitor: WebSocket, count: number): Promise<Said['data'][]> {
  const lines: Said['data'][] = [];
  return new Promise((resolve) => {
    visitor.on('message', (message: Buffer) => {
      lines.push((JSON.parse(message.toString()) as Said).data);
      if (lines.length === count) resolve(lines);
    });
  });
}
