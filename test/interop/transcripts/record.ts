import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { PeerProgram } from '../driver.js';
import { formatTranscript, type Transcript, type Turn } from './transcript.js';

// Records the transcripts beside this file anew, from the program that INTEROP_PEER names: see ../README.md.

/** Relays while `use` runs, and returns the turns of each connection. */
async function record(target: number, use: (port: number) => Promise<void>): Promise<Turn[][]> {
  const recorded: Turn[][] = [];
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    const turns: Turn[] = [];
    recorded.push(turns);
    const keep = (from: Turn['from'], bytes: Buffer): void => {
      const last = turns.at(-1);
      if (last?.from === from) last.bytes = Buffer.concat([last.bytes, bytes]);
      else turns.push({ from, bytes });
    };
    near.on('data', (bytes: Buffer) => {
      keep('>', bytes);
    });
    far.on('data', (bytes: Buffer) => {
      keep('<', bytes);
    });
    for (const socket of [near, far]) socket.on('error', () => undefined);
    sockets.push(near, far);
    near.pipe(far);
    far.pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await use((server.address() as AddressInfo).port);
  // After a refusal Go keeps the connection for its next request.
  for (const socket of sockets) socket.destroy();
  server.close();
  return recorded;
}

const ONCE = { tls: '0', capacity: 1, interval: 3_600_000 } as const;

await using peer = await PeerProgram.start();
const { name, library, go } = await peer.hello();
const whose = `Both ends are ${name} (${library}, ${go ?? ''}), on plain ws. > client, < server.`;

async function save(file: string, title: string, turns: Turn[] | undefined): Promise<void> {
  const transcript: Transcript = { title: `${title}\n${whose}`, turns: turns ?? [] };
  await writeFile(join(import.meta.dirname, `${file}.txt`), formatTranscript(transcript));
}

async function recordTalk(closer: 'client' | 'server'): Promise<Turn[] | undefined> {
  const server = await peer.server({ capacity: 4 });
  const recorded = await record(server.port, async (port) => {
    const client = await peer.client({ ...ONCE, address: `127.0.0.1:${port}` });
    const atServer = await server.incomingGet();
    await atServer.say('written right behind the ID');
    const atClient = await client.outgoingGet(atServer.id);
    await atClient.say('from the client');
    await atClient.say(`a longer message ${'.'.repeat(200)}`);
    await atServer.read(232);
    await atServer.say('from the server');
    await atClient.read(42);
    const [first, second] = closer === 'client' ? [atClient, atServer] : [atServer, atClient];
    await Promise.all([first.end(), second.read()]);
    await client.close();
  });
  await server.close();
  return recorded[0];
}

await save('client-closes', 'The control connection. The client closes.', await recordTalk('client'));
await save('server-closes', 'The control connection. The server closes.', await recordTalk('server'));

const strict = await peer.server({ capacity: 1, clientIP: '192.0.2.1' });
const [refused] = await record(strict.port, async (port) => {
  const client = await peer.client({ ...ONCE, address: `127.0.0.1:${port}` });
  await client.untilActive({ atMost: 0 });
  await client.incomingGet(500).catch(() => undefined);
  await client.close();
});
await save('forbidden', 'The server takes clients of another address only.', refused);

const full = await peer.server({ capacity: 1 });
const first = await peer.client({ ...ONCE, address: `127.0.0.1:${full.port}` });
await full.untilActive({ atLeast: 1 });
const [turnedAway] = await record(full.port, async (port) => {
  const client = await peer.client({ ...ONCE, address: `127.0.0.1:${port}` });
  await client.incomingGet(500).catch(() => undefined);
  await client.close();
});
await first.close();
await save('full', 'The server is full.', turnedAway);
