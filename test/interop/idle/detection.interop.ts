import { expect, it } from '@jest/globals';
import { figures } from '../../support/figures.js';
import { NetworkNamespace } from '../../support/network-namespace.js';
import { OwnPool } from '../own-peer.js';
import { expectSameBytes } from '../same-bytes.js';
import { describeUnless } from '../../support/describe-unless.js';
import { obstacleToPeer } from '../driver.js';
import { describeWithPeer } from '../with-peer.js';
import { Facing, KEPT_ALIVE, type Role } from './facing.js';

const COUNT = 40;
const ROLES: Role[] = ['client', 'server'];

/** When everything else must be over. It is far quicker; how quick is printed. */
const DEADLINE = 10_000;

/** How long until each connection has had its one ping, which a Go peer leaves unread: 1 s at most. */
const LEARNT = 1_500;

const lines = figures();

function ms(since: number, until = performance.now()): string {
  return `${(until - since).toFixed(0)} ms`;
}

/** What ended the connections, and how often. */
function causes({ lost }: Facing): string {
  const counts = new Map<string, number>();
  for (const { cause } of lost)
    counts.set(cause || 'end of stream', (counts.get(cause || 'end of stream') ?? 0) + 1);
  return [...counts].map(([cause, count]) => `${count} x ${cause}`).join(', ');
}

/** How long from `since` until the last connection was lost. */
function allGone({ lost }: Facing, since: number): string {
  return ms(since, lost.at(-1)?.at);
}

/**
 * Takes one connection at both ends and moves bytes both ways: new ones work, none of the dead is handed out. Our end
 * chooses it, as a Go server would hand out a dead one that it has not noticed.
 */
async function use({ ours, theirs }: Facing): Promise<void> {
  const near = await new OwnPool(ours).incomingGet();
  const far = await theirs.outgoingGet(near.id);
  await expectSameBytes(near, far, 1_000);
}

describeWithPeer('an idle Go peer that is killed', () => {
  // Without a ping its kernel says FIN, with an unread one RST.
  it.concurrent.each(ROLES.flatMap((role) => [[role, 'off'] as const, [role, 'auto'] as const]))(
    "as a %s, ping '%s', is evicted; restarted, it is full again",
    async (role, ping) => {
      await using facing = await Facing.open(role, { count: COUNT, ours: { ping } });
      const { ours, peer, theirs } = facing;
      await new Promise((resolve) => setTimeout(resolve, LEARNT));
      expect(facing.lost).toEqual([]);
      const killed = performance.now();
      await peer.kill();
      await facing.untilLost(COUNT, DEADLINE);
      expect([ours.active(), ours.stats().evicted]).toEqual([0, COUNT]);
      const gone = allGone(facing, killed);
      const restarted = performance.now();
      await peer.restart();
      await facing.reopen(theirs.port);
      await facing.untilFull(DEADLINE);
      lines.push(
        `killed while idle, Go ${role}, ping '${ping}': all ${COUNT} gone after ${gone} (${causes(facing)}); ` +
          `from its new start to ${COUNT} idle: ${ms(restarted)}`,
      );
      await use(facing);
    },
    60_000,
  );
});

describeUnless(obstacleToPeer() ?? (await NetworkNamespace.obstacle()))(
  'an idle Go peer that is cut off without a word',
  () => {
    it.concurrent.each(ROLES)(
      'as a %s, is evicted when TCP keep-alive has found out; reachable again, it is replaced',
      async (role) => {
        await using network = await NetworkNamespace.create();
        await using facing = await Facing.open(role, { count: COUNT, network });
        await new Promise((resolve) => setTimeout(resolve, LEARNT));
        const cut = performance.now();
        await network.blackHole();
        await facing.untilLost(COUNT, KEPT_ALIVE);
        expect([facing.ours.active(), facing.ours.stats().evicted]).toEqual([0, COUNT]);
        expect(await network.countLost()).toBeGreaterThanOrEqual(COUNT);
        const gone = allGone(facing, cut);
        const healed = performance.now();
        await network.heal();
        // A Go client has not noticed, and dials only what it misses: it comes back when it is started anew.
        if (role === 'client') {
          await facing.peer.restart();
          await facing.reopen();
        }
        await facing.untilFull(3 * DEADLINE);
        lines.push(
          `cut off while idle, Go ${role}: all ${COUNT} gone after ${gone} (${causes(facing)}), ` +
            `${network.injected} packets lost; from the heal to ${COUNT} idle: ${ms(healed)}`,
        );
        await use(facing);
      },
      KEPT_ALIVE + 60_000,
    );

    it.concurrent.each(ROLES)(
      'as a %s, is evicted when it comes back without a memory of its connections',
      async (role) => {
        await using network = await NetworkNamespace.create();
        await using facing = await Facing.open(role, { count: COUNT, network });
        const { port } = facing.theirs;
        await new Promise((resolve) => setTimeout(resolve, LEARNT));
        const cut = performance.now();
        await network.blackHole();
        await facing.peer.restart(); // unread pings make its kernel say RST, once, into the hole
        await network.heal();
        expect(network.injected).toBeGreaterThanOrEqual(COUNT);
        await facing.reopen(port);
        await facing.untilLost(COUNT, KEPT_ALIVE);
        const gone = allGone(facing, cut);
        await facing.untilFull(DEADLINE);
        lines.push(
          `lost its memory while cut off, Go ${role}: all ${COUNT} gone after ${gone} (${causes(facing)})`,
        );
        await use(facing);
      },
      KEPT_ALIVE + 60_000,
    );
  },
);
