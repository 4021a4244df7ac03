/** One thing that a check looked at. */
export interface Row {
  readonly what: string;
  readonly result: string;
  readonly ok: boolean;
}

/** Prints the rows of a check, and makes the process fail when one is not as it should be. */
export function conclude(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(({ what }) => what.length));
  for (const { what, result, ok } of rows) console.log(`${ok ? '✓' : '✗'} ${what.padEnd(width)}  ${result}`);
  if (!rows.every(({ ok }) => ok)) process.exitCode = 1;
}
