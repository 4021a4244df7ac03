import { blankTally, type Deed, type History, play, type Tally } from './history.js';

/** What went wrong in a history, or null. */
export async function failureOf(history: History, tally: Tally = blankTally()): Promise<string | null> {
  let isUncaught!: (error: Error) => void;
  // What is thrown into nobody's hands ends the history, too.
  const uncaught = new Promise<never>((_, reject) => (isUncaught = reject));
  process.on('uncaughtException', isUncaught);
  try {
    await Promise.race([play(history, tally), uncaught]);
    return null;
  } catch (error) {
    return (error as Error).message;
  } finally {
    process.off('uncaughtException', isUncaught);
  }
}

/** What kind of problem it is: numbers, names and the deed it came behind are those of one history. */
const kindOf = (problem: string): string =>
  problem.replace(/ \(behind .*/, '').replace(/[0-9a-f]{8}|\d+/g, '#');

/** The fewest deeds of a history that still fail in the same way, as far as leaving some out goes. */
export async function shrink({ seed, deeds }: History, problem: string): Promise<readonly Deed[]> {
  let left = deeds;
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < left.length;) {
      const fewer = [...left.slice(0, at), ...left.slice(at + size)];
      const still = await failureOf({ seed, deeds: fewer });
      if (still !== null && kindOf(still) === kindOf(problem)) left = fewer;
      else at += size;
    }
  }
  return left;
}
