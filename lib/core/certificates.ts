import type { Cancel, Clock } from './clock.js';
import type { TlsUpdate } from './tls-options.js';

/** What the TLS of a pool's new connections is made of. */
export interface Certificates {
  /** How often the files behind it are to be looked at, in milliseconds; 0 when there is nothing to look at. */
  readonly reloadInterval: number;
  /** Uses these in new connections from now on; what is not named stays. Throws `NpwsOptionsError` and changes nothing. */
  update(tls: TlsUpdate): void;
  /** Reads the files. Resolves to whether they held something new, now in use. Rejects when it can't be used. */
  reload(): Promise<boolean>;
}

/** Who hears of files that have changed. */
export interface ReloadEvents {
  reloaded: () => void;
  /** What the files hold can't be used; what was in use stays. Told once. */
  failed: (message: string) => void;
}

/** Has the files of a pool's certificates read again and again, from `start` to `stop`. */
export class CertificateWatch {
  /** The next look; undefined when stopped. */
  #next: { cancel: Cancel } | undefined;
  /** What was wrong at the last look, and what of it was told. */
  #suspected: string | null = null;
  #told: string | null = null;

  constructor(
    private readonly certificates: Certificates,
    private readonly clock: Clock,
    private readonly events: ReloadEvents,
  ) {}

  /** Idempotent. */
  start(): void {
    if (this.certificates.reloadInterval > 0 && !this.#next) this.#wait();
  }

  /** Idempotent. */
  stop(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }

  #wait(): void {
    const cancel = this.clock.after(this.certificates.reloadInterval, () => void this.#look());
    this.#next = { cancel };
  }

  async #look(): Promise<void> {
    const current = this.#next;
    let isNew = false;
    let problem: string | null = null;
    try {
      isNew = await this.certificates.reload();
    } catch (error) {
      problem = (error as Error).message;
    }
    // Stopped meanwhile, or stopped and started.
    if (this.#next !== current) return;
    this.#wait();
    if (isNew) this.events.reloaded();
    this.#judge(problem);
  }

  /** A key and its certificate are written one after the other: what is wrong must still be so at the next look. */
  #judge(problem: string | null): void {
    const isNews = problem !== null && problem === this.#suspected && problem !== this.#told;
    this.#suspected = problem;
    if (problem === null) this.#told = null;
    if (!isNews) return;
    this.#told = problem;
    this.events.failed(problem);
  }
}
