import type { Row } from '../parts/table.js';
import type { Fleet } from './fleet.js';
import type { ServerState } from './front.controller.js';
import { linesOf } from './report.controller.js';
import type { ServerName } from './server-process.js';

const REQUESTS = 300;
const AT_ONCE = 20;
const KILL_AFTER = 100;
/** Each answer takes about 100 ms, so that many are under way when a server is killed. */
const LINES = 20;
/** Requests after the killed server is back. */
const ENCORE = 12;

/** Sends many requests by each strategy, kills a server meanwhile, restarts all in turn, and tells how it went. */
export async function check(fleet: Fleet): Promise<Row[]> {
  const rows = [
    ...(await checkOne(fleet, 'round-robin', 'b')),
    ...(await checkOne(fleet, 'least-used', 'c')),
    ...(await checkRollingRestart(fleet)),
  ];
  const servers = (await (await fetch(`${fleet.url}/servers`)).json()) as ServerState[];
  const reused = servers.reduce((sum, server) => sum + server.reused, 0);
  return [...rows, { what: 'connections that served again', result: `${reused} times`, ok: reused > 0 }];
}

async function checkOne(fleet: Fleet, strategy: string, victim: ServerName): Promise<Row[]> {
  const server = fleet.servers[victim];
  let restarted: Promise<void> | undefined;
  const during = await requestMany(`${fleet.url}/${strategy}`, (sent) => {
    if (sent > KILL_AFTER) restarted ??= server.kill().then(() => server.start());
    return sent < REQUESTS;
  });
  await restarted;
  await fleet.whenServing(victim);
  const after = await requestMany(`${fleet.url}/${strategy}`, (sent) => sent < ENCORE);
  const spread = ['a', 'b', 'c'].map((name) => `${name} ${during.by.get(name) ?? 0}`);
  const encore = after.by.get(victim) ?? 0;
  return [
    { what: `${strategy}: requests`, result: `${during.done} of ${REQUESTS}`, ok: during.done === REQUESTS },
    { what: 'lost', result: String(during.lost), ok: during.lost === 0 },
    {
      what: `repeated, as ${victim} was killed`,
      result: String(during.repeated),
      ok: during.repeated > 0,
    },
    { what: 'answered', result: spread.join(', '), ok: during.by.size === 3 },
    { what: `${victim} again after its restart`, result: `${encore} of ${ENCORE}`, ok: encore > 0 },
  ];
}

/** As a new version is rolled out: each server is asked to stop, and is back before the next one is. */
async function checkRollingRestart(fleet: Fleet): Promise<Row[]> {
  let isRolled = false;
  const requests = requestMany(`${fleet.url}/round-robin`, () => !isRolled);
  for (const server of Object.values(fleet.servers)) {
    await server.stop();
    await server.start();
    await fleet.whenServing(server.id);
  }
  isRolled = true;
  const { done, lost, by } = await requests;
  return [
    { what: 'rolling restart: requests', result: String(done), ok: done > 0 && by.size === 3 },
    { what: 'lost', result: String(lost), ok: lost === 0 },
  ];
}

/** What became of many requests. */
interface Tally {
  done: number;
  /** Refused, or not answered as a whole. */
  lost: number;
  /** Answered by the second server that was asked, or the third. */
  repeated: number;
  /** How many each server answered. */
  readonly by: Map<string, number>;
}

/** Sends requests as long as `isGoingOn`, which is told how many there were. */
async function requestMany(url: string, isGoingOn: (sent: number) => boolean): Promise<Tally> {
  const tally: Tally = { done: 0, lost: 0, repeated: 0, by: new Map() };
  const expected = [...linesOf(LINES)].join('');
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (isGoingOn(sent)) {
      sent++;
      const { text, server, tries } = await report(url);
      if (text !== expected) {
        tally.lost++;
        continue;
      }
      tally.done++;
      tally.by.set(server, (tally.by.get(server) ?? 0) + 1);
      if (tries > 1) tally.repeated++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return tally;
}

/** Asks for a report; an empty one when the front does not answer. */
async function report(url: string): Promise<{ text: string; server: string; tries: number }> {
  try {
    const answer = await fetch(`${url}/report?lines=${LINES}`);
    const server = answer.headers.get('X-Server') ?? '';
    return { text: await answer.text(), server, tries: Number(answer.headers.get('X-Tries')) };
  } catch {
    return { text: '', server: '', tries: 0 };
  }
}
