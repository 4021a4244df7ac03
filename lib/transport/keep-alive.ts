import type { Cancel, Clock } from '../core/clock.js';
import type { PingMode } from '../core/pool-options.js';
import { between, type Random } from '../core/random.js';

/** How long a peer that is known to answer has for its pong, in milliseconds; a shorter ping period shortens it. */
const PONG_DEADLINE = 10_000;

/** After the deadline, how long to let input that the kernel holds be read first, in milliseconds. */
const LAST_LOOK = 100;

/** A last look that is later than this shows that our own event loop stood still, in milliseconds. */
const STALL = 50;

/** A link is quiet when nothing came for this share of a period. Pings are spread over the rest of it. */
const QUIET = 0.8;

/** How soon a new idle peer gets the one ping that shows whether it answers while idle, in milliseconds. */
const LEARN_WITHIN = 1_000;

/** TCP keep-alive begins after this much silence at the latest, in milliseconds. */
export const TCP_KEEP_ALIVE = 15_000;

/** The link as its watch sees it. */
export interface Watched {
  /** Bytes received so far, parts of frames included: any inbound byte is a sign of life. */
  bytesRead(): number;
  /** Whether it was us who stopped reading. */
  isPaused(): boolean;
  /** Whether bytes of ours may keep the peer from reading, because nobody there reads them. */
  mayBeStuck(): boolean;
  ping(): void;
  /** The pong to a ping of `since` has come. */
  pinged(since: number): void;
  /** Called when a peer that used to answer does not. */
  lost(): void;
}

/** When and whom to ping. */
export interface KeepAliveRules {
  /** The longest time between two signs of life, in milliseconds. */
  readonly period: number;
  readonly mode: PingMode;
}

/**
 * Watches a link. A peer that is known to read (it speaks protocol 2, or has answered a ping while idle) is pinged when
 * quiet and held to its pongs, unless its application may have stopped its reading. Any other gets one ping, early, to
 * learn what it does: a Go peer answers none while idle, and an unacknowledged ping would switch off the kernel's
 * keep-alive probes, which are all that finds such a peer dead.
 */
export class KeepAlive {
  #hasAsked = false;
  #answers = false;
  #isInUse = false;
  #isOver = false;
  #lastHeard = 0;
  /** When the first ping was sent that has no pong yet. */
  #pingedAt: number | undefined;
  #timer: Cancel | undefined;

  constructor(
    private readonly link: Watched,
    private readonly rules: KeepAliveRules,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** `isReader` when the peer reads at all times (protocol 2). */
  start(isReader: boolean): void {
    this.heard();
    if (this.rules.mode === 'off') return;
    this.#answers = this.#hasAsked = isReader;
    if (isReader) {
      this.#rest();
      return;
    }
    const soon = Math.min(LEARN_WITHIN, this.rules.period);
    this.#wait(between(this.random, soon / 2, soon));
  }

  /** A whole frame of any kind came in. */
  heard(): void {
    this.#lastHeard = this.clock.now();
  }

  ponged(): void {
    this.heard();
    if (!this.#isInUse) {
      this.#answers = true;
      if (this.#pingedAt !== undefined) this.link.pinged(this.#pingedAt);
    }
    this.#pingedAt = undefined;
  }

  /**
   * Protocol 1: from here on an application reads, or does not, so that nobody is held to pongs. Proxies may still want
   * pings.
   */
  inUse(): void {
    this.#isInUse = true;
    if (this.rules.mode === 'always') this.#rest();
    else this.stop();
  }

  /** Ends the watch for good. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.();
  }

  #wait(ms: number): void {
    this.#arm(ms, () => {
      this.#tick();
    });
  }

  /** Waits until the link has been quiet for about a period, never longer. */
  #rest(quietFor = 0): void {
    const { period } = this.rules;
    this.#wait(Math.max(0, between(this.random, period * QUIET, period) - quietFor));
  }

  #tick(): void {
    const quietFor = this.clock.now() - this.#lastHeard;
    if (this.#hasAsked && quietFor < this.rules.period * QUIET) {
      this.#rest(quietFor);
      return;
    }
    const mayAnswer = (this.#answers || !this.#hasAsked) && !this.link.mayBeStuck();
    // While we do not read, a peer's pings are stuck behind its bytes: a proxy sees only ours.
    if (this.rules.mode !== 'always' && (!mayAnswer || this.link.isPaused())) {
      this.#rest();
      return;
    }
    this.#hasAsked = true;
    this.#pingedAt ??= this.clock.now();
    this.link.ping();
    if (this.#answers && !this.#isInUse && !this.link.mayBeStuck()) this.#expectPong(this.link.bytesRead());
    else this.#rest();
  }

  #expectPong(bytesBefore: number): void {
    this.#arm(Math.min(PONG_DEADLINE, this.rules.period), () => {
      this.#lastLook(bytesBefore);
    });
  }

  /** A pong may lie in the kernel still: input is read before the verdict, and a stall of our own is nobody's fault. */
  #lastLook(bytesBefore: number): void {
    const due = this.clock.now() + LAST_LOOK;
    this.#arm(LAST_LOOK, () => {
      const isAlive = this.link.bytesRead() !== bytesBefore || this.link.isPaused();
      if (isAlive) this.#rest(this.clock.now() - this.#lastHeard);
      else if (this.clock.now() - due > STALL) this.#expectPong(bytesBefore);
      else this.link.lost();
    });
  }

  #arm(ms: number, callback: () => void): void {
    this.#timer?.();
    if (!this.#isOver) this.#timer = this.clock.after(ms, callback);
  }
}
