/** Several of a kind that are used and disposed of together. */
export class All<T extends AsyncDisposable> implements AsyncDisposable {
  constructor(readonly each: readonly T[]) {}

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.each.map((one) => one[Symbol.asyncDispose]()));
  }
}
