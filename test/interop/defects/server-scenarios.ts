import { createHash } from 'node:crypto';
import { BINARY, CLOSE, closeCodeOf, closePayload } from '../../support/raw-frames.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { prefixHash } from '../../support/seeded-bytes.js';
import {
  countOf,
  dial,
  dialAll,
  type Named,
  pause,
  type Outcome,
  type Scenario,
  succeeds,
  within,
} from './scenario.js';
import type { Subject } from './subject.js';

/** How long a get may take that has no reason to wait. */
const SOON = 500;

/** What goes through a stream in use, in bytes. */
const STREAM = 100_000;

/** Scenarios in which the subject is the server. Its clients are raw. */
export const SERVER_SCENARIOS: Scenario[] = [
  {
    defect: 1,
    what: 'a taker as fast as the ID loses connections for ever',
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      // NPWS loses one in 300 to 2,500, and only while many takers wait.
      const [dials, clients, takers] = [5_000, 8, 64];
      const server = await subject.server({ capacity: 200 });
      const named = new Map<string, RawPeer>();
      let [dialled, taken] = [0, 0];
      const client = async (): Promise<void> => {
        while (dialled++ < dials) {
          const { id, peer } = (await dial(server.port)) ?? {};
          if (id && peer) named.set(id, peer);
        }
      };
      // Each waits until there is nothing more to come.
      const taker = async (): Promise<void> => {
        for (;;) {
          try {
            const { id } = await server.incomingGet(2_000);
            taken++;
            await within(2_000, () => named.has(id));
            named.get(id)?.socket.destroy();
          } catch {
            return;
          }
        }
      };
      await Promise.all([
        ...Array.from({ length: clients }, client),
        ...Array.from({ length: takers }, taker),
      ]);
      const lost = named.size - taken;
      for (const peer of named.values()) peer.socket.destroy();
      return { holds: named.size > 0 && lost === 0, figure: `${lost} of ${named.size} lost` };
    },
  },
  {
    defect: 3,
    what: "a killed client's places stay taken",
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      const capacity = 20;
      const server = await subject.server({ capacity });
      const killed = await dialAll(server.port, capacity);
      await Promise.all(killed.map(({ peer }) => peer.reset()));
      const next: Named[] = [];
      await within(3_000, async () => {
        next.push(...(await dialAll(server.port, capacity - next.length)));
        return next.length === capacity;
      });
      for (const { peer } of next) peer.socket.destroy();
      return {
        holds: killed.length === capacity && next.length === capacity,
        figure: `new client has ${next.length} of ${capacity} after at most 3 s`,
      };
    },
  },
  {
    defect: 6,
    what: 'flush loses who waits',
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      const server = await subject.server({ capacity: 10 });
      const waiting = succeeds(server.incomingGet(2_000));
      await pause(100);
      await server.flush();
      const named = await dialAll(server.port, 5);
      const isServed = await waiting;
      const idle = await server.active();
      for (const { peer } of named) peer.socket.destroy();
      return { holds: isServed, figure: `waiter ${isServed ? 'served' : `timed out with ${idle} idle`}` };
    },
  },
  {
    defect: 6,
    what: 'flush waits for idle peers and forgets who comes meanwhile',
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      const server = await subject.server({ capacity: 50 });
      const old = await dialAll(server.port, 5);
      const since = performance.now();
      const flushed = Promise.resolve(server.flush());
      const named = await dialAll(server.port, 10);
      await flushed;
      const took = performance.now() - since;
      const found = await countOf(named.map(({ id }) => server.outgoingGet(id, SOON)));
      for (const { peer } of [...old, ...named]) peer.socket.destroy();
      return {
        holds: named.length === 10 && found === named.length && took < 2_000,
        figure: `${(took / 1000).toFixed(1)} s, ${named.length - found} of ${named.length} orphaned`,
      };
    },
  },
  {
    defect: 8,
    what: 'a get by ID drops the head of the queue',
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      const server = await subject.server({ capacity: 10 });
      const named: Named[] = [];
      while (named.length < 10) named.push(...(await dialAll(server.port, 1)));
      const [first, last] = [named.slice(0, 5), named.slice(5)];
      const byId = await countOf(last.map(({ id }) => server.outgoingGet(id, SOON)));
      const next = await countOf(first.map(() => server.incomingGet(SOON)));
      for (const { peer } of named) peer.socket.destroy();
      return { holds: byId === 5 && next === 5, figure: `${10 - byId - next} of 10 unreachable` };
    },
  },
  {
    defect: 11,
    what: 'over capacity the ID is sent and then the connection dropped',
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      const [trials, capacity] = [20, 5];
      let [bad, dead] = [0, 0];
      for (let i = 0; i < trials; i++) {
        const server = await subject.server({ capacity });
        const named = await dialAll(server.port, 50);
        const found = await countOf(named.map(({ id }) => server.outgoingGet(id, SOON)));
        dead += named.length - found;
        if (found !== named.length || found !== capacity) bad++;
        for (const { peer } of named) peer.socket.destroy();
      }
      return { holds: bad === 0, figure: `${dead} dead in ${bad} of ${trials} trials` };
    },
  },
  {
    defect: 12,
    what: 'close cuts streams in use without a close frame',
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      const server = await subject.server({ capacity: 5 });
      const named = await dial(server.port);
      if (!named) return { holds: false, figure: 'refused' };
      const { id, peer } = named;
      const connection = await server.outgoingGet(id, SOON);
      const received = succeeds(connection.read());
      await pause(100);
      const closed = succeeds(server.close());
      await pause(100);
      const sent = succeeds(connection.write(STREAM, 1).then(() => connection.end()));
      const seen = await readAll(peer);
      const isWhole = seen.sha256 === prefixHash([{ bytes: STREAM, seed: 1 }], STREAM);
      await Promise.all([received, sent, closed]);
      return {
        holds: isWhole && (seen.code === 1000 || seen.code === 1001),
        figure: `${seen.length} of ${STREAM} bytes, ${seen.code ? `close ${seen.code}` : 'no close frame'}`,
      };
    },
  },
  {
    defect: 15,
    what: '00000000 goes to whoever takes first, and is issued once',
    role: 'server',
    async run(subject: Subject): Promise<Outcome> {
      const server = await subject.server({ capacity: 5, reserveControl: true });
      const named: Named[] = [];
      while (named.length < 3) named.push(...(await dialAll(server.port, 1)));
      const { id } = await server.incomingGet(SOON);
      for (const { peer } of named) await peer.reset();
      const isIssuedAgain = await within(2_000, async () => {
        const next = await dial(server.port);
        next?.peer.socket.destroy();
        return next?.id === '00000000';
      });
      return {
        holds: named[0]?.id === '00000000' && id !== '00000000' && isIssuedAgain,
        figure: `${id === '00000000' ? '' : 'not '}given to any taker, ${isIssuedAgain ? '' : 'not '}issued again`,
      };
    },
  },
];

/** What a client reads until its connection ends, and the code of the close frame or null. It answers that frame. */
async function readAll(peer: RawPeer): Promise<{ length: number; sha256: string; code: number | null }> {
  const hash = createHash('sha256');
  let [length, code]: [number, number | null] = [0, null];
  try {
    while (code === null) {
      const frame = await peer.frame();
      if (frame.opcode === BINARY) {
        hash.update(frame.payload);
        length += frame.payload.length;
      } else if (frame.opcode === CLOSE) {
        code = closeCodeOf(frame);
        peer.send(closePayload(code), { opcode: CLOSE });
      }
    }
  } catch {
    // It ended without a close frame.
  }
  peer.socket.end();
  return { length, sha256: hash.digest('hex'), code };
}
