import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ClientPoolService, getClientPoolToken } from 'nestjs-npws';
import { Fleet } from './fleet.js';
import { linesOf } from './report.controller.js';

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly server: string | null;
  readonly tries: number;
}

describe('the load balancer', () => {
  let fleet: Fleet;

  async function ask(path: string): Promise<Answer> {
    const answer = await fetch(`${fleet.url}${path}`, { headers: { Connection: 'close' } });
    const { status, headers } = answer;
    return {
      status,
      text: await answer.text(),
      server: headers.get('X-Server'),
      tries: Number(headers.get('X-Tries')),
    };
  }

  /** Asks one by one and tells who answered, such as 'ab', and how many were asked in vain. */
  async function askMany(path: string, count: number): Promise<{ servers: string; repeated: number }> {
    const answers: Answer[] = [];
    while (answers.length < count) answers.push(await ask(path));
    return {
      servers: answers.map(({ server }) => server).join(''),
      repeated: answers.filter(({ tries }) => tries > 1).length,
    };
  }

  function poolOf(name: string): ClientPoolService {
    return fleet.front.get<ClientPoolService>(getClientPoolToken(name));
  }

  beforeAll(async () => {
    fleet = await Fleet.start(true);
  }, 30_000);

  afterAll(async () => {
    await fleet.stop();
  }, 30_000);

  it('passes a request on and its answer back, whatever its status', async () => {
    expect(await ask('/round-robin/report?lines=3')).toMatchObject({
      status: 200,
      text: 'line 1 of 3\nline 2 of 3\nline 3 of 3\n',
      tries: 1,
    });
    expect(await ask('/least-used/nothing')).toMatchObject({ status: 404, tries: 1 });
  });

  it('asks each server in its turn by round robin', async () => {
    const { servers } = await askMany('/round-robin/hello', 9);
    expect(servers).toMatch(/^([abc])(?!\1)([abc])(?!\1|\2)([abc])(\1\2\3){2}$/);
  });

  it('spares a server that is busy by least used', async () => {
    const held = await Promise.all(Array.from({ length: 5 }, () => poolOf('a').incomingGet()));
    const answers = await Promise.all(Array.from({ length: 4 }, () => ask('/least-used/report?lines=20')));
    expect(new Set(answers.map(({ server }) => server))).toEqual(new Set(['b', 'c']));
    for (const connection of held) connection.destroy();
  });

  it.each(['round-robin', 'least-used'])(
    'loses no request when a server is killed in the middle of its answers, by %s',
    async (strategy) => {
      const lines = [...linesOf(100)].join('');
      const answers = Array.from({ length: 12 }, () => ask(`/${strategy}/report?lines=100`));
      // It begins after those and is done before them: by then they are under way.
      await ask(`/${strategy}/report?lines=10`);
      await fleet.servers.b.kill();

      const all = await Promise.all(answers);
      expect(all.map(({ status, text }) => status === 200 && text === lines)).not.toContain(false);
      expect(all.filter(({ tries }) => tries > 1).length).toBeGreaterThan(0);
      expect(poolOf('b').errorCount()).toBeGreaterThan(0);
      // It is known to be gone.
      expect(await askMany(`/${strategy}/hello`, 4)).toEqual({
        servers: expect.stringMatching(/^[ac]{4}$/),
        repeated: 0,
      });

      await fleet.servers.b.start();
      await fleet.whenServing('b');
      expect((await askMany('/round-robin/hello', 3)).servers).toContain('b');
    },
  );

  it('loses no request while all servers are restarted in turn', async () => {
    const lines = [...linesOf(10)].join('');
    const wrong: Answer[] = [];
    let [done, isRolled] = [0, false];
    const visitor = async (): Promise<void> => {
      while (!isRolled) {
        const answer = await ask('/round-robin/report?lines=10');
        if (answer.status === 200 && answer.text === lines) done++;
        else wrong.push(answer);
      }
    };
    const visitors = Promise.all(Array.from({ length: 8 }, visitor));
    const before = new Map(Object.values(fleet.servers).map((server) => [server, server.pid]));
    for (const server of Object.values(fleet.servers)) {
      await server.stop();
      await server.start();
      await fleet.whenServing(server.id);
    }
    isRolled = true;
    await visitors;
    expect(wrong).toEqual([]);
    expect(done).toBeGreaterThan(50);
    for (const [server, pid] of before) expect(server.pid).not.toBe(pid);
  }, 60_000);

  it('answers 503 while no server is there, and serves again as soon as one is', async () => {
    const { a, b, c } = fleet.servers;
    await Promise.all([a.kill(), b.kill(), c.kill()]);
    expect((await ask('/round-robin/hello')).status).toBe(503);
    await c.start();
    await fleet.whenServing('c');
    expect(await ask('/round-robin/hello')).toMatchObject({ status: 200, server: 'c' });
  });

  it('finishes what is under way when it is stopped', async () => {
    const underWay = ask('/least-used/report?lines=100');
    await ask('/least-used/report?lines=10');
    await fleet.stop();
    expect((await underWay).text).toBe([...linesOf(100)].join(''));
  });
});
