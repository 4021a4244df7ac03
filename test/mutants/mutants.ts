/** A planted bug: a patch to one file, and the tests that must find it. */
export interface Mutant {
  /** What goes wrong, as a sentence. */
  readonly name: string;
  /** The file, from the root of the repository. */
  readonly file: string;
  /** What is replaced; must occur exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Patterns of test files. */
  readonly killedBy: readonly string[];
}

const MODEL = 'test/model/pool-model';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the store hands out the newest instead of the oldest',
    file: 'lib/core/idle-store.ts',
    find: 'return this.#idle.oldest?.value;',
    replace: 'return this.#idle.values().at(-1);',
    killedBy: [MODEL],
  },
  {
    name: 'the store forgets the list when it removes from the index',
    file: 'lib/core/idle-store.ts',
    find: 'node.list?.remove(node);\n    this.#byId',
    replace: 'this.#byId',
    killedBy: [MODEL],
  },
  {
    name: 'the store removes whoever bears the ID by now',
    file: 'lib/core/idle-store.ts',
    find: 'return node?.value === link ? node : undefined;',
    replace: 'return node;',
    killedBy: [MODEL],
  },
  {
    name: 'a link whose peer has begun stays idle',
    file: 'lib/core/idle-store.ts',
    find: 'if (begun) this.#owed.push(node);\n    else if',
    replace: 'if',
    killedBy: [MODEL],
  },
  {
    name: 'the reserved control connection goes to anyone',
    file: 'lib/core/idle-store.ts',
    find: 'return !(this.reserveControl && id === CONTROL_ID);',
    replace: 'return true;',
    killedBy: [MODEL, 'test/core/server-pool'],
  },
  {
    name: 'the age list loses its tail when its newest is removed',
    file: 'lib/core/age-list.ts',
    find: 'else this.#newest = node.previous;',
    replace: '',
    killedBy: [MODEL],
  },
  {
    name: 'who takes any is served before who named the connection',
    file: 'lib/core/waiters.ts',
    find: 'this.#named.get(id)?.oldest ?? (isForAnyone ? this.#line.oldest : null)',
    replace: '(isForAnyone ? this.#line.oldest : null) ?? this.#named.get(id)?.oldest',
    killedBy: [MODEL],
  },
  {
    name: 'a settled waiter stays in line',
    file: 'lib/core/waiters.ts',
    find: '      list.remove(node);\n',
    replace: '',
    killedBy: [MODEL],
  },
  {
    name: 'a settled waiter leaves its timer behind',
    file: 'lib/core/waiters.ts',
    find: 'this.#stopTimer?.();',
    replace: '',
    killedBy: [MODEL, 'test/core/gets'],
  },
  {
    name: 'a settled waiter leaves its abort listener behind',
    file: 'lib/core/waiters.ts',
    find: "this.#signal?.removeEventListener('abort', this.#onAbort);",
    replace: '',
    killedBy: ['test/core/gets'],
  },
  {
    name: 'an arriving link is stored although somebody waits for it',
    file: 'lib/core/custody.ts',
    find: '    if (waiter) {\n',
    replace: '    if (waiter && this.used > 1) {\n',
    killedBy: [MODEL],
  },
  {
    name: 'a dead link stays in the store',
    file: 'lib/core/custody.ts',
    find: 'if (!(end.clean && link.begun) && this.#leaveStore(link)) {',
    replace: 'if (false as boolean) {',
    killedBy: [MODEL],
  },
  {
    name: 'a link that was cut behind its bytes stays owed',
    file: 'lib/core/custody.ts',
    find: 'if (!(end.clean && link.begun) &&',
    replace: 'if (!link.begun &&',
    killedBy: [MODEL, 'test/core/custody'],
  },
  {
    name: 'the older bearer of an ID is not closed',
    file: 'lib/core/custody.ts',
    find: "if (bearer) this.part(bearer, 1000, 'its ID was issued again');",
    replace: '',
    killedBy: [MODEL],
  },
  {
    name: 'a link that left while owed keeps its claim timer',
    file: 'lib/core/custody.ts',
    find: 'this.#claims.get(link)?.();',
    replace: '',
    killedBy: [MODEL],
  },
  {
    name: 'what has gone is counted as in use',
    file: 'lib/core/custody.ts',
    find: 'if (link.isGone) this.pool.forgotten(link);\n    else this.#used',
    replace: 'this.#used',
    killedBy: [MODEL, 'test/core/custody'],
  },
  {
    name: 'a pool that drains keeps its waiters',
    file: 'lib/core/pool.ts',
    find: 'this.waiters.failAll(error);',
    replace: '',
    killedBy: [MODEL],
  },
  {
    name: 'closing twice closes twice',
    file: 'lib/core/pool.ts',
    find: 'this.#closing ??= this.#close();\n    return this.#closing;',
    replace: 'return this.#close();',
    killedBy: [MODEL],
  },
  {
    name: 'more may wait than maxWaiters',
    file: 'lib/core/pool.ts',
    find: 'this.waiters.size >= this.options.maxWaiters',
    replace: 'this.waiters.size > this.options.maxWaiters',
    killedBy: ['test/core/gets'],
  },
  {
    name: 'dials in flight do not count as supply',
    file: 'lib/core/client-pool.ts',
    find: 'waiting) - this.#inFlight.size;',
    replace: 'waiting);',
    killedBy: [MODEL, 'test/core/client-pool'],
  },
  {
    name: 'the manager wakes before minInterval has passed',
    file: 'lib/core/client-pool.ts',
    find: '(this.#lastRound ?? 0) + this.options.minInterval',
    replace: 'this.clock.now()',
    killedBy: ['test/core/client-pool'],
  },
  {
    name: 'hunger is truncated as in the ordinary rules',
    file: 'lib/core/client-pool.ts',
    find: 'this.store.idle < this.#capacity * LOW ||',
    replace: 'this.store.idle < Math.trunc(this.#capacity * LOW) ||',
    killedBy: ['test/core/client-pool'],
  },
  {
    name: 'a full server counts as an error',
    file: 'lib/core/client-pool.ts',
    find: '}, !isFull);',
    replace: '}, true);',
    killedBy: ['test/core/client-pool'],
  },
  {
    name: 'all missing connections are dialled while the server is down',
    file: 'lib/core/client-pool.ts',
    find: 'if (this.#outage && !this.#outage.isDue) return;',
    replace: '',
    killedBy: ['test/core/client-pool'],
  },
  {
    name: 'the capacity is adjusted by what was created since the start',
    file: 'lib/core/client-pool.ts',
    find: 'this.#created = 0;\n    this.#lastRound',
    replace: 'this.#lastRound',
    killedBy: ['test/core/manager-rules'],
  },
  {
    name: 'the back-off has no fixed half',
    file: 'lib/core/backoff.ts',
    find: 'pause / 2 + between(this.random, 0, pause / 2)',
    replace: 'between(this.random, 0, pause)',
    killedBy: ['test/core/client-pool'],
  },
  {
    name: 'a server forgets what it has promised',
    file: 'lib/core/server-pool.ts',
    find: 'return this.store.filled + promised;',
    replace: 'return this.store.filled;',
    killedBy: [MODEL],
  },
  {
    name: 'an ID in use may be issued again',
    file: 'lib/core/server-pool.ts',
    find: 'this.#names.add(id);',
    replace: '',
    killedBy: [MODEL],
  },
  {
    name: 'a released slot keeps its name',
    file: 'lib/core/server-pool.ts',
    find: 'if (!this.#reserved.delete(id)) return;\n        this.#names.delete(id);',
    replace: 'this.#reserved.delete(id);',
    killedBy: ['test/core/server-pool'],
  },
  {
    name: 'a peer that never answered is held to pongs',
    file: 'lib/transport/keep-alive.ts',
    find: 'if (this.#answers && !this.#isInUse) this.#expectPong',
    replace: 'if (!this.#isInUse) this.#expectPong',
    killedBy: ['test/transport/keep-alive'],
  },
  {
    name: 'a peer that never answered is pinged again and again',
    file: 'lib/transport/keep-alive.ts',
    find: "this.#answers || !this.#hasAsked || this.rules.mode === 'always'",
    replace: 'true as boolean',
    killedBy: ['test/transport/keep-alive'],
  },
  {
    name: 'a stall of our own event loop is taken for silence',
    file: 'lib/transport/keep-alive.ts',
    find: 'this.#lastLook(bytesBefore);',
    replace: 'if (this.link.bytesRead() === bytesBefore) this.link.lost();',
    killedBy: ['test/transport/keep-alive'],
  },
  {
    name: 'a frame gathered from small writes loses its place',
    file: 'lib/transport/frame-packer.ts',
    find: 'payload.set(part, filled);',
    replace: 'payload.set(part, 0);',
    killedBy: ['test/transport/frame-packer'],
  },
  {
    name: 'an IPv4 client of a dual-stack listener is unknown',
    file: 'lib/transport/ip-filter.ts',
    find: 'return MAPPED.exec(address)?.[1] ?? address;',
    replace: 'return address;',
    killedBy: ['test/transport/ip-filter'],
  },
];
