import { memoryInUse } from '../support/memory.js';
import { nameOf, type Script } from './script.js';

/** The most that is shown in full. */
const SHOWN = 5;

/** After how many failures a run is given up. */
const HOPELESS = 20;

/** How much the memory in use may grow from the first quarter of a run to its end, in bytes. */
const GROWTH = 3 * 1024 * 1024;

/** What has gone wrong in a run, so that each case can be played again. */
export class Report {
  failed = 0;
  crashes = 0;

  constructor(private readonly seed: number) {}

  /** Whether enough is known: what fails again and again would take for ever. */
  get isHopeless(): boolean {
    return this.failed + this.crashes >= HOPELESS;
  }

  failure(where: string, script: Script | null, problems: readonly string[]): void {
    if (this.failed++ >= SHOWN) return;
    console.error(`\nFAILED ${where}:\n  ${problems.join('\n  ')}`);
    if (!script) return;
    const { index, bytes, cuts, ending, isDeaf } = script;
    const acts = script.acts.map(
      ({ after, use, what, size, reads }) => `${after}: ${what} ${use} ${size} ${reads}`,
    );
    console.error(`  again: npm run test:fuzz -- --seed ${this.seed} --only ${nameOf(script)}:${index}`);
    console.error(`  peer: ${JSON.stringify({ cuts, ending, isDeaf, acts })}`);
    console.error(`  bytes: ${bytes.toString('hex').slice(0, 4_000)}`);
  }

  crash(error: unknown, underWay: readonly (Script | null)[]): void {
    this.crashes++;
    console.error(`\nCRASH: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    for (const script of underWay) if (script) this.failure('while it ran', script, ['a crash']);
  }
}

/** Samples of the memory in use after a collection. */
export class MemoryTrend {
  readonly #samples: number[] = [];

  async sample(): Promise<void> {
    const { heapUsed, external } = await memoryInUse();
    this.#samples.push(heapUsed + external);
  }

  /** What grew between the first quarter and the end, in bytes. */
  get growth(): number {
    const from = this.#samples[Math.floor(this.#samples.length / 4)] ?? 0;
    return (this.#samples.at(-1) ?? 0) - from;
  }

  get isFlat(): boolean {
    return this.growth <= GROWTH;
  }

  toString(): string {
    const mib = this.#samples.map((bytes) => (bytes / 2 ** 20).toFixed(1));
    return `memory after collection, MiB: ${mib.join(' ')}; from the first quarter to the end ${(this.growth / 1024).toFixed(0)} KiB`;
  }
}

export function rateOf(what: string, count: number, since: number): string {
  const seconds = (performance.now() - since) / 1_000;
  return `${what}: ${count} executions in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} a second`;
}
