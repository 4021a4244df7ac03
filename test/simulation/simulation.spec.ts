import { describe, expect, it } from '@jest/globals';
import { Dice } from '../support/dice.js';
import { blankTally, historyOf, play } from './history.js';

/** The whole simulation is `npm run test:simulation`. */
const HISTORIES = Number(process.env['HISTORIES'] ?? 1_500);

describe('a client pool and a server pool, whatever network and applications do', () => {
  it('keep their invariants, bring each ID to both ends of one connection, and come to rest', async () => {
    const tally = blankTally();
    for (let index = 0; index < HISTORIES; index++) {
      const seed = Dice.seedOf(10, index);
      await play(historyOf(seed), tally).catch((error: unknown) => {
        throw new Error(`history of seed ${seed}: ${(error as Error).message}`);
      });
    }
    expect(Object.entries(tally).filter(([, count]) => count === 0)).toEqual([]);
  }, 120_000);
});
