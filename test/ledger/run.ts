import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createCertificate } from '../support/certificates.js';
import { Dice } from '../support/dice.js';
import { machine } from '../support/machine.js';
import { FaultRelay } from '../support/fault-relay.js';
import { Fate, namesOf } from './faults.js';
import { LANES, type Sum, type Told } from './orders.js';
import { buildPeer, PeerProcess } from './peer-process.js';

// npm run test:ledger [-- --long] [--messages N] [--minutes M] [--seed N] [--faults NAME,NAME]: letters go both ways between two processes over
// TLS, under both protocols, through relays that fault, while the processes are stopped, killed and started again. Each
// letter is read to its end as it was written, or breaks with an error behind an exact part of it.

/** What was seen of one protocol, at both ends. */
interface Total {
  complete: number;
  messages: number;
  bytes: number;
  readonly errors: Record<string, number>;
}

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    messages: { type: 'string' },
    minutes: { type: 'string' },
    faults: { type: 'string' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
  },
});
const messages = Number(values.messages ?? (values.long ? 100_000_000 : 1_000_000));
const minutes = Number(values.minutes ?? (values.long ? 60 : 5));
const seed = Number(values.seed);

/** Faults a second. */
const PACE = 20;
/** How many faults of each kind there must be at least, if the time allows. */
const ENOUGH = 3;
/** How often a line tells how it goes, in milliseconds. */
const PERIOD = values.long ? 60_000 : 10_000;

const dice = new Dice(seed);
const tls = await createCertificate();
const totals = LANES.map((): Total => ({ complete: 0, messages: 0, bytes: 0, errors: {} }));
const problems: string[] = [];
let ports = LANES.map(() => 0);
let writers = 0;
const finished = new Set<'client' | 'server'>();

const hear = (from: 'client' | 'server') => (told: Told) => {
  if (told.is === 'ready' && from === 'server') ports = [...told.ports];
  else if (told.is === 'taken') (from === 'client' ? server : client).send({ ...told, do: 'follow' });
  else if (told.is === 'sums') told.sums.forEach(add);
  else if (told.is === 'befell') fate.befell(told.fault);
  else if (told.is === 'finished') finished.add(from);
};

console.log(`seed ${seed}; ${messages} messages or ${minutes} minutes; ${machine()}`);
await buildPeer();
const start = performance.now();
const relays = await Promise.all(LANES.map((_, lane) => FaultRelay.to(() => ports[lane] ?? 0, dice)));
const server: PeerProcess = new PeerProcess(
  () => ({ role: 'server', ports, tls, seed: dice.next(), writer: writers++ }),
  hear('server'),
);
await server.ready;
const client: PeerProcess = new PeerProcess(() => {
  return { role: 'client', ports: relays.map(({ port }) => port), tls, seed: dice.next(), writer: writers++ };
}, hear('client'));
await client.ready;

const fate: Fate = new Fate(namesOf(values.faults), { relays, client, server }, dice);
const faulting = setInterval(() => {
  fate.catchUp(PACE);
}, 1_000 / PACE);
const telling = setInterval(() => {
  console.log(line());
}, PERIOD);
await reached();
clearInterval(faulting);
const took = (performance.now() - start) / 1_000;
const faulted = read();

// What is under way comes to its end when nothing is in the way any more.
const before = totals.map(({ complete }) => complete);
await pause(10_000);
const stalled = totals.filter(({ complete }, lane) => complete === before[lane]);
for (const peer of [client, server]) peer.send({ do: 'finish' });
const deadline = Date.now() + 60_000;
while (finished.size < 2 && Date.now() < deadline) await pause(100);
clearInterval(telling);
if (finished.size < 2) problems.push('a peer has streams that do not end');
await Promise.all([client.finish(), server.finish()]);
for (const relay of relays) await relay[Symbol.asyncDispose]();
report();

function add({ lane, complete, messages, bytes, errors, problems: found }: Sum): void {
  const total = totals[lane];
  if (!total) return;
  total.complete += complete;
  total.messages += messages;
  total.bytes += bytes;
  for (const [code, count] of Object.entries(errors)) total.errors[code] = (total.errors[code] ?? 0) + count;
  problems.push(...found);
}

function read(): number {
  return totals.reduce((sum, total) => sum + total.messages, 0);
}

/** Waits for all messages, and for enough faults of each kind. */
async function reached(): Promise<void> {
  const isOver = (): boolean =>
    read() >= messages && Object.values(fate.counts).every((count) => count >= ENOUGH);
  while (!isOver() && performance.now() - start < minutes * 60_000 && problems.length < 20) await pause(100);
}

function line(): string {
  const complete = totals.reduce((sum, total) => sum + total.complete, 0);
  const seconds = (performance.now() - start) / 1_000;
  return `${seconds.toFixed(0)} s: ${read()} messages, ${complete} whole letters, ${fate.total} faults, ${problems.length} problems`;
}

function report(): void {
  console.log(
    `${faulted} messages in ${took.toFixed(0)} s, ${(fate.total / took).toFixed(1)} faults a second; ${read() - faulted} in the calm behind them`,
  );
  for (const [index, { protocol, taker }] of LANES.entries()) {
    const total = totals[index] as Total;
    const name = `protocol ${protocol}, the ${taker} takes`;
    const errors = Object.entries(total.errors).map(([code, count]) => `${code} ${count}`);
    console.log(
      `${name}: ${total.complete} letters whole, ${total.messages} messages, ${(total.bytes / 1e6).toFixed(0)} MB; errors: ${errors.join(', ')}`,
    );
    if (total.complete === 0) problems.push(`${name}: nothing was read to its end`);
    if (!values.faults && !total.errors['ERR_NPWS_TRUNCATED']) problems.push(`${name}: nothing was ever cut`);
    if (stalled.includes(total)) problems.push(`${name}: nothing goes on in the calm behind the faults`);
  }
  console.log(`faults: ${Object.entries(fate.counts).map(([name, count]) => `${name} ${count}`).join(', ')}`); // prettier-ignore
  if (!values.long && faulted < messages)
    problems.push(`the time was over before ${messages} messages were read`);
  if (!values.faults && fate.total < took * PACE * 0.85)
    problems.push(`there should have been about ${PACE} faults a second`);
  for (const [name, count] of Object.entries(fate.counts)) {
    if (count === 0) problems.push(`this fault never came: ${name}`);
  }
  problems.push(...client.problems, ...server.problems);
  console.log(`${problems.length} problems: 0 lost, doubled, reordered or silently cut when that is 0`);
  for (const problem of problems.slice(0, 50)) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
