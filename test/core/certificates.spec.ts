import { describe, expect, it } from '@jest/globals';
import { type Certificates, CertificateWatch } from '../../lib/core/certificates.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';

const INTERVAL = 10_000;

/** A watch whose next looks find what `found` says, one after the other: true for something new. */
class Rig {
  readonly clock = new FakeClock();
  readonly told: string[] = [];
  looks = 0;
  readonly watch: CertificateWatch;
  #looked: () => void = () => undefined;

  constructor(
    private readonly found: (boolean | string)[],
    reloadInterval = INTERVAL,
  ) {
    const certificates: Certificates = {
      reloadInterval,
      update: () => undefined,
      reload: () => {
        const next = this.found[this.looks++] ?? false;
        queueMicrotask(() => setImmediate(this.#looked));
        return typeof next === 'string' ? Promise.reject(new Error(next)) : Promise.resolve(next);
      },
    };
    this.watch = new CertificateWatch(certificates, this.clock, {
      reloaded: () => this.told.push('reloaded'),
      failed: (message) => this.told.push(message),
    });
  }

  /** Has the next look happen. */
  async look(): Promise<void> {
    const looked = new Promise<void>((resolve) => (this.#looked = resolve));
    this.clock.advance(INTERVAL);
    await looked;
  }
}

describe('the watch over certificate files', () => {
  it('looks once in each interval and tells what is new', async () => {
    const rig = new Rig([false, true, false, true]);
    rig.watch.start();
    rig.clock.advance(INTERVAL - 1);
    expect(rig.looks).toBe(0);
    rig.clock.advance(0);
    for (let i = 0; i < 4; i++) await rig.look();
    expect([rig.looks, rig.told]).toEqual([4, ['reloaded', 'reloaded']]);
  });

  it('tells a failure when it is still there at the next look, and once', async () => {
    const rig = new Rig(['mismatch', 'mismatch', 'mismatch', true, 'mismatch', 'mismatch']);
    rig.watch.start();
    await rig.look();
    expect(rig.told).toEqual([]);
    await rig.look();
    await rig.look();
    expect(rig.told).toEqual(['mismatch']);
    for (let i = 0; i < 3; i++) await rig.look();
    expect(rig.told).toEqual(['mismatch', 'reloaded', 'mismatch']);
  });

  it('does not tell of files that were being written', async () => {
    const rig = new Rig(['mismatch', true, 'no start line', 'mismatch', true]);
    rig.watch.start();
    for (let i = 0; i < 5; i++) await rig.look();
    expect(rig.told).toEqual(['reloaded', 'reloaded']);
  });

  it('leaves no timer when it is stopped, at a look neither, and tells nothing more', async () => {
    const rig = new Rig([true, true]);
    rig.watch.start();
    rig.watch.stop();
    expect(rig.clock.pending).toBe(0);
    rig.watch.start();
    const looked = rig.look();
    rig.watch.stop();
    await looked;
    expect([rig.clock.pending, rig.told]).toEqual([0, []]);
  });

  it('looks no oftener when it is started twice, or stopped and started during a look', async () => {
    const rig = new Rig([]);
    rig.watch.start();
    rig.watch.start();
    expect(rig.clock.pending).toBe(1);
    const looked = rig.look();
    rig.watch.stop();
    rig.watch.start();
    await looked;
    expect(rig.clock.pending).toBe(1);
  });

  it('never looks when there is nothing to look at', () => {
    const rig = new Rig([], 0);
    rig.watch.start();
    expect(rig.clock.pending).toBe(0);
  });
});
