import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PingMode } from '../../lib/core/pool-options.js';
import { KeepAlive } from '../../lib/transport/keep-alive.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { Dice } from '../support/dice.js';

const PERIOD = 10_000;
const PONG_DEADLINE = 10_000;

/** An idle link and its peer. */
class Idle {
  readonly clock = new FakeClock();
  readonly pings: number[] = [];
  bytes = 0;
  isPaused = false;
  mayBeStuck = false;
  lostAt: number | null = null;
  /** How long the peer takes to answer a ping; null: never. */
  answersAfter: number | null = 1;
  /** How long pongs took, as far as they were timed. */
  readonly roundTrips: number[] = [];
  readonly watch: KeepAlive;

  constructor(
    mode: PingMode = 'auto',
    random: () => number = () => 0x8000_0000,
    period = PERIOD,
    isReader = false,
  ) {
    this.watch = new KeepAlive(
      {
        bytesRead: () => this.bytes,
        isPaused: () => this.isPaused,
        mayBeStuck: () => this.mayBeStuck,
        ping: () => {
          this.#ping();
        },
        pinged: (since) => {
          this.roundTrips.push(this.clock.now() - since);
        },
        lost: () => {
          this.lostAt ??= this.clock.now();
          this.watch.stop();
        },
      },
      { period, mode },
      this.clock,
      random,
    );
    this.watch.start(isReader);
  }

  /** Bytes that the kernel holds are read: called after a stall. */
  pong(): void {
    this.bytes += 2;
    this.watch.ponged();
  }

  #ping(): void {
    this.pings.push(this.clock.now());
    if (this.answersAfter === null) return;
    this.clock.after(this.answersAfter, () => {
      this.pong();
    });
  }
}

describe('an idle connection', () => {
  it('is pinged early once, to learn whether its peer answers while idle', () => {
    const idle = new Idle();
    idle.clock.advance(1_000);
    expect(idle.pings).toHaveLength(1);
  });

  it('whose peer answers is pinged whenever it has been quiet for a period, and no more often', () => {
    const idle = new Idle();
    idle.clock.advance(1_000);
    idle.clock.advance(10 * PERIOD);
    expect(idle.pings.length).toBeGreaterThanOrEqual(10);
    expect(idle.pings.length).toBeLessThanOrEqual(14);
    expect(idle.lostAt).toBeNull();
  });

  it('times its pongs, from the first ping that has none', () => {
    const idle = new Idle('always');
    idle.answersAfter = null;
    idle.clock.advance(2 * PERIOD);
    const [first] = idle.pings;
    expect(idle.pings.length).toBeGreaterThan(1);
    idle.pong();
    expect(idle.roundTrips).toEqual([idle.clock.now() - (first ?? 0)]);
    idle.answersAfter = 40;
    idle.clock.advance(2 * PERIOD);
    expect(idle.roundTrips.slice(1)).toEqual(idle.roundTrips.slice(1).fill(40));
    expect(idle.roundTrips.length).toBeGreaterThan(1);
  });

  it('times no pong of a peer that may not have been reading', () => {
    const idle = new Idle();
    idle.answersAfter = null;
    idle.clock.advance(1_000);
    idle.watch.inUse();
    idle.clock.advance(60_000);
    idle.pong();
    expect(idle.roundTrips).toEqual([]);
  });

  it('is not pinged while its peer sends by itself', () => {
    const idle = new Idle();
    idle.clock.advance(1_000);
    for (let second = 0; second < 100; second++) {
      idle.clock.advance(1_000);
      idle.watch.heard();
    }
    expect(idle.pings).toHaveLength(1);
  });

  it('whose peer never answers gets that one ping and is left to TCP keep-alive', () => {
    const idle = new Idle();
    idle.answersAfter = null;
    idle.clock.advance(100 * PERIOD);
    expect(idle.pings).toHaveLength(1);
    expect(idle.lostAt).toBeNull();
  });

  it('whose peer has answered and is cut off is lost within a period, the deadline and half a second', () => {
    fc.assert(
      fc.property(fc.nat({ max: 0xffff_ffff }), fc.integer({ min: 2_000, max: 60_000 }), (draw, cutAt) => {
        const idle = new Idle('auto', () => draw);
        idle.clock.advance(cutAt);
        idle.answersAfter = null;
        // A pong that was on its way still comes.
        idle.clock.advance(PERIOD + PONG_DEADLINE + 500);
        expect(idle.lostAt).not.toBeNull();
      }),
    );
  });

  it('is never given up because our own event loop stood still', () => {
    let stalls = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 12_000 }), fc.integer({ min: 50, max: 5_000 })), {
          minLength: 1,
          maxLength: 20,
        }),
        (steps) => {
          const idle = new Idle();
          idle.clock.advance(2_000);
          for (const [run, stall] of steps) {
            idle.clock.advance(run);
            const pinged = idle.pings.length;
            // Timers run before sockets are read, so a pong that came meanwhile is seen only afterwards.
            idle.answersAfter = null;
            idle.clock.stall(stall);
            idle.clock.advance(0);
            stalls++;
            if (idle.pings.length > pinged) idle.pong();
            idle.answersAfter = 1;
            idle.pong();
          }
          expect(idle.lostAt).toBeNull();
        },
      ),
      { numRuns: 1_000 },
    );
    expect(stalls).toBeGreaterThan(5_000);
  });

  it('is never given up while its peer is well: ten thousand, whatever holds both up', () => {
    const seen = {
      links: 0,
      stalls: 0,
      'stalls beyond the deadline': 0,
      'slow pongs': 0,
      'peer stopped': 0,
      'we stopped reading': 0,
      pings: 0,
      lost: 0,
    };
    for (; seen.links < 10_000; seen.links++) {
      const dice = new Dice(seen.links);
      const idle = new Idle('auto', () => dice.next(), PERIOD, dice.percent(50));
      idle.clock.advance(2_000);
      for (let step = 0; step < 20; step++) {
        const held = dice.pick(['stalls', 'slow pongs', 'peer stopped', 'we stopped reading'] as const);
        seen[held]++;
        const before = idle.pings.length;
        idle.answersAfter = null;
        if (held === 'stalls') {
          // A pong may be under way when our loop stops, and be due before it goes on.
          while (idle.pings.length === before && idle.lostAt === null) idle.clock.advance(PERIOD / 20);
          const asked = idle.pings.at(-1) ?? NaN;
          idle.clock.advance(dice.below(asked + PONG_DEADLINE - 100 - idle.clock.now()));
          idle.clock.stall(50 + dice.below(4_950));
          if (idle.clock.now() > asked + PONG_DEADLINE) seen['stalls beyond the deadline']++;
          idle.clock.advance(0);
        } else if (held === 'slow pongs') {
          idle.answersAfter = 1 + dice.below(PONG_DEADLINE - 100);
          idle.clock.advance(dice.below(2 * PERIOD));
        } else if (held === 'peer stopped') {
          idle.clock.advance(dice.below(PONG_DEADLINE - 100));
        } else {
          idle.isPaused = true;
          idle.clock.advance(dice.below(3 * PERIOD));
          idle.isPaused = false;
        }
        // What was held up comes.
        if (held !== 'slow pongs' && idle.pings.length > before) idle.pong();
        idle.answersAfter = 1;
        idle.pong();
      }
      seen.pings += idle.pings.length;
      if (idle.lostAt !== null) seen.lost++;
    }
    expect(seen.lost).toBe(0);
    expect(Math.min(...Object.values({ ...seen, lost: Infinity }))).toBeGreaterThanOrEqual(10_000);
  });

  it.each([1, 100, 5_000, 9_900])('whose peer answers after %p ms stays', (delay) => {
    const idle = new Idle();
    idle.clock.advance(2_000);
    idle.answersAfter = delay;
    idle.clock.advance(20 * PERIOD);
    expect(idle.lostAt).toBeNull();
  });

  it('is not pinged while it was us who stopped reading', () => {
    const idle = new Idle();
    idle.clock.advance(2_000);
    idle.isPaused = true;
    idle.answersAfter = null;
    idle.clock.advance(10 * PERIOD);
    expect(idle.pings).toHaveLength(1);
    expect(idle.lostAt).toBeNull();
  });

  it('spreads its pings: ten thousand links do not send at once', () => {
    const buckets = new Map<number, number>();
    let draw = 0;
    for (let link = 0; link < 10_000; link++) {
      const idle = new Idle('auto', () => (draw = (draw * 1_103_515_245 + 12_345) % 0x1_0000_0000));
      idle.clock.advance(1_000);
      idle.clock.advance(PERIOD);
      const second = idle.pings[1] ?? NaN;
      const bucket = Math.floor(second / 100);
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
    }
    expect(Math.max(...buckets.values())).toBeLessThan(1_000);
  });

  it("with 'always' is pinged each period although its peer never answers, and never given up for it", () => {
    const idle = new Idle('always');
    idle.answersAfter = null;
    idle.clock.advance(20 * PERIOD);
    expect(idle.pings.length).toBeGreaterThanOrEqual(20);
    expect(idle.pings.length).toBeLessThanOrEqual(26);
    expect(idle.lostAt).toBeNull();
  });

  it.each([1_000, 25_000, 600_000])('with a period of %p ms is lost as soon as that allows', (period) => {
    const idle = new Idle('auto', () => 0xffff_ffff, period);
    idle.clock.advance(1_000);
    idle.answersAfter = null;
    const cutAt = idle.clock.now();
    idle.clock.advance(period + Math.min(period, PONG_DEADLINE) + 500);
    expect(idle.lostAt).toBeGreaterThan(cutAt + period / 2);
  });

  it('that we stopped reading is not given up for a pong that we did not read', () => {
    const idle = new Idle();
    idle.clock.advance(2_000);
    idle.answersAfter = null;
    idle.clock.advance(PERIOD);
    expect(idle.pings).toHaveLength(2);
    idle.isPaused = true;
    idle.clock.advance(10 * PERIOD);
    expect(idle.lostAt).toBeNull();
    idle.isPaused = false;
    idle.clock.advance(2 * PERIOD + PONG_DEADLINE);
    expect(idle.lostAt).not.toBeNull();
  });

  it("with 'off' is never pinged", () => {
    const idle = new Idle('off');
    idle.clock.advance(100 * PERIOD);
    expect(idle.pings).toEqual([]);
    expect(idle.clock.pending).toBe(0);
  });
});

describe('a connection in use', () => {
  it('is watched no more', () => {
    const idle = new Idle();
    idle.clock.advance(2_000);
    idle.watch.inUse();
    idle.clock.advance(10 * PERIOD);
    expect(idle.pings).toHaveLength(1);
    expect(idle.clock.pending).toBe(0);
  });

  it("with 'always' is pinged on, for the proxies, but not held to pongs", () => {
    const idle = new Idle('always');
    idle.clock.advance(2_000);
    idle.watch.inUse();
    idle.answersAfter = null;
    idle.clock.advance(10 * PERIOD);
    expect(idle.pings.length).toBeGreaterThanOrEqual(10);
    expect(idle.lostAt).toBeNull();
    idle.watch.stop();
    expect(idle.clock.pending).toBe(0);
  });

  it("with 'always' is pinged also while we do not read: a proxy sees only our bytes then", () => {
    const idle = new Idle('always');
    idle.isPaused = true;
    idle.answersAfter = null;
    idle.clock.advance(20 * PERIOD);
    expect(idle.pings.length).toBeGreaterThanOrEqual(15);
    expect(idle.lostAt).toBeNull();
  });
});

describe('a peer that reads at all times', () => {
  const reader = (draw = 0x8000_0000): Idle => new Idle('auto', () => draw, PERIOD, true);

  it('is pinged when it has been quiet for a period, without a first ping to learn', () => {
    const idle = reader();
    idle.clock.advance(PERIOD * 0.8 - 1);
    expect(idle.pings).toEqual([]);
    idle.clock.advance(10 * PERIOD);
    expect(idle.pings.length).toBeGreaterThanOrEqual(9);
    expect(idle.lostAt).toBeNull();
  });

  it('is lost within a period, the deadline and half a second of its last sign of life, idle or in use', () => {
    fc.assert(
      fc.property(fc.nat({ max: 0xffff_ffff }), fc.integer({ min: 0, max: 60_000 }), (draw, cutAt) => {
        const idle = reader(draw);
        idle.clock.advance(cutAt);
        idle.watch.heard();
        idle.answersAfter = null;
        idle.clock.advance(PERIOD + PONG_DEADLINE + 500);
        expect(idle.lostAt).not.toBeNull();
      }),
    );
  });

  it('is neither pinged nor held while our bytes may keep it from reading', () => {
    const idle = reader();
    idle.answersAfter = null;
    idle.mayBeStuck = true;
    idle.clock.advance(20 * PERIOD);
    expect([idle.pings.length, idle.lostAt]).toEqual([0, null]);
    // The next use begins: nothing of ours is with the peer.
    idle.mayBeStuck = false;
    idle.clock.advance(PERIOD + PONG_DEADLINE + 500);
    expect(idle.lostAt).not.toBeNull();
  });

  it('is not given up while it is us who do not read', () => {
    const idle = reader();
    idle.clock.advance(PERIOD);
    const pinged = idle.pings.length;
    idle.answersAfter = null;
    idle.isPaused = true;
    idle.clock.advance(20 * PERIOD);
    expect([idle.pings.length, idle.lostAt]).toEqual([pinged, null]);
  });

  it('is pinged with `always` although our bytes may keep it from reading, and not held', () => {
    const idle = new Idle('always', () => 0x8000_0000, PERIOD, true);
    idle.mayBeStuck = true;
    idle.answersAfter = null;
    idle.clock.advance(10 * PERIOD);
    expect(idle.pings.length).toBeGreaterThanOrEqual(9);
    expect(idle.lostAt).toBeNull();
  });
});
