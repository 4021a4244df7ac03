import { writeFile } from 'node:fs/promises';
import type { Profiler } from 'node:inspector';
import { basename } from 'node:path';
import { originOf } from './build.js';
import type { Bench, Contest } from './contest.js';

type CallFrame = Profiler.Profile['nodes'][number]['callFrame'];

const HEAVIEST = 10;

/** Measures our side of a contest once, writes a CPU profile of each of its processes, and prints what weighs most. */
export async function profileOf(
  contest: Contest,
  bench: Bench,
  progress: (text: string) => void,
): Promise<void> {
  const [side] = contest.sides(bench);
  if (!side) return;
  await using ours = await side.start();
  const children = Object.entries(ours.children);
  progress(`${contest.name}: warming up`);
  await ours.measure(1);
  for (const [, child] of children) await child.startProfile();
  progress(`${contest.name}: profiling`);
  await ours.measure(1);
  for (const [end, child] of children) {
    const profile = await child.stopProfile();
    const file = `${contest.name}-${end}.cpuprofile`;
    await writeFile(file, JSON.stringify(profile));
    progress('');
    console.log(`${contest.name}, ${end} (${file}):`);
    for (const [what, share] of heaviest(profile))
      console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${what}`);
    console.log();
  }
}

/** The functions in which most time was spent, without those that they called, and their shares of the busy time. */
export function heaviest({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): [string, number][] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [i, sample] of samples.entries()) {
    const name = names.get(sample) ?? '?';
    if (name === '(idle)') continue;
    const time = timeDeltas[i] ?? 0;
    busy += time;
    times.set(name, (times.get(name) ?? 0) + time);
  }
  const shares = [...times].map(([name, time]): [string, number] => [name, time / busy]);
  return shares.sort(([, one], [, other]) => other - one).slice(0, HEAVIEST);
}

function nameOf({ functionName, url, lineNumber, columnNumber }: CallFrame): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  return `${name} ${originOf(url, lineNumber, columnNumber) ?? `${basename(url)}:${lineNumber + 1}`}`;
}
