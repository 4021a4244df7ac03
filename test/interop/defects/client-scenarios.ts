import { once } from 'node:events';
import { createServer } from 'node:net';
import { createCertificate } from '../../support/certificates.js';
import { RawServer } from '../../support/raw-peer.js';
import { portOf, startServer } from '../../support/raw-joined.js';
import { idFrame, idOf, nameAll, pause, type Outcome, type Scenario, succeeds, within } from './scenario.js';
import type { Subject } from './subject.js';

const HOST = '127.0.0.1';
const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n';

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Scenarios in which the subject is the client. Its servers are raw, where they need not be more. */
export const CLIENT_SCENARIOS: Scenario[] = [
  {
    defect: 2,
    what: 'dead idle connections are counted and handed out',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      const count = 3;
      await using server = await nameAll();
      const client = await subject.client({ address: `${HOST}:${server.port}`, tls: '0', capacity: count });
      await client.untilActive({ atLeast: count });
      const dead = server.peers.map((_, i) => idOf(i + 1));
      await Promise.all(server.peers.map((peer) => peer.reset()));
      await within(2_000, () => server.peers.length >= 2 * count);
      let handedOut = 0;
      for (let i = 0; i < count; i++) {
        const { id } = await client.incomingGet(2_000);
        if (dead.includes(id)) handedOut++;
      }
      return {
        holds: dead.length === count && handedOut === 0,
        figure: `${handedOut} of ${count} handed out are dead`,
      };
    },
  },
  {
    defect: 4,
    what: 'after a restart of the server the dead pool is kept',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      const count = 5;
      const old = await startServer();
      const port = portOf(old);
      const client = await subject.client({ address: `${HOST}:${port}`, tls: '0', capacity: count });
      await client.untilActive({ atLeast: count });
      await old.close();
      await using server = await startServer({ listen: { host: HOST, port } });
      const since = performance.now();
      const isFull = await within(3_000, () => server.active() >= count);
      const took = `after ${(performance.now() - since).toFixed(0)} ms`;
      return { holds: isFull, figure: `${server.active()} of ${count} redialled ${took}` };
    },
  },
  {
    defect: 5,
    what: 'a wait by ID ends at the next poll only',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      const samples = 60;
      await using server = await RawServer.listen();
      const client = await subject.client({ address: `${HOST}:${server.port}`, tls: '0', capacity: 1 });
      const waits: number[] = [];
      for (let i = 1; i <= samples; i++) {
        const peer = await server.next();
        const got = client.outgoingGet(idOf(i)).then(() => performance.now());
        await pause(20 + Math.random() * 50); // any moment between two polls
        await peer.accept();
        const landed = performance.now();
        peer.socket.write(idFrame(i));
        waits.push((await got) - landed);
      }
      const middle = median(waits);
      return { holds: middle < 15, figure: `median of ${samples}: ${middle.toFixed(1)} ms` };
    },
  },
  {
    defect: 7,
    what: 'a get right after the start fails at once',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      const times = 100;
      await using server = await nameAll();
      const address = `${HOST}:${server.port}`;
      const failed = await subject.getsAtStart({
        address,
        tls: '0',
        capacity: 1,
        interval: 10,
        times,
        timeout: 5_000,
      });
      return { holds: failed === 0, figure: `${failed} of ${times} failed` };
    },
  },
  {
    defect: 9,
    what: 'one slow dial stops all refilling',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      const [count, slow] = [10, 3];
      await using server = await nameAll((number) => number !== slow);
      const client = await subject.client({ address: `${HOST}:${server.port}`, tls: '0', capacity: count });
      await client.untilActive({ atLeast: count - 1 });
      for (let i = 1; i < count; i++) await client.incomingGet(1_000);
      const since = performance.now();
      const isRefilled = await succeeds(client.incomingGet(4_000));
      const took = ((performance.now() - since) / 1000).toFixed(isRefilled ? 3 : 1);
      return {
        holds: isRefilled,
        figure: `${isRefilled ? 'next one after' : 'empty for at least'} ${took} s`,
      };
    },
  },
  {
    defect: 10,
    what: 'a refused TLS upgrade leaks its connection',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      let refused = 0;
      await using server = await RawServer.listen(await createCertificate(), async (peer) => {
        for (;;) {
          await peer.head();
          peer.write(FORBIDDEN);
          refused++;
        }
      });
      await subject.client({ address: `${HOST}:${server.port}`, tls: '1', capacity: 1 });
      await within(10_000, () => refused > 5);
      await pause(1_000);
      const { open } = server;
      // One may be on its way.
      return { holds: refused > 5 && open <= 1, figure: `${open} still open after ${refused}` };
    },
  },
  {
    defect: 13,
    what: 'failures are invisible',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      const gone = createServer().listen(0, HOST);
      await once(gone, 'listening');
      const { port: refused } = gone.address() as { port: number };
      gone.close();
      await using secure = await RawServer.listen(await createCertificate());
      await using picky = await RawServer.listen(undefined, async (peer) => {
        await peer.head();
        peer.write(FORBIDDEN);
      });
      const told: string[] = [];
      for (const [name, port, tls] of [
        ['port', refused, '0'],
        ['certificate', secure.port, '2'],
        ['403', picky.port, '0'],
      ] as const) {
        const client = await subject.client({ address: `${HOST}:${port}`, tls, capacity: 1 });
        if (await within(1_500, async () => (await client.errorCount()) > 0)) told.push(name);
        await client.close();
      }
      return { holds: told.length === 3, figure: `${told.length} of 3 counted as errors` };
    },
  },
  {
    defect: 14,
    what: 'no back-off: a server that is down is overrun',
    role: 'client',
    async run(subject: Subject): Promise<Outcome> {
      const capacity = 20;
      await using server = await RawServer.listen(undefined, (peer) => peer.reset());
      await subject.client({ address: `${HOST}:${server.port}`, tls: '0', capacity });
      await within(5_000, () => server.peers.length > 0);
      await pause(3_000);
      const dials = server.peers.length;
      // What was under way at first, and no more than are meant for a whole minute.
      return { holds: dials >= capacity && dials <= capacity + 30, figure: `${dials} dials in 3 s` };
    },
  },
];
