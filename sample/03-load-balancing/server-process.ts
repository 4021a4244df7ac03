import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** How long a server may take to stop before it is killed, in milliseconds. */
const PATIENCE = 30_000;

/** The servers of this sample. */
export type ServerName = 'a' | 'b' | 'c';

/** A server in a process of its own. It comes back on the port where it was. */
export class ServerProcess {
  #child: ChildProcess | undefined;
  #onLost: (() => void) | undefined;

  constructor(
    readonly name: ServerName,
    readonly port: number,
    private readonly certificate: { readonly key: string; readonly cert: string },
  ) {}

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts the process and waits until its pool listens. */
  async start(): Promise<void> {
    // Detached: a Ctrl-C is for the front alone, which stops the servers when it has no more use for them.
    const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), {
      env: {
        ...process.env,
        SERVER_NAME: this.name,
        POOL_PORT: String(this.port),
        TLS_KEY: this.certificate.key,
        TLS_CERT: this.certificate.cert,
      },
      execArgv: ['--import', '@swc-node/register/esm-register'],
      detached: true,
    });
    this.#child = child;
    const failed = once(child, 'exit').then(() => {
      throw new Error(`server ${this.name} stopped before it was up (exit code ${child.exitCode})`);
    });
    await Promise.race([once(child, 'message'), failed]);
    failed.catch(() => undefined);
    child.once('exit', () => {
      if (this.#child === child) this.#onLost?.();
    });
  }

  /** Calls back when the process ends although nobody here asked it to. */
  onLost(callback: () => void): void {
    this.#onLost = callback;
  }

  /** Asks the process to stop and waits until it has. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** Ends the process without a chance to say goodbye. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    this.#child = undefined;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    await exited;
    clearTimeout(timer);
  }
}
