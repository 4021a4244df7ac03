import type { Report } from './report.js';
import { figure, ratio } from './table.js';

/** The rows that docs/performance.md shows, in its order. */
const SHOWN = [
  'stream-64k-up',
  'stream-64k-up-cpu',
  'stream-64k-down',
  'stream-64k-down-cpu',
  'stream-16k-up',
  'stream-16k-down',
  'stream-1k-up',
  'stream-1k-down',
  'stream-8x64k',
  'tunnel-http-1k',
  'tunnel-http-1k-p99',
  'tunnel-http-1m',
  'tunnel-http-1m-p99',
  'rtt-1b',
  'rtt-1k',
  'fill',
  'fill-cpu',
  'take-1000',
  'take-by-id-1000',
  'take-100000',
  'wait',
  'idle-memory',
  'churn',
];

/** What docs/performance.md shows of a report: a line for each row that users choose by, in Markdown. Throws where one is missing. */
export function summaryOf({ machine, rows }: Report, names: readonly string[] = SHOWN): string {
  const lacking = names.filter((name) => !rows.some((row) => row.name === name));
  if (lacking.length > 0) throw new Error(`the report has no ${lacking.join(', ')}`);
  const shown = names.flatMap((name) => rows.filter((row) => row.name === name));
  const lines = shown.map(({ name, work, unit, better, ours, ratios }) => {
    const beside = Object.entries(ratios).map(([peer, value]) => `${ratio(value)} × ${peer}`);
    const what = better === 'less' ? `${unit}, less is better` : unit;
    return `| \`${name}\` | ${work} | ${figure(ours)} ${what} | ${beside.join(' · ')} |`;
  });
  return [
    `Node ${machine['node'] ?? '?'}, OpenSSL ${machine['openssl'] ?? '?'}, ${machine['cpus'] ?? '?'}; medians of ${shown[0]?.runs ?? 0} runs:`,
    '',
    '| row | work | nestjs-npws | beside others |',
    '|---|---|---|---|',
    ...lines,
  ].join('\n');
}
