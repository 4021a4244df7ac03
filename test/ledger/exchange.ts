import type { PoolConnection } from 'nestjs-npws';
import { type Heading, headingBytes, LetterReader, messagesOf } from './letter.js';

/** What came of one end of a stream. */
export interface Account {
  /** How many messages it has read, as they were written. */
  readonly messages: number;
  readonly bytes: number;
  /** Whether it has read its peer's letter to a clean end. */
  readonly isComplete: boolean;
  /** The code of the error that it ended with. */
  readonly error: string | null;
  /** What must not be. */
  readonly problem: string | null;
}

/** How long a stream may take, in milliseconds. */
const PATIENCE = 30_000;

/** Letters that have been read in this process: none may come twice. */
const seen = new Set<string>();

/** One end of a stream: writes a letter, reads the peer's, and settles when it is closed. */
export class Exchange {
  readonly settled: Promise<Account>;
  readonly #reader = new LetterReader();
  #problem: string | null = null;
  #error: string | null = null;
  #hasEnd = false;
  #hasSaidAll = false;

  /** `opens` says what it writes first; who has none answers what it reads. */
  constructor(
    readonly connection: PoolConnection,
    private readonly opens: Heading | null,
    private readonly headingOf: (asked: Heading) => Heading,
    patience = PATIENCE,
  ) {
    connection.on('data', (bytes: Buffer) => {
      this.#read(bytes);
    });
    connection.on('end', () => {
      this.#hasEnd = true;
      if (!this.#reader.isComplete) this.#breakOff(`a clean end ${this.#where()}`);
      // Under protocol 1 nothing more can be said.
      if (connection.protocol === 1) connection.end();
    });
    connection.on('error', (error: Error & { code?: string }) => (this.#error ??= error.code ?? error.name));
    const impatience = setTimeout(() => {
      this.#breakOff(`neither an end nor an error in ${patience} ms, ${this.#where()}`);
    }, patience);
    this.settled = new Promise((resolve) => {
      connection.once('close', () => {
        clearTimeout(impatience);
        resolve(this.#account());
      });
    });
    if (opens) void this.#write(opens);
  }

  #read(bytes: Buffer): void {
    const reader = this.#reader;
    const wasAsked = reader.heading !== null;
    const wasComplete = reader.isComplete;
    const problem = reader.read(bytes);
    if (problem) {
      this.#breakOff(problem);
      return;
    }
    const { heading } = reader;
    if (!heading) return;
    if (!wasAsked) this.#know(heading);
    const isNow = heading.atOnce ? !wasAsked : reader.isComplete && !wasComplete;
    if (!this.opens && isNow) void this.#write(this.headingOf(heading));
    else if (reader.isComplete && !wasComplete) this.#endIfAllIsSaid();
  }

  #know(heading: Heading): void {
    const letter = nameOf(heading);
    if (seen.has(letter)) this.#blame(`letter ${letter} came twice`);
    seen.add(letter);
    const [asked, answered] = [this.opens && nameOf(this.opens), heading.answers && nameOf(heading.answers)];
    if (asked !== answered)
      this.#breakOff(`letter ${letter} answers ${answered ?? 'none'}, ${asked ?? 'none'} was asked`);
    else if (this.opens && heading.messages !== this.opens.answer)
      this.#breakOff(
        `letter ${letter} has ${heading.messages} messages, ${this.opens.answer} were asked for`,
      );
  }

  async #write(heading: Heading): Promise<void> {
    const { connection } = this;
    connection.write(headingBytes(heading));
    for (const message of messagesOf(heading)) {
      if (connection.destroyed || connection.writableEnded) return;
      if (!connection.write(message)) await drained(connection);
    }
    this.#hasSaidAll = true;
    // Protocol 2 lets each end say when it has said all; under protocol 1 the end of one is that of both.
    if (connection.protocol === 2 && heading.seed % 2 === 0) connection.end();
    else this.#endIfAllIsSaid();
  }

  #endIfAllIsSaid(): void {
    if (!this.#hasSaidAll || !this.#reader.isComplete) return;
    // Under protocol 1 the answering end closes, when it has read all.
    if (this.connection.protocol === 2 || !this.opens) this.connection.end();
  }

  #blame(problem: string): void {
    const { id, protocol } = this.connection;
    this.#problem ??= `${problem} (${id}, protocol ${protocol}, ${this.opens ? 'opening' : 'answering'} end, ${this.#error ?? 'no error'})`;
  }

  #breakOff(problem: string): void {
    this.#blame(problem);
    this.connection.destroy();
  }

  #where(): string {
    const { heading, messages } = this.#reader;
    return heading ? `behind ${messages} of ${heading.messages} messages` : 'before the heading';
  }

  #account(): Account {
    if (!this.#hasEnd && !this.#error) this.#blame('closed with neither an end nor an error');
    const { messages, isComplete } = this.#reader;
    const { bytesRead: bytes } = this.connection;
    const isWhole = isComplete && this.#hasEnd && !this.#error;
    return { messages, bytes, isComplete: isWhole, error: this.#error, problem: this.#problem };
  }
}

/** Names a letter among all that there are. */
function nameOf({ writer, number }: Pick<Heading, 'writer' | 'number'>): string {
  return `${writer}:${number}`;
}

function drained(connection: PoolConnection): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      connection.off('drain', go);
      connection.off('close', go);
      resolve();
    };
    connection.on('drain', go);
    connection.on('close', go);
  });
}
