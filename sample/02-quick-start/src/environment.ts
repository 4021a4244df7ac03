/** What this application reads from its environment. */
export interface Environment {
  /** Where HTTP and WebSocket clients go. 0 takes a free port. */
  readonly PORT: number;
  /** Where the server pool listens and the client pool dials. */
  readonly POOL_PORT: number;
  /** The bounds of how many connections are kept idle. */
  readonly POOL_MIN: number;
  readonly POOL_MAX: number;
  /** How long a request may wait for a connection, in milliseconds. */
  readonly POOL_TIMEOUT: number;
}

/** For each variable its default, its least and its greatest value. */
const RULES: Readonly<Record<keyof Environment, readonly [fallback: number, min: number, max: number]>> = {
  PORT: [3000, 0, 65_535],
  POOL_PORT: [8443, 1, 65_535],
  POOL_MIN: [2, 1, 1_000],
  POOL_MAX: [10, 1, 1_000],
  POOL_TIMEOUT: [2_000, 1, 60_000],
};

/** For ConfigModule: checks the environment and fills in defaults. Throws one error with every problem. */
export function validate(given: Record<string, unknown>): Environment {
  const problems: string[] = [];
  const read = (name: keyof Environment): number => {
    const [fallback, min, max] = RULES[name];
    const text = given[name];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    problems.push(`${name}: expected a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
    return fallback;
  };
  const environment: Environment = {
    PORT: read('PORT'),
    POOL_PORT: read('POOL_PORT'),
    POOL_MIN: read('POOL_MIN'),
    POOL_MAX: read('POOL_MAX'),
    POOL_TIMEOUT: read('POOL_TIMEOUT'),
  };
  if (environment.POOL_MIN > environment.POOL_MAX) {
    problems.push(
      `POOL_MIN: expected at most POOL_MAX (${environment.POOL_MAX}), got ${environment.POOL_MIN}`,
    );
  }
  if (problems.length > 0) throw new Error(`the environment is not right:\n  - ${problems.join('\n  - ')}`);
  return environment;
}
