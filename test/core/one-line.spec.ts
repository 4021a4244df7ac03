import { describe, expect, it } from '@jest/globals';
import { onOneLine } from '../../lib/core/one-line.js';

describe('a text from outside', () => {
  it.each([
    ['line breaks', 'a\r\nb', 'a\\u000d\\u000ab'],
    ['colours', '\u001b[31mred', '\\u001b[31mred'],
    ['what turns the direction of writing', 'a\u202eb', 'a\\u202eb'],
    ['tabs and nulls', 'tab\tnul\0', 'tab\\u0009nul\\u0000'],
    [
      'line breaks of Unicode',
      'next\u0085line\u2028and\u2029paragraph',
      'next\\u0085line\\u2028and\\u2029paragraph',
    ],
    ['characters that nobody sees, far out', 'a\u{e0041}b', 'a\\u{e0041}b'],
    ['128 characters', 'x'.repeat(128), 'x'.repeat(128)],
    ['129 characters', 'x'.repeat(129), `${'x'.repeat(128)}…`],
  ])('with %s stays on one line and within its length', (_, text, line) => {
    expect(onOneLine(text)).toBe(line);
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
  });
});
