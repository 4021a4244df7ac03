/** Reads a whole number from the environment; `fallback` when it is not set. */
export function numberFrom(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`${name}: expected a whole number, got '${text}'`);
  return value;
}
