import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { portOf, startServer } from '../support/raw-joined.js';
import { connectRaw } from '../support/raw-peer.js';

interface Part {
  from: 'client' | 'server';
  bytes: Buffer;
}

/** The transcript of docs/protocol.md, as parts that one side sent. */
async function transcript(): Promise<Part[]> {
  const page = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
  const [, block = ''] = /## A whole connection.*?```\n(.*?)\n```/s.exec(page) ?? [];
  return block.split('\n').map((line): Part => {
    const [, from = '', isHex, rest = ''] = /^(client|server)(?:(:)| ) ?(.*)$/.exec(line) ?? [];
    const bytes = isHex ? bytesOf(rest) : Buffer.from(`${rest}\r\n`);
    return { from: from as Part['from'], bytes };
  });
}

function bytesOf(text: string): Buffer {
  const hex = text
    .replace(/#.*/, '')
    .replace(/\((..) x (\d+)\)/g, (_, byte: string, times: string) => byte.repeat(Number(times)));
  return Buffer.from(hex.replace(/\s/g, ''), 'hex');
}

describe('the transcript in docs/protocol.md', () => {
  it('is what a server pool answers to the same client, byte by byte', async () => {
    await using pool = await startServer();
    const parts = await transcript();
    const sentBy = (side: Part['from']): Buffer[] =>
      parts.filter(({ from }) => from === side).map(({ bytes }) => bytes);
    const [close, bye, hello, ...request] = sentBy('client').reverse() as [
      Buffer,
      Buffer,
      Buffer,
      ...Buffer[],
    ];
    const raw = await connectRaw(portOf(pool));
    raw.write(...request.reverse());
    const connection = await pool.outgoingGet('00000000');
    connection.write('which?');
    raw.write(hello);
    expect(String((await once(connection, 'data'))[0])).toBe('Hello');
    await new Promise((resolve) => connection.write('x'.repeat(200), resolve));
    raw.write(bye, close);
    expect(await text(connection)).toBe('bye');
    const answered = await raw.rest();
    expect(answered.toString('latin1')).toBe(Buffer.concat(sentBy('server')).toString('latin1'));
  });
});
