import type { Child, Handlers } from './child.js';
import type { Credentials } from './credentials.js';
import { quantile } from './quantile.js';

/** A figure that each run of each side gives. */
export interface Metric {
  /** What it is, in a word or two, and its name in a row: `fill-cpu`. The first of a contest has the contest's name. */
  readonly key: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

/** What one run of one side gave, by the keys of the metrics. */
export type Sample = Readonly<Record<string, number>>;

/** One of those who do the same work. */
export interface Side {
  readonly name: string;
  /** Starts its processes, for one run. */
  start(): Promise<Running>;
}

/** A side that is ready to do its work. Disposed of, its processes are gone. */
export interface Running extends AsyncDisposable {
  /** Those of its processes that can be profiled. */
  readonly children: Readonly<Record<string, Child<Handlers>>>;
  /** Does the work, or about this share of it, and checks what came of it. Rejects when it is wrong. */
  measure(share: number): Promise<Sample>;
}

/** A side whose work is done by what `start` starts. */
export function side<W extends Omit<Running, 'measure'>>(
  name: string,
  start: () => W | Promise<W>,
  measure: (workers: W, share: number) => Promise<Sample>,
): Side {
  return {
    name,
    async start() {
      const workers = await start();
      return {
        children: workers.children,
        measure: (share) => measure(workers, share),
        [Symbol.asyncDispose]: () => workers[Symbol.asyncDispose](),
      };
    },
  };
}

/** What is to be reached: a bound for a metric of ours, or for its ratio to that of a peer. */
export interface Target {
  readonly metric: string;
  /** Null: the figure itself is bounded. */
  readonly peer: string | null;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Works that are compared: who does them, what is measured, what is to be reached. */
export interface Contest {
  readonly name: string;
  /** The work, for people. */
  readonly work: string;
  readonly metrics: readonly [Metric, ...Metric[]];
  readonly targets: readonly Target[];
  /** How much of the work is done before the measurement, as a share of it: code gets faster. A quarter, unless told. */
  readonly warmUp?: number;
  /** Who takes part, ours first. */
  sides(bench: Bench): readonly Side[];
}

/** What a contest needs to know of the benchmark that it is part of. */
export interface Bench {
  /** The amount of work: for a measurement, or for a quick look. */
  amount(full: number, quick: number): number;
  readonly credentials: Credentials;
  /** Those that need Go, if it is there. */
  inGo(sides: readonly Side[]): readonly Side[];
}

/** All samples of a contest: for each side, run by run. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/**
 * Measures every side in each run, another one first each time, so that a slow minute of the machine hits all. Each time
 * with processes of its own: memory and code happen to lie better in some than in others.
 */
export async function takeTurns(
  { sides, warmUp = 0.25 }: { sides: readonly Side[]; warmUp?: number | undefined },
  runs: number,
  progress: (text: string) => void,
): Promise<Samples> {
  const samples = new Map<string, Sample[]>(sides.map(({ name }) => [name, []]));
  for (let run = 0; run < runs; run++) {
    const first = run % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      progress(`${side.name}, run ${run + 1} of ${runs}`);
      await using running = await side.start();
      if (warmUp > 0) await running.measure(warmUp);
      samples.get(side.name)?.push(await running.measure(1));
    }
  }
  return samples;
}

/** The median and the extremes of what was seen. */
export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/** What a metric of a contest came to. */
export interface Figures {
  readonly name: string;
  readonly work: string;
  readonly metric: Metric;
  readonly runs: number;
  readonly ours: Spread;
  readonly peers: Readonly<Record<string, Spread>>;
  /** Ours to each peer's, taken run by run. */
  readonly ratios: Readonly<Record<string, Spread>>;
  readonly targets: readonly Target[];
}

/** One `Figures` for each metric. The first side is ours. */
export function figuresOf(contest: Omit<Contest, 'sides'>, samples: Samples): Figures[] {
  const [[, own = []] = [], ...others] = samples;
  return contest.metrics.map((metric, index) => {
    const valueOf = (sample: Sample): number => sample[metric.key] ?? NaN;
    const peers: Record<string, Spread> = {};
    const ratios: Record<string, Spread> = {};
    for (const [name, theirs] of others) {
      const values = theirs.map(valueOf);
      if (values.every(Number.isNaN)) continue;
      peers[name] = spreadOf(values);
      ratios[name] = spreadOf(own.map((sample, run) => valueOf(sample) / (values[run] ?? NaN)));
    }
    return {
      name: index === 0 ? contest.name : `${contest.name}-${metric.key}`,
      work: contest.work,
      metric,
      runs: own.length,
      ours: spreadOf(own.map(valueOf)),
      peers,
      ratios,
      targets: contest.targets.filter((target) => target.metric === metric.key),
    };
  });
}

/** What a target bounds: the median of ours, or of its ratio; NaN when the peer did not run. */
export function reached({ ours, ratios }: Figures, { peer }: Target): number {
  return peer === null ? ours.median : (ratios[peer]?.median ?? NaN);
}

export function isMet(figures: Figures, target: Target): boolean {
  const value = reached(figures, target);
  return value >= (target.atLeast ?? -Infinity) && value <= (target.atMost ?? Infinity);
}

function spreadOf(values: readonly number[]): Spread {
  const [least = NaN, median = NaN, most = NaN] = [0, 0.5, 1].map((share) => quantile(values, share));
  return { least, median, most };
}
