import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createCertificate } from '../support/certificates.js';
import { Dice } from '../support/dice.js';
import { machine } from '../support/machine.js';
import { LANES, type Setup } from './orders.js';
import { buildPeer, PeerProcess } from './peer-process.js';
import { growthLine, growthsOf, lineOf, RESIDENT_LIMIT, ROLES, type Sample, usesOf } from './report.js';
import { differences, type Holdings, rest } from './rest.js';

// npm run soak [-- --minutes N] [--rate R] [--protocol 1|2|both] [--seed N] [--plant leak]: two processes use connections
// over TLS at an even pace, R uses a second in all, whether or not those before are over. No use may fail; memory in use
// may grow by 1 MiB an hour, beyond what noise explains; and when all is at rest again behind the load, both hold as many
// descriptors, sockets and timers as before it. A short run that finds nothing says so: it proves no slope. What else is
// busy on the machine shows: the default rate takes about one core of it.
// With --plant leak the server leaks 1 KiB of each use, a timer and a descriptor: the run passes if it finds all three.

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    rate: { type: 'string', default: '200' },
    protocol: { type: 'string', default: 'both' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    plant: { type: 'string' },
  },
});
const minutes = positive('minutes');
const rate = positive('rate');
const seed = Number(values.seed);
const lanes = ([0, 1] as const).filter(
  (lane) => values.protocol === 'both' || values.protocol === String(LANES[lane].protocol),
);
if (lanes.length === 0) throw new Error(`--protocol: expected 1, 2 or both, got ${values.protocol}`);
if (values.plant !== undefined && values.plant !== 'leak')
  throw new Error(`--plant: expected leak, got ${values.plant}`);

/** How often both processes are looked at, and how often a line tells of it, in seconds. */
const PERIOD = 5;
const TELLING = minutes > 20 ? 60 : 10;
/** What is not judged: code is compiled, and pools find their pace. In seconds. */
const WARM_UP = Math.max(minutes * 60 * 0.2, minutes >= 5 ? 60 : 0);
/** From so many minutes on a slope has to be proven. */
const LONG = 60;
/** The share of the asked rate that there must be. */
const ENOUGH = 0.95;
/** More problems than these end a run, and so many are printed. */
const MOST_PROBLEMS = 50;
/** What a planted leak must be found by. */
const PLANTED = [
  /^server: memory grows/,
  /^left behind at rest: server Timeout/,
  /^left behind at rest: server descriptors/,
];
const PRINTED = 20;

const samples: Sample[] = [];
const problems: string[] = [];
/** What was made in all, and how long that took, in seconds. */
let last: Sample | undefined;
let took = 0;

console.log(
  `seed ${seed}; ${minutes} minutes at ${rate} uses a second, protocol ${lanes.map((lane) => LANES[lane].protocol).join(' and ')}; ${machine()}`,
);
await buildPeer();
const tls = await createCertificate();
const server: PeerProcess = peer('server', Dice.seedOf(seed, 0));
await server.start();
const client = peer('client', Dice.seedOf(seed, 1));
try {
  await client.start();
  await soak();
} catch (error) {
  problems.push(String(error));
} finally {
  server.kill();
  client.kill();
}
report();

function peer(role: Setup['role'], own: number): PeerProcess {
  const ports = role === 'client' ? server.ports : [];
  const leaks = role === 'server' && values.plant === 'leak';
  return new PeerProcess(
    { role, lanes, ports, tls, seed: own, rate: rate / lanes.length, leaks },
    ({ lane, id }) => {
      (role === 'server' ? client : server).send({ do: 'follow', lane, id });
    },
  );
}

async function soak(): Promise<void> {
  const peers = [server, client];
  const before = await rest(peers);
  for (const each of peers) each.send({ do: 'load' });
  await watch();
  for (const each of peers) each.send({ do: 'rest' });
  const after = await rest(peers, before);
  last = await look(took);
  const changes = differences(before, after);
  console.log(`at rest before the load: ${textOf(before)}`);
  console.log(`at rest behind it: ${changes.length === 0 ? 'the same, ±0' : changes.join(', ')}`);
  problems.push(...changes.map((change) => `left behind at rest: ${change}`));
  // The client first: it would dial a server that has gone.
  for (const each of [client, server]) problems.push(...(await each.close()));
}

/** Looks at both until the time is over, or too much is wrong. */
async function watch(): Promise<void> {
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1_000;
  let told: Sample | undefined;
  for (let due = PERIOD; due <= minutes * 60 && problems.length < MOST_PROBLEMS; due += PERIOD) {
    await pause((due - seconds()) * 1_000);
    const sample = await look(seconds());
    samples.push(sample);
    if (due % TELLING !== 0) continue;
    console.log(lineOf(sample, told));
    told = sample;
  }
  await pause((minutes * 60 - seconds()) * 1_000);
  took = seconds();
}

async function look(seconds: number): Promise<Sample> {
  const [atServer, atClient] = await Promise.all([server.look(), client.look()]);
  problems.push(...atServer.problems, ...atClient.problems);
  return { seconds, server: atServer, client: atClient };
}

function report(): void {
  if (last) account(last);
  for (const growth of growthsOf(samples, WARM_UP)) {
    console.log(growthLine(growth));
    if (growth.verdict === 'grows') problems.push(`${growth.role}: memory grows`);
    else if (growth.verdict === 'unproven' && minutes >= LONG)
      problems.push(`${growth.role}: its memory moves too much to tell whether it grows`);
    if (growth.isBloated && minutes >= LONG)
      problems.push(`${growth.role}: resident memory grows by more than ${RESIDENT_LIMIT} MiB/h to the end`);
  }
  console.log(`${problems.length} problems`);
  for (const problem of problems.slice(0, PRINTED)) console.error(problem);
  const missed = PLANTED.filter((planted) => !problems.some((problem) => planted.test(problem)));
  if (values.plant)
    console.log(`the planted leak: ${PLANTED.length - missed.length} of ${PLANTED.length} found`);
  const isBad = values.plant ? missed.length > 0 : problems.length > 0;
  process.exitCode = isBad ? 1 : 0;
}

/** Each use was begun and whole at both ends, and there were as many as were asked for. */
function account(total: Sample): void {
  const pace = usesOf(total) / took;
  const ends = ROLES.map((role) => {
    const { begun, whole, failed } = total[role];
    return `${role} ${begun} begun, ${whole} whole, ${failed} failed`;
  });
  console.log(
    `${usesOf(total)} uses in ${took.toFixed(0)} s, ${pace.toFixed(1)} a second: ${ends.join('; ')}`,
  );
  const begun = Math.max(...ROLES.map((role) => total[role].begun));
  if (usesOf(total) !== begun)
    problems.push(`of ${begun} uses only ${usesOf(total)} were whole at both ends`);
  if (pace < rate * ENOUGH) problems.push(`${pace.toFixed(1)} uses a second, not ${rate}`);
}

function textOf(holdings: Holdings): string {
  return Object.entries(holdings).map(([name, count]) => `${name} ${count}`).join(', '); // prettier-ignore
}

function positive(name: 'minutes' | 'rate'): number {
  const value = Number(values[name]);
  if (!(value > 0)) throw new Error(`--${name}: expected a number above 0, got ${values[name]}`);
  return value;
}
