/** Chooses one of those that can be asked; undefined when there is none. */
export type Strategy = <T extends Choice>(choices: readonly T[]) => T | undefined;

/** What a strategy may know of a server. */
export interface Choice {
  /** How busy it is, relative to its size. */
  readonly load: number;
}

/** Each in its turn: the one whose last turn is longest ago. Who is left out for a while owes nothing and is owed nothing. */
export function roundRobin(): Strategy {
  const turns = new WeakMap<Choice, number>();
  let turn = 0;
  return (choices) => {
    const [next] = choices.toSorted((one, other) => (turns.get(one) ?? 0) - (turns.get(other) ?? 0));
    if (next) turns.set(next, ++turn);
    return next;
  };
}

/** The least busy one; of several each in its turn. */
export function leastUsed(): Strategy {
  const inTurn = roundRobin();
  return (choices) => {
    const least = Math.min(...choices.map(({ load }) => load));
    return inTurn(choices.filter(({ load }) => load === least));
  };
}
