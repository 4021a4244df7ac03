import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Hardware addresses: ours, theirs, and one that nobody has. */
const HERE = '02:00:00:00:00:0a';
const THERE = '02:00:00:00:00:0b';
const NOBODY = '02:00:00:00:00:ff';

/**
 * A network of two hosts: this process and a namespace of its own, joined by a cable (veth). A cut here is what the
 * kernel of a real host sees: packets leave, and nothing comes back, neither FIN nor RST. `await using` removes all
 * of it; so does the end of this process. Needs Linux, root and iproute2.
 */
export class NetworkNamespace implements AsyncDisposable {
  /** Frames that were lost in the black hole, as their receivers counted them. */
  injected = 0;

  private constructor(
    private readonly holder: ChildProcess,
    private readonly device: string,
    /** The address of this process. Like `there`, of the range kept for tests (RFC 2544): no route leads to it. */
    readonly here: string,
    /** The address of who runs inside. */
    readonly there: string,
  ) {}

  /** Why there can be none on this machine, or null. */
  static async obstacle(): Promise<string | null> {
    try {
      await (await NetworkNamespace.create())[Symbol.asyncDispose]();
      return null;
    } catch (error) {
      const { message } = error as Error;
      return `no network namespace (Linux, root and iproute2 are needed): ${message.trim()}`;
    }
  }

  static async create(): Promise<NetworkNamespace> {
    // Without a name: it lives as long as its processes, and this one ends with its stdin.
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec cat'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let complaint = '';
    holder.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
    const opened = await Promise.race([
      once(holder.stdout, 'data').then(() => true),
      once(holder, 'close').then(() => false),
    ]);
    if (!opened) throw new Error(complaint || 'unshare failed');
    // Networks of 4 addresses: 2^14 of them.
    const number = randomInt(1 << 14);
    const network = `198.18.${number >> 6}.`;
    const first = (number & 63) * 4;
    const [here, there] = [network + String(first + 1), network + String(first + 2)];
    const namespace = new NetworkNamespace(holder, `npws${number}`, here, there);
    try {
      await namespace.#connect();
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw error;
    }
    return namespace;
  }

  /** What must stand before a command so that it runs inside. */
  get prefix(): string[] {
    return ['nsenter', `--net=/proc/${this.holder.pid ?? 0}/ns/net`, '--'];
  }

  /** Resolves when what this end has sent is acknowledged: what is not, TCP sends again for minutes, and probes nobody. */
  async untilAcknowledged(): Promise<void> {
    for (;;) {
      const { stdout } = await run('ss', ['-tnH', 'state', 'established', 'dst', this.there]);
      const unacknowledged = stdout.split('\n').map((socket) => Number(socket.trim().split(/\s+/)[1] ?? 0));
      if (unacknowledged.every((bytes) => bytes === 0)) return;
      await pause(10);
    }
  }

  /** From here on every packet is lost, both ways. */
  async blackHole(): Promise<void> {
    await this.#address(NOBODY, NOBODY);
  }

  /** Lets packets through again, and counts those that were lost. */
  async heal(): Promise<void> {
    await this.#address(HERE, THERE);
    await this.countLost();
  }

  /** Brings `injected` up to date. */
  async countLost(): Promise<number> {
    const show = ['ip', '-s', '-s', '-j', 'link', 'show'];
    const ends = [
      await this.#inside(...show, 'npws'),
      (await run('ip', [...show.slice(1), this.device])).stdout,
    ];
    const counts = ends.map((end) => {
      const [link] = JSON.parse(end) as { stats64: { rx: { otherhost?: number } } }[];
      return link?.stats64.rx.otherhost ?? 0;
    });
    return (this.injected = counts.reduce((sum, count) => sum + count));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.holder, 'close');
    await run('ip', ['link', 'del', this.device]).catch(() => undefined);
    if (this.holder.exitCode === null) {
      this.holder.stdin?.end();
      await gone;
    }
  }

  async #connect(): Promise<void> {
    const { device, here, there } = this;
    const pid = String(this.holder.pid);
    await run('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'npws', 'netns', pid]);
    await run('ip', ['addr', 'add', here, 'peer', there, 'dev', device]);
    await run('ip', ['link', 'set', device, 'address', HERE, 'up']);
    await this.#inside('ip', 'link', 'set', 'lo', 'up');
    await this.#inside('ip', 'addr', 'add', there, 'peer', here, 'dev', 'npws');
    await this.#inside('ip', 'link', 'set', 'npws', 'address', THERE, 'up');
    await this.#address(HERE, THERE);
  }

  /** Says where frames go. To a host that nobody is, they go and are lost: no error comes back, as no link is down. */
  async #address(here: string, there: string): Promise<void> {
    const to = (address: string, host: string, device: string): string[] => {
      return ['neigh', 'replace', address, 'lladdr', host, 'nud', 'permanent', 'dev', device];
    };
    await run('ip', to(this.there, there, this.device));
    await this.#inside('ip', ...to(this.here, here, 'npws'));
  }

  async #inside(...command: string[]): Promise<string> {
    const [program = '', ...args] = [...this.prefix, ...command];
    return (await run(program, args)).stdout;
  }
}
