import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { obstacleToPeer } from '../interop/driver.js';
import { partOf } from '../support/turn.js';
import { buildEnds } from './build.js';
import { type Bench, type Contest, type Figures, figuresOf, type Samples, takeTurns } from './contest.js';
import { Credentials } from './credentials.js';
import { profileOf } from './profile.js';
import { reportOf } from './report.js';
import { CONTESTS } from './rows/index.js';
import { tableOf } from './table.js';

// npm run bench [-- --only ROW] [--part] [--quick] [--json FILE] [--profile ROW]: this package beside what a user could take
// instead, on the same work. Compare ratios, not times: machines differ.

const RUNS = 5;

/** How many parts there are. */
const PARTS = 3;

const USAGE = `npm run bench -- [options]
  --only ROW      this row, or all whose names begin so ('stream', 'stream-64k'); may be given again
  --part          a third of the rows, whichever is the commit's turn
  --quick         each row once, with less work: a look, not a measurement
  --json FILE     writes the figures to a file too
  --profile ROW   writes CPU profiles of our own processes in one run of this row, and prints what weighs most`;

const { only, part, quick, json, profile } = readArguments();

/** Clears the progress line, where there is one. */
const CLEAR = process.stderr.isTTY ? '\r\x1b[K' : '';

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        part: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help) return values;
    console.log(USAGE);
    process.exit();
  } catch (error) {
    fail((error as Error).message);
  }
}

function fail(what: string): never {
  console.error(`${what}\n\n${USAGE}\n\nrows: ${CONTESTS.map(({ name }) => name).join(' ')}`);
  process.exit(2);
}

/** The contests of this name, or all whose names begin so. */
function named(name: string): readonly Contest[] {
  const found = CONTESTS.filter((contest) => contest.name === name || contest.name.startsWith(`${name}-`));
  return found.length > 0 ? found : fail(`no row is called '${name}'`);
}

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(CLEAR + text.slice(0, process.stderr.columns - 1));
};

async function compare(contest: Contest): Promise<Figures[]> {
  const began = performance.now();
  const figures = figuresOf(contest, await measure(contest));
  process.stderr.write(CLEAR);
  const seconds = (performance.now() - began) / 1000;
  console.log(`${tableOf(figures)}\n  (${seconds.toFixed(0)} s)\n`);
  return figures;
}

function measure(contest: Contest): Promise<Samples> {
  const { name, warmUp } = contest;
  const sides = contest.sides(bench);
  return takeTurns({ sides, warmUp }, quick ? 1 : RUNS, (text) => {
    progress(`${name}: ${text}`);
  });
}

const machine = {
  node: process.version,
  openssl: process.versions.openssl,
  cpus: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
  platform: `${process.platform} ${process.arch}`,
};

await buildEnds();
await using credentials = await Credentials.create();
const obstacle = obstacleToPeer();
const bench: Bench = {
  amount: (full, small) => (quick ? small : full),
  credentials,
  inGo: (sides) => (obstacle === null ? sides : []),
};

if (profile !== undefined) {
  for (const contest of named(profile)) await profileOf(contest, bench, progress);
} else {
  const asked = only.length > 0 ? CONTESTS.filter((one) => only.flatMap(named).includes(one)) : CONTESTS;
  const contests = part ? partOf(asked, PARTS) : asked;
  if (obstacle !== null) console.log(`Without the Go peers: ${obstacle}.`);
  console.log(`Node ${machine.node}, OpenSSL ${machine.openssl}, ${machine.cpus}; medians, least to most\n`);
  const all: Figures[] = [];
  for (const contest of contests) all.push(...(await compare(contest)));
  if (json !== undefined) await writeFile(json, `${JSON.stringify(reportOf(machine, all), null, 2)}\n`);
}
