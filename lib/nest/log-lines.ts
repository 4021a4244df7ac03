import type { Logger } from '@nestjs/common';
import type { Cancel, Clock } from '../core/clock.js';
import type { LogKind, ResolvedLogOptions } from '../core/log-options.js';

/** How many lines of a kind are written in a window; what is more is counted. */
const MOST = 5;

/** How many lines that are not the first of their kind are written within a second, whatever their kinds. */
const BURST = 4;

/** How long a window is, in milliseconds. It begins with a line. */
const WINDOW = 60_000;

/** The lines of a kind since a window began. */
interface Window {
  readonly end: number;
  written: number;
  skipped: number;
  last: string;
  /** Set as soon as something is left out. */
  cancel?: Cancel;
}

/** Writes lines, each at the level of its kind, and not too many of one kind or at once: what was left out is told. */
export class LogLines {
  readonly #windows = new Map<LogKind, Window>();
  /** When the last of those were written. */
  readonly #recent: number[] = [];

  constructor(
    private readonly logger: Logger,
    private readonly levels: ResolvedLogOptions,
    private readonly clock: Clock,
  ) {}

  write(kind: LogKind, text: string): void {
    if (this.levels[kind] === false) return;
    const window = this.#windowOf(kind);
    if (window.written === 0 || (window.written < MOST && this.#hasRoom())) {
      window.written++;
      this.#put(kind, text);
      return;
    }
    window.skipped++;
    window.last = text;
    window.cancel ??= this.clock.after(window.end - this.clock.now(), () => {
      this.#tellSkipped(kind, window);
    });
  }

  /** Tells what was left out so far: nothing more will come. */
  end(): void {
    for (const [kind, window] of this.#windows) this.#tellSkipped(kind, window);
  }

  #windowOf(kind: LogKind): Window {
    const now = this.clock.now();
    const known = this.#windows.get(kind);
    if (known && now < known.end) return known;
    if (known) this.#tellSkipped(kind, known);
    const window: Window = { end: now + WINDOW, written: 0, skipped: 0, last: '' };
    this.#windows.set(kind, window);
    return window;
  }

  #tellSkipped(kind: LogKind, { skipped, last, cancel }: Window): void {
    cancel?.();
    this.#windows.delete(kind);
    if (skipped > 0) this.#put(kind, `${skipped} more lines like this were left out, the last: ${last}`);
  }

  #hasRoom(): boolean {
    const now = this.clock.now();
    if (now < (this.#recent.at(-BURST) ?? -Infinity) + 1_000) return false;
    this.#recent.push(now);
    if (this.#recent.length > BURST) this.#recent.shift();
    return true;
  }

  #put(kind: LogKind, text: string): void {
    const level = this.levels[kind];
    if (level !== false) this.logger[level](text);
  }
}
