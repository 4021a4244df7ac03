import type { ClientPool, PoolConnection, ServerPool } from 'nestjs-npws';
import { bytesOf } from '../support/raw-bytes.js';
import type { Act, Script } from './script.js';
import { blankUse, type Seen, type SeenUse } from './seen.js';

/** How much a slow reader reads at once, in bytes. */
const SIP = 700;

/** Who holds the connections of a fuzzed pool: does what the script says, and notes what comes of it. */
export class Application {
  /** How much the peer has sent. */
  fed = 0;
  readonly #slow = new Set<SeenUse>();

  constructor(
    private readonly pool: ClientPool<PoolConnection> | ServerPool<PoolConnection>,
    private readonly script: Script,
    private readonly seen: Seen,
  ) {}

  /** The pool has named the link. What is to be taken at once is taken now: more of the same segment may follow. */
  named(id: string): void {
    const use = this.seen.uses.push(blankUse(id)) - 1;
    for (const act of this.script.acts) if (act.after === -1 && act.use === use) this.#take(act);
  }

  /** What is to be done behind this segment. */
  actsBehind(segment: number): Act[] {
    return this.script.acts.filter(({ after }) => after === segment);
  }

  /** Does one thing. What it takes it has a turn of the event loop later. */
  perform(act: Act): void {
    const use = this.seen.uses[act.use];
    if (!use) return;
    if (act.what === 'take') this.#takeLater(act, use);
    const { connection } = use;
    if (!connection || connection.destroyed) return;
    if (act.what === 'read') this.#read(use);
    else if (act.what === 'write') this.#write(use, act.size);
    else if (act.what === 'end' || act.what === 'destroy') {
      this.seen.log.push({ what: act.what, use: act.use });
      connection[act.what]();
    }
  }

  /** Slow readers read a little. */
  sip(): void {
    for (const use of this.#slow) {
      const bytes = (use.connection?.read(SIP) ?? use.connection?.read()) as Buffer | null | undefined;
      if (bytes) use.read.push(bytes);
    }
  }

  /** Slow readers read the rest. */
  readOn(): void {
    for (const use of this.#slow) this.#read(use);
  }

  /** Only of the last name it is known whose it is. */
  #takeLater(act: Act, use: SeenUse): void {
    if (use.isAskedFor || act.use !== this.seen.uses.length - 1) return;
    this.seen.log.push({ what: 'take', use: act.use });
    this.#take(act);
  }

  #take({ after, use: index, size, reads }: Act): void {
    const use = this.seen.uses[index] as SeenUse;
    if (use.isAskedFor) return;
    use.isAskedFor = true;
    const fed = after === -1 ? 0 : this.fed;
    this.pool.outgoingGet(use.id, 0).then(
      (connection) => {
        this.#follow(use, index, connection);
        if (reads === 'at once') this.#read(use);
        if (reads === 'slowly') this.#slow.add(use);
        if (size > 0) this.#write(use, size);
      },
      () => (use.missedAt = fed),
    );
  }

  #follow(use: SeenUse, index: number, connection: PoolConnection): void {
    use.connection = connection;
    // It may have come to its end before its taker came to look.
    use.error = connection.errored;
    const end = (): void => {
      use.ended = true;
      this.seen.log.push({ what: 'done', use: index });
    };
    connection.once('error', (error) => (use.error = error));
    if (connection.readableEnded) end();
    else connection.once('end', end);
  }

  #read(use: SeenUse): void {
    if (use.isReading) return;
    use.isReading = true;
    this.#slow.delete(use);
    this.seen.log.push({ what: 'read', use: this.seen.uses.indexOf(use) });
    use.connection?.on('data', (bytes: Buffer) => use.read.push(bytes));
  }

  #write(use: SeenUse, size: number): void {
    if (use.connection?.writableEnded) return;
    const bytes = bytesOf(size, (this.script.index + use.written.length) % 251);
    use.written = Buffer.concat([use.written, bytes]);
    use.connection?.write(bytes);
  }
}
