import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import type { Report } from '../bench/report.js';
import { summaryOf } from '../bench/summary.js';

const ROOT = new URL('../../', import.meta.url);

it("README's table is that of the committed report", async () => {
  const readme = await readFile(new URL('README.md', ROOT), 'utf8');
  const report = JSON.parse(await readFile(new URL('reports/bench.json', ROOT), 'utf8')) as Report;
  const [, shown] = /<!-- npm run bench [^\n]*-->\n\n(.*?)\n\n<!-- end -->/s.exec(readme) ?? [];
  expect(shown).toBe(summaryOf(report));
});
