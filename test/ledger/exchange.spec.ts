import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { createPair, type Pair, takeBoth } from '../support/pair.js';
import { type Account, Exchange } from './exchange.js';
import { type Heading, headingBytes, messagesOf } from './letter.js';

// What the ledger would find: an end of it at a client, and a peer that does what no pool may let come about.

let pair: Pair;
let letters = 0;

beforeAll(async () => {
  pair = await createPair();
});

afterAll(async () => {
  await pair[Symbol.asyncDispose]();
});

function heading(fields: Partial<Heading> = {}): Heading {
  return {
    writer: 0,
    number: letters++,
    seed: 2,
    messages: 20,
    answer: 3,
    atOnce: false,
    answers: null,
    ...fields,
  };
}

/** What an end has to say of a peer that does this: an answering one, or one that opens with a letter. */
async function accountOf(
  peer: (connection: PoolConnection) => Promise<unknown> | undefined,
  { opens = null, patience }: { opens?: Heading | null; patience?: number } = {},
): Promise<Account> {
  const { atServer, atClient } = await takeBoth(pair);
  const answer = (asked: Heading): Heading => heading({ messages: asked.answer, answers: asked });
  const { settled } = new Exchange(atClient, opens, answer, patience);
  atServer.resume();
  const [account] = await Promise.all([settled, peer(atServer)]);
  atServer.destroy();
  return account;
}

/** Says these messages of a letter, and ends. */
function say(letter: Heading, messages: readonly Buffer[]) {
  return (connection: PoolConnection) => {
    connection.end(Buffer.concat([headingBytes(letter), ...messages]));
    return new Promise((resolve) => connection.once('close', resolve));
  };
}

describe('an end of the ledger', () => {
  it('has no problem with a letter that comes whole, and answers it', async () => {
    const letter = heading();
    expect(await accountOf(say(letter, [...messagesOf(letter)]))).toMatchObject({
      messages: 20,
      isComplete: true,
      error: null,
      problem: null,
    });
  });

  it('has no problem with an error behind an exact part', async () => {
    const letter = heading();
    const cut = (connection: PoolConnection): undefined => {
      connection.write(Buffer.concat([headingBytes(letter), ...[...messagesOf(letter)].slice(0, 5)]), () =>
        connection.destroy(),
      );
    };
    expect(await accountOf(cut)).toMatchObject({
      isComplete: false,
      error: 'ERR_NPWS_TRUNCATED',
      problem: null,
    });
  });

  it.each<[string, (all: Buffer[]) => Buffer[], RegExp]>([
    ['a message is lost', (all) => all.filter((_, index) => index !== 7), /^message 7 of 20 is not/],
    [
      'a message comes twice',
      (all) => all.flatMap((one, index) => (index === 6 ? [one, one] : one)),
      /^message 7 of 20/,
    ],
    [
      'messages change places',
      (all) => [...all.slice(0, 7), ...all.slice(8), ...all.slice(7, 8)],
      /^message 7 of 20/,
    ],
    [
      'a byte is lost',
      (all) => all.map((one, index) => (index === 9 ? one.subarray(1) : one)),
      /^message 9 of 20/,
    ],
    ['the last message is lost', (all) => all.slice(0, -1), /^a clean end behind 19 of 20 messages/],
    ['all is lost', () => [], /^a clean end behind 0 of 20 messages/],
    ['more comes than was written', (all) => [...all, Buffer.alloc(3)], /^3 bytes came behind its 20/],
  ])('finds that %s', async (_, change, problem) => {
    const letter = heading();
    const messages = change([...messagesOf(letter)]);
    expect((await accountOf(say(letter, messages))).problem).toMatch(problem);
  });

  it('finds that a letter comes twice, on whatever connection', async () => {
    const letter = heading();
    const messages = [...messagesOf(letter)];
    expect((await accountOf(say(letter, messages))).problem).toBeNull();
    expect((await accountOf(say(letter, messages))).problem).toMatch(/^letter 0:\d+ came twice/);
  });

  it.each<[string, (asked: Heading) => Partial<Heading>, RegExp | null]>([
    ['has no problem with the answer', (asked) => ({ answers: asked }), null],
    [
      'finds that an answer is another one’s',
      () => ({ answers: heading() }),
      /^letter \S+ answers 0:\d+, 0:\d+ was/,
    ],
    ['finds that a letter of another use comes', () => ({}), /^letter \S+ answers none, 0:\d+ was asked/],
    [
      'finds that an answer is too short',
      (asked) => ({ answers: asked, messages: 2 }),
      /^letter .* 2 messages, 3/,
    ],
  ])('that opens %s', async (_, fields, problem) => {
    const opens = heading();
    const answer = heading({ messages: 3, ...fields(opens) });
    const found = (await accountOf(say(answer, [...messagesOf(answer)]), { opens })).problem;
    if (problem) expect(found).toMatch(problem);
    else expect(found).toBeNull();
  });

  it('that answers finds that an answer comes', async () => {
    const answer = heading({ answers: heading() });
    expect((await accountOf(say(answer, []))).problem).toMatch(/^letter \S+ answers 0:\d+, none was asked/);
  });

  it('finds that nothing more comes, neither an end nor an error', async () => {
    const fallSilent = (connection: PoolConnection): undefined => {
      connection.write(headingBytes(heading()));
    };
    expect((await accountOf(fallSilent, { patience: 100 })).problem).toMatch(
      /^neither an end nor an error in 100 ms, behind 0 of 20/,
    );
  });
});
