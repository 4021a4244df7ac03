import { conclude, type Row } from './table.js';

/** What a sample runs: it is started, and can be stopped, also while it still starts. */
export interface Running {
  /** Brings back whatever part stops by itself. */
  supervise?(): void;
  stop(): Promise<void>;
}

/**
 * Runs a sample until it is told to stop by Ctrl-C or a signal; with `--check` only until its check is through, whose rows
 * are printed last.
 */
export async function live<R extends Running>(
  start: (isCheck: boolean) => Promise<R>,
  { show, check }: { show: (running: R) => unknown; check: (running: R) => Promise<readonly Row[]> },
): Promise<void> {
  const isCheck = process.argv.includes('--check');
  const starting = start(isCheck);
  let stopping: Promise<void> | undefined;
  // What could not start has stopped what it had started.
  const stop = (): Promise<void> =>
    (stopping ??= starting.then(
      (running) => running.stop(),
      () => undefined,
    ));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!stopping) console.log('\nStopping: what is under way may finish ...');
      void stop().then(() => process.exit(isCheck ? 1 : 0));
    });
  }
  try {
    const running = await starting;
    await show(running);
    if (!isCheck) {
      running.supervise?.();
      return;
    }
    const rows = await check(running);
    await stop();
    conclude(rows);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    await stop();
  }
}
