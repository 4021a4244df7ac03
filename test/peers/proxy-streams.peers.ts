import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { PoolConnection } from 'nestjs-npws';
import { takeBoth } from '../support/pair.js';
import { bytesOf, digestOf, outcomeOf } from '../support/raw-bytes.js';
import { describeWith } from './find-program.js';
import { exchange } from './exchange.js';
import { openAllWays, type Way } from './proxied.js';
import { KINDS } from './proxy.js';

const MiB = 1024 * 1024;

/** How many streams are cut at each end of each way. */
const CUTS = 10;

const WAYS = KINDS.flatMap((kind) => [`${kind}, TLS ended`, `${kind}, TLS passed through`]);
const ENDS = WAYS.flatMap((way): [string, 'client' | 'server'][] => [
  [way, 'client'],
  [way, 'server'],
]);

describeWith(...KINDS)('a stream through a proxy', () => {
  let all: Awaited<ReturnType<typeof openAllWays>>;

  beforeAll(async () => {
    all = await openAllWays({});
  });

  afterAll(async () => {
    await all[Symbol.asyncDispose]();
  });

  function wayOf(name: string): Way {
    const way = all.ways.find((candidate) => candidate.name === name);
    if (!way) throw new Error(`no way is named ${name}`);
    return way;
  }

  /** A connection's end on one side, and the far one. */
  async function take(name: string, end: 'client' | 'server'): Promise<[PoolConnection, PoolConnection]> {
    const { atServer, atClient } = await takeBoth(wayOf(name));
    return end === 'client' ? [atClient, atServer] : [atServer, atClient];
  }

  it.each(WAYS)('carries 64 MiB each way at once (%s)', async (name) => {
    const [a, b] = await take(name, 'client');
    const { sent, received } = await exchange(a, b, 64 * MiB);
    expect(received).toEqual(sent);
    const outcomes = Promise.all([outcomeOf(a), outcomeOf(b)]);
    a.end();
    expect((await outcomes).map(({ bytes, error }) => [bytes.length, error])).toEqual([[0, null], [0, null]]);
  }, 120_000); // prettier-ignore

  it.each(ENDS)('ends cleanly after all bytes (%s, ended by the %s)', async (name, end) => {
    const [near, far] = await take(name, end);
    const bytes = bytesOf(MiB);
    const outcome = outcomeOf(far);
    near.end(bytes);
    near.resume();
    const { bytes: read, ended, error } = await outcome;
    expect([digestOf(read), ended, error]).toEqual([digestOf(bytes), true, null]);
  });

  it.each(ENDS)('that is cut is an error at the far end, after a prefix (%s, cut by the %s)', async (name, end) => {
    const bytes = bytesOf(8 * MiB);
    let cuts = 0;
    for (let i = 0; i < CUTS; i++) {
      const [near, far] = await take(name, end);
      const outcome = outcomeOf(far);
      near.write(bytes);
      // At once, and in the middle of the bytes.
      if (i > 0) await once(far, 'data');
      near.destroy();
      const { bytes: read, ended, error } = await outcome;
      expect([ended, error?.code]).toEqual([false, 'ERR_NPWS_TRUNCATED']);
      expect(digestOf(read)).toBe(digestOf(bytes.subarray(0, read.length)));
      cuts++;
    }
    expect(cuts).toBe(CUTS);
  }, 60_000); // prettier-ignore
});
