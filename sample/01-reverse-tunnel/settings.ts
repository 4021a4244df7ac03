/** Reads a whole number from the environment; `fallback` when it is not set. */
export function numberFrom(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`${name}: expected a whole number, got '${text}'`);
  return value;
}

/** Where a process of this sample can be reached; told to whoever started it. */
export type Ready = Readonly<Record<string, string | number>>;

/** Tells the process that started this one, if any, that all is up, and stops when that one is gone. */
export function announce(ready: Ready, stop: () => Promise<void>): void {
  if (!process.send) return;
  process.send(ready);
  process.once('disconnect', () => {
    void stop().finally(() => process.exit());
  });
}
