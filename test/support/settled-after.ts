/** Resolves so much later, when what has come in meanwhile is read too: a machine that stands still is no late pool. */
export function settledAfter(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), ms));
}
