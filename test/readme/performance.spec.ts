import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import type { Report } from '../bench/report.js';
import { summaryOf } from '../bench/summary.js';

const ROOT = new URL('../../', import.meta.url);

it("the guide's table is that of the committed report", async () => {
  const page = await readFile(new URL('docs/performance.md', ROOT), 'utf8');
  const report = JSON.parse(await readFile(new URL('reports/bench.json', ROOT), 'utf8')) as Report;
  const [, shown] = /<!-- npm run bench [^\n]*-->\n\n(.*?)\n\n<!-- end -->/s.exec(page) ?? [];
  expect(shown).toBe(summaryOf(report));
});
