import { afterAll, expect, it } from '@jest/globals';
import { PeerProgram } from '../driver.js';
import { describeWithPeer } from '../with-peer.js';
import { CLIENT_SCENARIOS } from './client-scenarios.js';
import type { Scenario } from './scenario.js';
import { SERVER_SCENARIOS } from './server-scenarios.js';
import { ours, type Subject, theirs } from './subject.js';

const SCENARIOS = [...SERVER_SCENARIOS, ...CLIENT_SCENARIOS].sort((a, b) => a.defect - b.defect);

/** How long a peer's scenario may take, in milliseconds: it would be killed then. */
const PATIENCE = 30_000;

interface Row {
  defect: number;
  scenario: string;
  peer: 'fails' | 'holds' | 'not run';
  peerFigure: string;
  ours: 'fails' | 'holds';
  ourFigure: string;
}

describeWithPeer('where NPWS fails, this project does not', () => {
  const rows: Row[] = [];

  afterAll(async () => {
    await using peer = await PeerProgram.start();
    const name = Object.values(await peer.hello())
      .filter((value) => typeof value === 'string')
      .join(', ');
    const failing = rows.filter(({ peer, ours }) => peer === 'fails' && ours === 'holds');
    const cells = [
      ['#', 'what must not happen', 'peer', '', 'ours', ''],
      ...rows.map((row) => Object.values(row).map(String)),
    ];
    const widths = [4, 78, 9, 46, 8, 0];
    const lines = cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(''));
    process.stderr.write(
      `\nThe peer is ${name}\n${lines.join('\n')}\n` +
        `In ${failing.length} of ${rows.length} scenarios the peer fails and this project does not.\n\n`,
    );
  });

  it.each(SCENARIOS)(
    'defect $defect, as a $role: $what',
    async (scenario) => {
      const peer = await outcomeOf(scenario, theirs);
      await using subject = await ours();
      const outcome = await scenario.run(subject);
      rows.push({
        defect: scenario.defect,
        scenario: `${scenario.what} (${scenario.role})`,
        peer: peer.verdict,
        peerFigure: peer.figure,
        ours: outcome.holds ? 'holds' : 'fails',
        ourFigure: outcome.figure,
      });
      expect(outcome).toEqual({ holds: true, figure: outcome.figure });
    },
    60_000,
  );
});

/** The peer's outcome is told, not asserted: what it cannot be asked did not run. */
async function outcomeOf(
  scenario: Scenario,
  start: () => Promise<Subject>,
): Promise<{ verdict: Row['peer']; figure: string }> {
  const subject = await start();
  const giveUp = setTimeout(() => void subject[Symbol.asyncDispose](), PATIENCE);
  try {
    const { holds, figure } = await scenario.run(subject);
    return { verdict: holds ? 'holds' : 'fails', figure };
  } catch (error) {
    return { verdict: 'not run', figure: (error as Error).message };
  } finally {
    clearTimeout(giveUp);
    await subject[Symbol.asyncDispose]();
  }
}
