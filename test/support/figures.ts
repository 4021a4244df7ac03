import { afterAll } from '@jest/globals';

/** Lines that a file of tests has measured: printed when all of them are over. */
export function figures(): string[] {
  const lines: string[] = [];
  afterAll(() => {
    process.stderr.write(`\n${lines.join('\n')}\n`);
  });
  return lines;
}
