import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { createPair, type Pair, takeBoth } from '../support/pair.js';
import { answer, answerOf, ask, questionOf, type Topic } from './talk.js';

// What the soak would find in a use: an end of it at one pool, and a peer that does what must not be.

const TOPIC: Topic = { start: 7, question: 3_000, answer: 4_000 };

describe.each([1, 2] as const)('a talk under protocol %s', (protocol) => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await createPair({ client: { protocol } });
  });

  afterAll(async () => {
    await pair[Symbol.asyncDispose]();
  });

  /** What the asking end has to say of a peer that does this. */
  async function problemOf(
    peer: (connection: PoolConnection) => unknown,
    patience?: number,
  ): Promise<string | null> {
    const { atServer, atClient } = await takeBoth(pair);
    const asked = ask(atClient, TOPIC, patience);
    atServer.resume();
    peer(atServer);
    const problem = await asked;
    atServer.destroy();
    return problem;
  }

  it('is whole at both ends', async () => {
    const { atServer, atClient } = await takeBoth(pair);
    expect(await Promise.all([ask(atServer, TOPIC), answer(atClient)])).toEqual([null, null]);
  });

  it('has a problem at the answering end when the question is cut short', async () => {
    const { atServer, atClient } = await takeBoth(pair);
    const answered = answer(atClient);
    atServer.resume();
    atServer.end(questionOf(TOPIC).subarray(0, -1));
    expect(await answered).toMatch(/^other bytes .* \(3011 of 3012 bytes/);
  });

  it.each<[string, Buffer, RegExp]>([
    ['all is lost', Buffer.alloc(0), /^other bytes .* \(0 of 4000/],
    ['the last byte is lost', answerOf(TOPIC).subarray(0, -1), /^other bytes .* \(3999 of 4000/],
    ['a byte is another', Buffer.concat([answerOf(TOPIC).subarray(1), Buffer.alloc(1)]), /^other bytes/],
    ['a byte is too many', Buffer.concat([answerOf(TOPIC), Buffer.alloc(1)]), /^other bytes .* \(4001 of/],
  ])('has a problem when %s', async (_, said, problem) => {
    expect(await problemOf((connection) => connection.end(said))).toMatch(problem);
  });

  it('has a problem when it is cut', async () => {
    const cut = (connection: PoolConnection): unknown =>
      connection.write(answerOf(TOPIC).subarray(0, 9), () => connection.destroy());
    expect(await problemOf(cut)).toMatch(/^ERR_NPWS_TRUNCATED/);
  });

  it('has a problem when nothing comes', async () => {
    expect(await problemOf(() => undefined, 100)).toMatch(
      /^neither an end nor an error in 100 ms \(0 of 4000/,
    );
  });
});
