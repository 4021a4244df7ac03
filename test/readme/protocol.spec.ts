import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectRaw } from '../support/raw-peer.js';

/** What each side of a transcript sent: a line of the request, or a message. */
interface Transcript {
  client: Buffer[];
  server: Buffer[];
}

/** The transcript under a heading of docs/protocol.md. */
async function transcript(heading: string): Promise<Transcript> {
  const page = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
  const [, block = ''] = new RegExp(`## ${heading}\n.*?\`\`\`\n(.*?)\n\`\`\``, 's').exec(page) ?? [];
  const sent: Transcript = { client: [], server: [] };
  for (const line of block.split('\n')) {
    const [, from, isHex, rest = ''] = /^(client|server)(?:(:)| ) ?(.*)$/.exec(line) ?? [];
    sent[from as keyof Transcript].push(isHex ? bytesOf(rest) : Buffer.from(`${rest}\r\n`));
  }
  return sent;
}

function bytesOf(text: string): Buffer {
  const hex = text
    .replace(/#.*/, '')
    .replace(/\((..) x (\d+)\)/g, (_, byte: string, times: string) => byte.repeat(Number(times)));
  return Buffer.from(hex.replace(/\s/g, ''), 'hex');
}

describe('the transcript in docs/protocol.md', () => {
  it('of version 1 is what a server pool answers to the same client, byte by byte', async () => {
    await using pool = await startServer();
    const { client, server } = await transcript('A whole connection');
    const [hello, bye, close] = client.splice(-3) as [Buffer, Buffer, Buffer];
    const raw = await connectRaw(portOf(pool));
    raw.write(...client);
    const connection = await pool.outgoingGet('00000000');
    connection.write('which?');
    raw.write(hello);
    expect(String((await once(connection, 'data'))[0])).toBe('Hello');
    await new Promise((resolve) => connection.write('x'.repeat(200), resolve));
    raw.write(bye, close);
    expect(await text(connection)).toBe('bye');
    expect((await raw.rest()).toString('latin1')).toBe(Buffer.concat(server).toString('latin1'));
  });

  it('of version 2 is what a server pool answers to the same client, but for the ID that it draws', async () => {
    await using pool = await startServer();
    const { client, server } = await transcript('Two uses of one link');
    const close = client.pop() ?? Buffer.alloc(0);
    const lastUse = client.splice(-3);
    const raw = await connectRaw(portOf(pool));
    raw.write(...client);
    const connection = await pool.outgoingGet('00000000');
    expect(connection.protocol).toBe(2);
    connection.end('which?');
    await once(connection, 'finish');
    const reused = once(pool, 'reuse') as Promise<[{ id: string }]>;
    raw.write(...lastUse);
    expect(await text(connection)).toBe('Hello');
    const [{ id }] = await reused;
    raw.write(close);
    const expected = Buffer.concat(server)
      .toString('latin1')
      .replace('\xa1\xb2\xc3\xd4', Buffer.from(id, 'hex').toString('latin1'));
    expect((await raw.rest()).toString('latin1')).toBe(expected);
    expect(pool.stats().closed).toMatchObject({ dropped: 1, violation: 0 });
  });
});
