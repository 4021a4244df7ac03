export default {
  // The same test file runs under Jest too.
  resolve: { alias: { '@jest/globals': 'vitest' } },
  test: { include: ['test/**/*.test.ts'] },
};
