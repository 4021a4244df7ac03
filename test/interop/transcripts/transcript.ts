import { type Frame, parseFrame } from '../../support/raw-frames.js';

/** Who sent it: '>' the client, '<' the server. */
export type Direction = '>' | '<';

/** What went one way before anything went the other. */
export interface Turn {
  from: Direction;
  bytes: Buffer;
}

/** What was recorded of one TCP connection. */
export interface Transcript {
  /** What was recorded, and of whom. */
  title: string;
  turns: Turn[];
}

const WIDTH = 24;

/** A transcript as text: hex and, behind a bar, what of it is ASCII. */
export function formatTranscript({ title, turns }: Transcript): string {
  const lines = [...title.split('\n').map((line) => `# ${line}`)];
  for (const { from, bytes } of turns) {
    lines.push('', `${from} ${bytes.length} bytes`);
    for (let at = 0; at < bytes.length; at += WIDTH) {
      const row = bytes.subarray(at, at + WIDTH);
      const hex = row.toString('hex').replace(/..(?!$)/g, '$& ');
      lines.push(`  ${hex.padEnd(3 * WIDTH - 1)} |${row.toString('latin1').replace(/[^ -~]/g, '.')}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

export function parseTranscript(text: string): Transcript {
  const title: string[] = [];
  const turns: Turn[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('# ')) title.push(line.slice(2));
    else if (line.startsWith('>') || line.startsWith('<')) {
      turns.push({ from: line[0] as Direction, bytes: Buffer.alloc(0) });
    } else {
      const turn = turns.at(-1);
      const [hex = ''] = line.split('|', 1);
      if (turn) turn.bytes = Buffer.concat([turn.bytes, Buffer.from(hex.replaceAll(' ', ''), 'hex')]);
    }
  }
  return { title: title.join('\n'), turns };
}

/** A turn without the head of a request or an answer. */
export function framesOf({ bytes }: Turn): Frame[] {
  const end = bytes.indexOf('\r\n\r\n');
  const frames: Frame[] = [];
  let at = bytes
    .subarray(0, 4)
    .toString('latin1')
    .match(/^(GET |HTTP)/)
    ? end + 4
    : 0;
  for (let frame = parseFrame(bytes.subarray(at)); frame; frame = parseFrame(bytes.subarray(at))) {
    frames.push(frame);
    at += frame.size;
  }
  return frames;
}

/** The head of a request or an answer: up to its blank line. */
export function headOf({ bytes }: Turn): string {
  return bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4).toString('latin1');
}
