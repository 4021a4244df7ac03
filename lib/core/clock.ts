/** Takes back what was asked for. Harmless when it has already happened. */
export type Cancel = () => void;

/** Time as the pools see it. Tests pass one that they move by hand. */
export interface Clock {
  /** Milliseconds since some fixed moment. Never jumps: setting the wall clock does not move it. */
  now(): number;
  /** Calls back once, `ms` milliseconds from now. */
  after(ms: number, callback: () => void): Cancel;
}

/** The real clock: the only place of the core that knows real timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};
