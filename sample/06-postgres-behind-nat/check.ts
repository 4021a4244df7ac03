import type { Row } from '../parts/table.js';
import type { Tunnel } from '../01-reverse-tunnel/tunnel.js';
import type { Open, Session } from './session.js';

const SESSIONS = 20;
const QUESTIONS = 50;

/** Uses the service by its ordinary client through the tunnel, cuts the way meanwhile, and tells how it went. */
export async function check(tunnel: Tunnel, openAt: Open): Promise<Row[]> {
  const open = (): Promise<Session> => openAt(tunnel.visitorPort);
  const rows: Row[] = [];

  const sessions = await Promise.all(Array.from({ length: SESSIONS }, open));
  const right = await Promise.all(
    sessions.map(async (session, first) => {
      let count = 0;
      for (let i = 0; i < QUESTIONS; i++) if (await session.ask(first * QUESTIONS + i)) count++;
      return count;
    }),
  );
  const total = right.reduce((sum, count) => sum + count, 0);
  rows.push({
    what: `answers in ${SESSIONS} sessions at once`,
    result: `${total} of ${SESSIONS * QUESTIONS}`,
    ok: total === SESSIONS * QUESTIONS,
  });

  const [one, ...others] = sessions;
  const isWhole = await one?.readMuch();
  rows.push({
    what: 'a long answer',
    result: isWhole ? 'every row' : 'wrong',
    ok: isWhole === true,
  });
  await one?.close();

  // In the middle of an answer. Whoever is asked then must not take half of it for the whole.
  const cut = Promise.allSettled(others.map((session) => session.readMuch()));
  await tunnel.edge.kill();
  const outcomes = await cut;
  const failed = outcomes.filter(({ status }) => status === 'rejected').length;
  const wrong = outcomes.filter((outcome) => outcome.status === 'fulfilled' && !outcome.value).length;
  rows.push({
    what: 'sessions when the edge is killed',
    result: `${failed} of ${others.length} failed, ${wrong} saw half an answer`,
    ok: failed > 0 && wrong === 0,
  });

  await tunnel.edge.start();
  const again = await open();
  const isBack = await again.ask(21);
  rows.push({ what: 'a session after its return', result: isBack ? 'ok' : 'failed', ok: isBack });
  await again.close();
  return rows;
}
