import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { ClientPool, PoolConnection, ServerPool } from 'nestjs-npws';
import { resolveOptions } from '../../lib/core/options.js';
import { buildClientPool, buildServerPool } from '../../lib/create-pools.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { bytesOf } from '../support/raw-bytes.js';
import { acceptOf } from '../support/raw-peer.js';
import { MemorySocket } from './memory-socket.js';
import { ACCEPT, healthyScript, MAX_PAYLOAD, type Role, type Script, segmentsOf } from './script.js';
import { blankSeen, follow, judge, type Seen } from './verdict.js';

const SHARED = {
  protocol: 1,
  maxCapacity: 1,
  maxPayload: MAX_PAYLOAD,
  claimTimeout: 2_000,
  drainTimeout: 0,
} as const;

/** One turn of the event loop: all that follows from what was fed has happened. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A real pool with a clock of its own on sockets in memory; it is played one script after the other. */
export abstract class MemoryLane {
  protected readonly clock = new FakeClock();
  protected abstract readonly pool: ClientPool<PoolConnection> | ServerPool<PoolConnection>;
  abstract readonly role: Role;
  /** The script under way, for who has to tell of a crash. */
  current: Script | null = null;

  abstract start(): Promise<void>;

  /** The socket for the next script. Throws when the pool has no place for it. */
  protected abstract next(): Promise<MemorySocket>;

  /** Rejects unless a peer that behaves gets in and is understood to the last byte. */
  async checkHealth(): Promise<void> {
    const problems = await this.play(healthyScript(this.role));
    if (problems.length > 0) throw new Error(problems.join(', '));
  }

  close(): Promise<void> {
    const closed = this.pool.close();
    this.clock.advance(60_000);
    return closed;
  }

  /** Plays a script to its end, whatever that is, and tells what went wrong. */
  async play(script: Script): Promise<string[]> {
    this.current = script;
    const socket = await this.next();
    const seen = blankSeen(answered(script.bytes, socket.output));
    const onConnect = ({ id, peer }: { id: string; peer: string }): void => {
      if (!peer.endsWith(`:${socket.remotePort}`)) return;
      seen.id = id;
      if (script.isDeaf) socket.isDeaf = true;
      if (script.takeAfter === -1) this.#take(script, seen, 0);
    };
    this.pool.on('connect', onConnect);
    let fed = 0;
    for (const [i, segment] of segmentsOf(seen.sent, script.cuts).entries()) {
      socket.feed(segment);
      fed += segment.length;
      await turn();
      if (script.takeAfter === i && seen.id !== null) this.#take(script, seen, fed);
    }
    await turn();
    if (script.ending === 'fin') socket.feedEnd();
    if (script.ending === 'reset') socket.reset();
    for (let i = 0; i < 3; i++) await turn();
    seen.output = socket.output;
    const isMute =
      seen.connection !== null && seen.error === null && !seen.ended && script.ending !== 'silence';
    // What is owed to a reader after that is told within the time that a close may take.
    if (isMute) await this.#pass(1_000);
    const problems = judge(script, seen, true);
    this.pool.off('connect', onConnect);
    problems.push(...(await this.#leaveNothing(script, socket, seen)));
    return problems;
  }

  #take(script: Script, seen: Seen, fed: number): void {
    this.pool.outgoingGet(seen.id ?? '', 0).then(
      (connection) => {
        follow(seen, connection);
        seen.written = bytesOf(script.writes, script.index % 251);
        if (script.writes > 0) connection.write(seen.written);
      },
      () => (seen.missedAt = fed),
    );
  }

  /** Nobody is interested any more: within the deadlines nothing may remain of it. */
  async #leaveNothing(script: Script, socket: MemorySocket, seen: Seen): Promise<string[]> {
    // A writer whose peer takes nothing has to give up by itself.
    if (script.isDeaf) seen.connection?.destroy();
    else seen.connection?.end().resume();
    this.pool.flush();
    await turn();
    for (const ms of [12_000, 31_000, 1_000]) await this.#pass(ms);
    const { active, used, owed } = this.pool.stats();
    const problems: string[] = [];
    if (!socket.destroyed) problems.push('hangs: its socket is open after every deadline');
    if (seen.connection && !seen.connection.closed) problems.push('hangs: its connection is open after every deadline');
    if (active + used + owed > 0) problems.push(`left behind: ${active} active, ${used} used, ${owed} owed`);
    return [...problems, ...this.leftBehind()];
  } // prettier-ignore

  async #pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await turn();
    await turn();
  }

  protected leftBehind(): string[] {
    return [];
  }
}

/** A server pool whose clients come out of memory. */
export class ServerLane extends MemoryLane {
  readonly role = 'server';
  readonly #listener: Server = createServer();
  protected override readonly pool: ServerPool<PoolConnection>;

  constructor() {
    super();
    const { server } = resolveOptions({ server: { listener: this.#listener, ...SHARED } });
    if (!server) throw new Error('no server options');
    this.pool = buildServerPool('fuzz', server, { clock: this.clock });
  } // prettier-ignore

  override async start(): Promise<void> {
    this.#listener.listen(0, '127.0.0.1');
    await once(this.#listener, 'listening');
    await this.pool.start();
  }

  protected override next(): Promise<MemorySocket> {
    const socket = new MemorySocket();
    this.#listener.emit('connection', socket);
    return Promise.resolve(socket);
  }

  protected override leftBehind(): string[] {
    const { pending } = this.clock;
    return pending > 0 ? [`left behind: ${pending} timers`] : [];
  }
}

/** A client pool whose server comes out of memory. */
export class ClientLane extends MemoryLane {
  readonly role = 'client';
  #dials: MemorySocket[] = [];
  protected override readonly pool: ClientPool<PoolConnection>;

  constructor() {
    super();
    const { client } = resolveOptions({
      client: { ...SHARED, address: 'memory:1', tlsMode: 'none', dialTimeout: 5_000, minInterval: 5_000, maxInterval: 5_000, maxBackoff: 5_000 },
    });
    if (!client) throw new Error('no client options');
    this.pool = buildClientPool('fuzz', client, {
      clock: this.clock,
      connect: (_, connected) => {
        const socket = new MemorySocket();
        process.nextTick(connected);
        this.#dials.push(socket);
        return socket.asSocket();
      },
    });
  } // prettier-ignore

  override async start(): Promise<void> {
    await this.pool.start();
  }

  /** Waits for the pool to dial, as long as its longest pause. */
  protected override async next(): Promise<MemorySocket> {
    for (let waited = 0; waited < 100; waited++) {
      this.#dials = this.#dials.filter((socket) => !socket.destroyed);
      const socket = this.#dials.shift();
      if (socket?.output.includes('\r\n\r\n')) return socket;
      if (socket) this.#dials.unshift(socket);
      else this.clock.advance(500);
      await turn();
    }
    throw new Error('the client pool dials no more');
  }
}

/** The bytes of a script with the answer to the key that `request` bears. */
export function answered(bytes: Buffer, request: Buffer): Buffer {
  const at = bytes.indexOf(ACCEPT);
  const head = request.toString('latin1');
  if (at < 0 || !/^sec-websocket-key:/im.test(head)) return bytes;
  const result = Buffer.from(bytes);
  result.write(acceptOf(head), at, 'latin1');
  return result;
}
