import { describe, expect, it } from '@jest/globals';
import { type Choice, leastUsed, roundRobin } from './strategies.js';

const a = { name: 'a', load: 0 };
const b = { name: 'b', load: 0 };
const c = { name: 'c', load: 0 };

describe('round robin', () => {
  it('takes each in its turn', () => {
    const strategy = roundRobin();
    const taken = Array.from({ length: 7 }, () => strategy([a, b, c])?.name);
    expect(taken.join('')).toBe('abcabca');
  });

  it('passes over one that is left out, which makes up for nothing when it is back', () => {
    const strategy = roundRobin();
    const choices = [
      [a, b, c],
      [a, c],
      [a, c],
      [a, c],
      [a, b, c],
      [a, b, c],
      [a, b, c],
      [a, b, c],
    ];
    expect(choices.map((some) => strategy(some)?.name).join('')).toBe('acacbacb');
  });

  it('takes none when there is none', () => {
    expect(roundRobin()<Choice>([])).toBeUndefined();
  });
});

describe('least used', () => {
  it('takes the least busy one', () => {
    const strategy = leastUsed();
    const busy = [
      { name: 'a', load: 0.3 },
      { name: 'b', load: 0.1 },
      { name: 'c', load: 0.2 },
    ];
    expect(Array.from({ length: 3 }, () => strategy(busy)?.name).join('')).toBe('bbb');
  });

  it('takes those that are equally busy in turn', () => {
    const strategy = leastUsed();
    const choices = [a, { name: 'busy', load: 0.1 }, b, c];
    expect(Array.from({ length: 6 }, () => strategy(choices)?.name).join('')).toBe('abcabc');
  });

  it('takes none when there is none', () => {
    expect(leastUsed()<Choice>([])).toBeUndefined();
  });
});
