import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from './find-program.js';

/** How long a program may take to listen, in milliseconds. */
const START_TIMEOUT = 10_000;

/** A server program that runs in the foreground as a child of this process. `await using` ends it. */
export class Daemon implements AsyncDisposable {
  #output = '';
  readonly #exited: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (text: Buffer) => (this.#output += text.toString()));
    child.stderr?.on('data', (text: Buffer) => (this.#output += text.toString()));
    this.#exited = once(child, 'exit');
  }

  /** Starts a program and waits until it listens on `port`. */
  static async start(program: string, args: string[], port: number): Promise<Daemon> {
    const daemon = new Daemon(
      spawn(findProgram(program) ?? program, args, { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    const deadline = Date.now() + START_TIMEOUT;
    while (!(await isOpen(port))) {
      if (daemon.child.exitCode !== null || Date.now() > deadline) {
        await daemon[Symbol.asyncDispose]();
        throw new Error(`${program} does not listen:\n${daemon.#output}`);
      }
      await sleep(20);
    }
    return daemon;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    await this.#exited;
  }
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
