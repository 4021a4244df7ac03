import type { Look } from './orders.js';
import { type Reading, type Slope, slopeOf, type Verdict, verdictOf } from './slope.js';
import type { Vitals } from './vitals.js';

/** What both processes told at one time of the run. */
export interface Sample {
  /** Since the load began. */
  readonly seconds: number;
  readonly server: Look;
  readonly client: Look;
}

export const ROLES = ['server', 'client'] as const;

/** How fast memory may grow, in MiB. */
const LIMIT = { perHour: 1, inAll: 0.25 };

/** How fast resident memory may grow in the second half, in MiB an hour: allocators keep what they have had, but not ever more. */
export const RESIDENT_LIMIT = 64;

/** How fast the numbers of a process grew. */
export interface Growth {
  readonly role: (typeof ROLES)[number];
  /** Memory in use, in MiB. */
  readonly memory: Slope;
  readonly verdict: Verdict;
  readonly resident: Slope;
  /** Whether resident memory still grows, beyond doubt, in the second half. */
  readonly isBloated: boolean;
  readonly descriptors: Slope;
  readonly timers: Slope;
  /** At the end, in MiB. */
  readonly last: number;
}

/** Uses that are over and were whole at both ends. */
export function usesOf({ server, client }: Sample): number {
  return Math.min(server.whole, client.whole);
}

/** How it goes, in a line. */
export function lineOf(now: Sample, before: Sample | undefined): string {
  const rate = (usesOf(now) - (before ? usesOf(before) : 0)) / (now.seconds - (before?.seconds ?? 0));
  const processes = ROLES.map((role) => `${role} ${vitalsLine(now[role].vitals)}`);
  const idle = `${now.server.idle}/${now.client.idle} idle`;
  return `${now.seconds.toFixed(0)} s: ${usesOf(now)} uses, ${rate.toFixed(1)}/s, ${idle}; ${processes.join('; ')}`;
}

/** How fast what each process holds grew from `warmUp` seconds on. */
export function growthsOf(samples: readonly Sample[], warmUp: number): Growth[] {
  const counted = samples.filter(({ seconds }) => seconds >= warmUp);
  return ROLES.map((role) => {
    const series = (of: (vitals: Vitals) => number | null): Reading[] =>
      counted.map((sample) => ({ at: sample.seconds / 3_600, value: of(sample[role].vitals) ?? NaN }));
    const memory = series((vitals) => vitals.memory);
    const resident = series((vitals) => vitals.resident);
    const late = slopeOf(resident.slice(Math.floor(resident.length / 2)));
    return {
      role,
      memory: slopeOf(memory),
      verdict: verdictOf(memory, LIMIT),
      resident: slopeOf(resident),
      isBloated: late.perHour - late.error > RESIDENT_LIMIT,
      descriptors: slopeOf(series(({ descriptors }) => descriptors)),
      timers: slopeOf(series(timersOf)),
      last: memory.at(-1)?.value ?? NaN,
    };
  });
}

export function growthLine({ role, last, memory, verdict, resident, descriptors, timers }: Growth): string {
  const words = {
    grows: `grows by more than ${LIMIT.perHour} MiB/h`,
    flat: `no more than ${LIMIT.perHour} MiB/h`,
    unproven: `whether it is more than ${LIMIT.perHour} MiB/h takes a longer run to tell`,
  };
  const beside = `resident ${slopeText(resident)} MiB/h, descriptors ${slopeText(descriptors)}/h, timers ${slopeText(timers)}/h`;
  return `${role}: memory ${last.toFixed(2)} MiB, ${slopeText(memory)} MiB/h: ${words[verdict]}; ${beside}`;
}

function slopeText({ perHour, error }: Slope): string {
  if (Number.isNaN(perHour)) return 'n/a';
  return `${perHour < 0 ? '' : '+'}${perHour.toFixed(2)} ± ${error.toFixed(2)}`;
}

function vitalsLine(vitals: Vitals): string {
  const { memory, resident, descriptors, resources, delay } = vitals;
  const active = Object.values(resources).reduce((sum, count) => sum + count, 0);
  return [
    `${memory.toFixed(2)} MiB (resident ${resident.toFixed(0)})`,
    `${descriptors ?? 'n/a'} descriptors`,
    `${active} active (${timersOf(vitals)} timers)`,
    `p99 ${delay.toFixed(1)} ms`,
  ].join(', ');
}

function timersOf({ resources }: Vitals): number {
  return resources['Timeout'] ?? 0;
}
