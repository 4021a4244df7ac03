import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createCertificate } from '../support/certificates.js';
import { PeerProgram, UnsupportedError } from './driver.js';
import { drawFlows, type Flow, type Joint, Ledger, randomOf, type Taking } from './ledger.js';
import { OwnPeer } from './own-peer.js';
import type { Peer, PeerPool, PeerServerOptions } from './peer.js';
import { describeWithPeer } from './with-peer.js';

/** How many connections are in use at once. */
const LANES = 8;

/** How many are idle: more than are taken at once. */
const CAPACITY = 24;

/** How many bytes follow the ID. What a kernel's buffers hold anyway. */
const EARLY = 9_999;

/** What is under way when a peer is killed: more than any buffers between the two hold. */
const KILLED = { connections: 10, bytes: 16 << 20, before: 256 << 10 };

/** A cell that has gone wrong this often is given up. */
const ENOUGH = 10;

const SEED = Number(process.env['INTEROP_SEED'] ?? Date.now() % 2 ** 32);

type Side = 'ours' | 'theirs';
type Wire = 'plain ws' | 'self-signed' | 'own CA';

const PAIRS: [client: Side, server: Side][] = [
  ['ours', 'theirs'],
  ['theirs', 'ours'],
  ['ours', 'ours'],
];
const WIRES: Wire[] = ['plain ws', 'self-signed', 'own CA'];
const CELLS = PAIRS.flatMap(([client, server]) => WIRES.map((wire) => ({ client, server, wire })));

type Cell = (typeof CELLS)[number];

/** What two clients of one server use at once, and a client whose server is replaced: that it goes on is asked, not how long. */
const MIXED = { connections: 100, bytes: 64 << 20 };

/** As the program that has this project behind it calls itself: INTEROP_PEER may be that. */
const OUR_NAME = 'nestjs-npws';

interface Row extends Record<string, unknown> {
  cell: string;
  protocol: string;
  connections: number;
  MiB: number;
  killed: number;
  wrong: number;
  seconds: number;
  'not run': string;
}

const OWN_PROCESS = [
  process.execPath,
  '--import',
  '@swc-node/register/esm-register',
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, 'own-peer-process.ts'),
];

describeWithPeer(
  'every stream between two peers ends complete, or with an error behind an exact prefix',
  () => {
    const rows: Row[] = [];
    let theirName = '';
    let folder: string;
    /** Files of PEM. The authority signed the certificate. */
    const pem = (name: 'ca' | 'cert' | 'key' | 'own-cert' | 'own-key'): string => join(folder, `${name}.pem`);

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'interop-'));
      const authority = await createCertificate({ isAuthority: true, commonName: 'an authority' });
      const signed = await createCertificate({ issuer: authority });
      const own = await createCertificate();
      await writeFile(pem('ca'), authority.cert);
      await writeFile(pem('cert'), signed.cert);
      await writeFile(pem('key'), signed.key);
      await writeFile(pem('own-cert'), own.cert);
      await writeFile(pem('own-key'), own.key);
    });

    afterAll(async () => {
      await rm(folder, { recursive: true });
      const table = rows.map((row) => Object.values(row).map(String));
      const lines = [Object.keys(rows[0] ?? {}), ...table].map((cells) =>
        cells.map((cell, i) => (i === 0 ? cell.padEnd(32) : cell.padStart(12))).join(''),
      );
      process.stderr.write(`\nTheirs is ${theirName}; INTEROP_SEED=${SEED}\n${lines.join('\n')}\n\n`);
    });

    /** What a server needs to speak over this. */
    const filesOf = (wire: Wire): { cert?: string; key?: string } =>
      ({
        'plain ws': {},
        'self-signed': { cert: pem('own-cert'), key: pem('own-key') },
        'own CA': { cert: pem('cert'), key: pem('key') },
      })[wire];

    const tlsOf = (wire: Wire): '0' | '1' | '2' =>
      (({ 'plain ws': '0', 'self-signed': '1', 'own CA': '2' }) as const)[wire];

    async function open(
      serverPeer: Peer,
      clientPeer: Peer,
      wire: Wire,
      options: Partial<PeerServerOptions> = {},
    ): Promise<Joint> {
      const server = await serverPeer.server({ capacity: 2 * CAPACITY, ...filesOf(wire), ...options });
      const client = await clientPeer.client({
        address: `127.0.0.1:${server.port}`,
        tls: tlsOf(wire),
        capacity: CAPACITY,
      });
      return { server, client, early: options.early ?? 0 };
    }

    async function shut({ server, client }: Joint): Promise<void> {
      await Promise.all([client.close(), server.close()]);
    }

    /** Works through flows in several lanes at once. */
    async function runAll(
      ledger: Ledger,
      joint: Joint,
      taking: Taking,
      flows: Iterable<Flow>,
    ): Promise<void> {
      const next = flows[Symbol.iterator]();
      const lane = async (): Promise<void> => {
        for (let flow = next.next(); !flow.done && ledger.wrong.length < ENOUGH; flow = next.next())
          await ledger.run(joint, taking, flow.value);
      };
      await Promise.all(Array.from({ length: LANES }, lane));
    }

    async function whole(
      cell: Cell,
      ledger: Ledger,
      count: number,
      theirs: PeerProgram,
      ours: OwnPeer,
    ): Promise<string> {
      const peers = { ours, theirs };
      const [server, client] = [peers[cell.server], peers[cell.client]];
      const flows = [...drawFlows(count, randomOf(SEED))];
      const skipped: string[] = [];
      // The first connection is the largest, and the control connection.
      const behindId = cell.server === 'theirs' ? Math.floor(count / 5) : 0;
      const half = Math.floor((count - 2 * behindId) / 2);
      const joint = await open(server, client, cell.wire);
      await runAll(ledger, joint, 'control', flows.splice(0, 1));
      await runAll(ledger, joint, 'server first', flows.splice(0, half));
      await runAll(ledger, joint, 'client first', flows.splice(0, count - 1 - half - 2 * behindId));
      await shut(joint);
      for (const cork of behindId > 0 ? [false, true] : []) {
        const part = flows.splice(0, behindId);
        try {
          const eager = await open(server, client, cell.wire, { early: EARLY, cork });
          await runAll(ledger, eager, 'server first', part);
          await shut(eager);
        } catch (error) {
          if (!(error instanceof UnsupportedError)) throw error;
          skipped.push(`${part.length} ${cork ? 'corked' : 'early'}`);
        }
      }
      return skipped.join(', ');
    }

    async function kill(cell: Cell, victim: 'server' | 'client', ledger: Ledger): Promise<void> {
      const survivor = victim === 'server' ? 'client' : 'server';
      await using doomed = await PeerProgram.start({
        ca: pem('ca'),
        ...(cell[victim] === 'ours' ? { command: OWN_PROCESS } : {}),
      });
      await using living =
        cell[survivor] === 'ours'
          ? new OwnPeer({ ca: pem('ca') })
          : await PeerProgram.start({ ca: pem('ca') });
      const joint = await open(
        victim === 'server' ? doomed : living,
        victim === 'server' ? living : doomed,
        cell.wire,
      );
      const pools: Record<'server' | 'client', PeerPool> = joint;
      const random = randomOf(SEED);
      const streams = await Promise.all(
        Array.from({ length: KILLED.connections }, async (_, i) => {
          const far = await pools[victim].incomingGet();
          const near = await pools[survivor].outgoingGet(far.id);
          const sent = { bytes: KILLED.bytes, seed: Math.floor(random() * 2 ** 32) };
          const writes = [far.write(sent.bytes, sent.seed)];
          // Half of the survivors only read: no write that fails tells them of the kill.
          if (i % 2 === 0) {
            const all = near.write(KILLED.bytes, sent.seed).then(() => {
              ledger.wrong.push(`${far.id}: the survivor wrote all to a peer that was killed`);
            });
            writes.push(all);
          }
          const writing = Promise.allSettled(writes);
          await near.read(KILLED.before);
          return { near, sent, writing };
        }),
      );
      await doomed.kill();
      for (const { near, sent, writing } of streams) {
        ledger.cut(`${near.id}, ${victim} killed`, sent, await near.read());
        await writing;
      }
      await shut({ ...joint, [victim]: { close: () => Promise.resolve() } });
    }

    it.each(CELLS)(
      'client $client, server $server, $wire',
      async (cell) => {
        const start = performance.now();
        const ledger = new Ledger();
        await using theirs = await PeerProgram.start({ ca: pem('ca') });
        await using ours = new OwnPeer({ ca: pem('ca') });
        const { name, library } = await theirs.hello();
        theirName = `${name} on ${library}`;
        const count = cell.wire === 'self-signed' ? 1_000 : 100;
        const notRun = await whole(cell, ledger, count, theirs, ours);
        const spoken = [...ledger.spoken];
        await kill(cell, 'server', ledger);
        await kill(cell, 'client', ledger);
        rows.push({
          cell: `${cell.client} -> ${cell.server}, ${cell.wire}`,
          protocol: spoken.join(),
          connections: ledger.connections,
          MiB: Math.round(ledger.bytes / 2 ** 20),
          killed: ledger.killed,
          wrong: ledger.wrong.length,
          seconds: Math.round((performance.now() - start) / 1000),
          'not run': notRun || '-',
        });
        expect(ledger.wrong).toEqual([]);
        // Ours offer protocol 2, and take it up with whoever knows it.
        const isOfOurs = cell.client === cell.server || name === OUR_NAME;
        expect(spoken).toEqual([isOfOurs ? 2 : 1]);
        expect(ledger.killed).toBe(2 * KILLED.connections);
        if (notRun === '') expect(ledger.connections).toBe(count);
      },
      120_000,
    );

    const drawMixed = (seed: number): Iterable<Flow> =>
      drawFlows(MIXED.connections, randomOf(seed), MIXED.bytes);

    /** The version that ours speak with theirs. */
    const withTheirs = async (theirs: PeerProgram): Promise<1 | 2> =>
      (await theirs.hello()).name === OUR_NAME ? 2 : 1;

    it.each<Wire>(['plain ws', 'self-signed'])(
      'a client of theirs and one of ours use one server of ours at once, each by its own protocol, over %s',
      async (wire) => {
        await using theirs = await PeerProgram.start({ ca: pem('ca') });
        await using ours = new OwnPeer({ ca: pem('ca') });
        const { server, client: ourClient } = await open(ours, ours, wire, { capacity: 4 * CAPACITY });
        const theirClient = await theirs.client({ address: `127.0.0.1:${server.port}`, tls: tlsOf(wire), capacity: CAPACITY });
        const [forOurs, forTheirs] = [new Ledger(), new Ledger()];
        // Who takes any must know whose it is.
        await Promise.all([
          runAll(forOurs, { server, client: ourClient, early: 0 }, 'client first', drawMixed(SEED)),
          runAll(forTheirs, { server, client: theirClient, early: 0 }, 'client first', drawMixed(SEED + 1)),
        ]);
        expect([...forOurs.wrong, ...forTheirs.wrong]).toEqual([]);
        expect([forOurs.connections, forTheirs.connections]).toEqual([MIXED.connections, MIXED.connections]);
        expect([[...forOurs.spoken], [...forTheirs.spoken]]).toEqual([[2], [await withTheirs(theirs)]]);
        await theirClient.close();
      },
      120_000,
    ); // prettier-ignore

    it('a client of ours goes from a server of theirs to one of ours in its place, and so to protocol 2', async () => {
      await using theirs = await PeerProgram.start({ ca: pem('ca') });
      await using ours = new OwnPeer({ ca: pem('ca') });
      const before = await open(theirs, ours, 'own CA');
      const ledger = new Ledger();
      await runAll(ledger, before, 'server first', drawMixed(SEED));
      expect([...ledger.spoken]).toEqual([await withTheirs(theirs)]);
      await before.server.close();
      const server = await ours.server({
        capacity: 2 * CAPACITY,
        port: before.server.port,
        ...filesOf('own CA'),
      });
      ledger.spoken.clear();
      await runAll(ledger, { ...before, server }, 'server first', drawMixed(SEED));
      expect([...ledger.spoken]).toEqual([2]);
      expect([ledger.wrong, ledger.connections]).toEqual([[], 2 * MIXED.connections]);
    }, 120_000);
  },
);
