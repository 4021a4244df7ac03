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

/** The fewest deeds of a history that still fail, as far as leaving some out goes. */
export async function shrink({ seed, deeds }: History): Promise<readonly Deed[]> {
  let left = deeds;
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < left.length;) {
      const fewer = [...left.slice(0, at), ...left.slice(at + size)];
      if ((await failureOf({ seed, deeds: fewer })) !== null) left = fewer;
      else at += size;
    }
  }
  return left;
}
