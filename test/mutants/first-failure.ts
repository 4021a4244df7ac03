import { TestEnvironment } from 'jest-environment-node';

/** What is used of an event of Jest's runner. */
interface TestEvent {
  readonly name: string;
  readonly test?: { readonly errors: readonly unknown[]; mode?: string | null };
}

/** Leaves out the rest of a file once a test of it has failed: a planted bug needs to be found only once. */
export default class FirstFailure extends TestEnvironment {
  #hasFailed = false;

  handleTestEvent({ name, test }: TestEvent): void {
    if (!test) return;
    if (name === 'test_done') this.#hasFailed ||= test.errors.length > 0;
    else if (name === 'test_start' && this.#hasFailed) test.mode = 'skip';
  }
}
