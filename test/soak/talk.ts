import type { PoolConnection } from 'nestjs-npws';
import { bytesOf } from '../support/raw-bytes.js';

// A use of the soak: one end asks, the other answers, a few KiB each; both know each byte that must come, and end.

/** What a talk is about: each end knows by it what the other says. */
export interface Topic {
  /** Where its bytes begin in the supply. */
  readonly start: number;
  /** Bytes asked, and answered. */
  readonly question: number;
  readonly answer: number;
}

/** The most bytes that one end says. */
export const LONGEST = 4 * 1024;

/** How many starts there are. */
export const STARTS = 1 << 20;

/** What is said is cut out of these: making it each time would take longer than sending it. */
const SUPPLY = bytesOf(STARTS + 2 * LONGEST, 18);

const HEADING = 12;

/** How long a talk may take, in milliseconds. */
const PATIENCE = 30_000;

/** What one end hears of the other. */
interface Hearing {
  /** All that must come, as far as it is known by what has come. */
  expected(heard: Buffer): Buffer | null;
  /** All of it has come. */
  whole(heard: Buffer): void;
}

/** Asks, reads the answer, and ends. Resolves when the connection is closed: to what was wrong, or null. */
export function ask(connection: PoolConnection, topic: Topic, patience?: number): Promise<string | null> {
  const isHalf = connection.protocol === 2;
  const said = questionOf(topic);
  if (isHalf) connection.end(said);
  else connection.write(said);
  return hear(
    connection,
    {
      expected: () => answerOf(topic),
      whole: () => {
        // Protocol 1 knows no half-close: who has read all ends it.
        if (!isHalf) connection.end();
      },
    },
    patience,
  );
}

/** Reads the question, answers it, and ends. Resolves when the connection is closed: to what was wrong, or null. */
export function answer(connection: PoolConnection, patience?: number): Promise<string | null> {
  return hear(
    connection,
    {
      expected: (heard) => (heard.length < HEADING ? null : questionOf(topicOf(heard))),
      whole: (heard) => {
        const said = answerOf(topicOf(heard));
        if (connection.protocol === 2) connection.end(said);
        else connection.write(said);
      },
    },
    patience,
  );
}

/** A heading and what follows from it. */
export function questionOf({ start, question, answer: length }: Topic): Buffer {
  const heading = Buffer.alloc(HEADING);
  for (const [index, field] of [start, question, length].entries()) heading.writeUInt32BE(field, index * 4);
  return Buffer.concat([heading, SUPPLY.subarray(start, start + question)]);
}

/** Other bytes than those of the question. */
export function answerOf({ start, question, answer: length }: Topic): Buffer {
  return SUPPLY.subarray(start + question, start + question + length);
}

function topicOf(heard: Buffer): Topic {
  const [start, question, length] = [0, 4, 8].map((at) => heard.readUInt32BE(at)) as [number, number, number];
  return { start, question, answer: length };
}

function hear(connection: PoolConnection, hearing: Hearing, patience = PATIENCE): Promise<string | null> {
  let heard: Buffer = Buffer.alloc(0);
  let isWhole = false;
  let hasEnd = false;
  let problem: string | null = null;
  connection.on('data', (bytes: Buffer) => {
    heard = Buffer.concat([heard, bytes]);
    const all = hearing.expected(heard);
    if (isWhole || !all || heard.length < all.length) return;
    isWhole = true;
    hearing.whole(heard);
  });
  connection.once('end', () => {
    hasEnd = true;
    connection.end();
  });
  connection.once('error', (error: Error & { code?: string }) => (problem ??= error.code ?? error.message));
  const impatience = setTimeout(() => {
    problem ??= `neither an end nor an error in ${patience} ms`;
    connection.destroy();
  }, patience);
  return new Promise((resolve) => {
    connection.once('close', () => {
      clearTimeout(impatience);
      const all = hearing.expected(heard);
      if (!hasEnd) problem ??= 'closed with neither an end nor an error';
      if (!all?.equals(heard)) problem ??= 'other bytes than those that were written';
      const where = `${heard.length} of ${all?.length ?? 'unknown'} bytes`;
      resolve(problem && `${problem} (${where}, ${connection.id}, protocol ${connection.protocol})`);
    });
  });
}
