import type { Decoded } from './frame-model.js';
import type { Role } from './script.js';
import { ModelUse } from './use-model.js';

/** What befalls a link of protocol 2, in the order in which it does. */
export type Moment =
  /** So many bytes were sent behind the hand-shake, which is over from 0 on. */
  | { readonly what: 'fed'; readonly until: number }
  /** All that follows from what was sent before has happened. What was sent since the last one is a batch. */
  | { readonly what: 'settled' }
  /** What the application does with one use; 'done' when it has read the end. */
  | { readonly what: 'take' | 'read' | 'end' | 'destroy' | 'done'; readonly use: number }
  /** Every deadline of a link that nobody holds has passed. */
  | { readonly what: 'wait' }
  /** The connection beneath has ended. */
  | { readonly what: 'cut' }
  /** Nobody knows how much of what was sent has arrived. */
  | { readonly what: 'doubt' };

/** The ways to break a rule. */
export const BROKEN_RULES = [
  'data behind the end',
  'an empty message too many',
  'a giving back too early',
  'a message before the ID',
  'a wrong ID',
  'a text message',
  'a close inside a message',
  'a bad frame',
] as const;

export type BrokenRule = (typeof BROKEN_RULES)[number];

/** Why a pool closes a link of itself. */
export const PARTINGS = ['used up', 'not taken in time', 'not named in time'] as const;

/** How a link ended, and by whom. Who broke a rule is answered with a code, mostly that which the use reads as well. */
export type LinkEnding =
  | { readonly by: 'rule'; readonly code: number; readonly answer: number; readonly rule: BrokenRule }
  | { readonly by: 'pool'; readonly code: number; readonly why: (typeof PARTINGS)[number] }
  | { readonly by: 'peer' | 'application'; readonly code: number };

export interface LinkRules {
  /** The library's. */
  readonly role: Role;
  /** How many uses a link may serve. */
  readonly maxUses: number;
  /** How many unread bytes may keep the library from reading on. */
  readonly unreadLimit: number;
  /** Uses that are taken as soon as they are named. */
  readonly eager: ReadonlySet<number>;
  /** Whether what was sent at once is also read at once. */
  readonly isExact: boolean;
  /** Whether the peer reads nothing, so that nobody knows what of ours was sent. */
  readonly isDeaf: boolean;
}

/**
 * What docs/protocol.md makes of what a peer sends under version 2, and of what the application does meanwhile. Written
 * from the text, and without a look at how the library does it: the fuzz compares the two.
 */
export class LinkModel {
  readonly uses: ModelUse[] = [];
  givenBack = 0;
  end: LinkEnding | null = null;
  /** False from where it can't be told from outside what came first. */
  isCertain = true;
  /** Whether it may have been given back before a bad frame right behind was found to be one. */
  mayBeGivenBack = false;
  #isNameless = true;
  #batch = 0;
  #next = 0;

  constructor(
    private readonly frames: Decoded,
    private readonly rules: LinkRules,
  ) {}

  get isOver(): boolean {
    return this.end !== null || !this.isCertain;
  }

  /** Whether the link waits for nobody but its client, which may take its time to give it back. */
  get isHeldByPeer(): boolean {
    return !this.isOver && !this.#isNameless && this.#use.isComplete;
  }

  play(moments: readonly Moment[]): this {
    for (const moment of moments) {
      this.#pass(moment);
      this.#giveBack();
    }
    return this;
  }

  get #use(): ModelUse {
    const use = this.uses.at(-1);
    if (!use) throw new Error('no use yet');
    return use;
  }

  #pass(moment: Moment): void {
    if (moment.what === 'fed') this.#feed(moment.until);
    else if (moment.what === 'settled') this.#settle();
    else if (moment.what === 'wait') this.#wait();
    else if (moment.what === 'cut') this.#finish({ by: 'peer', code: 1006 });
    else if (moment.what === 'doubt') this.isCertain = false;
    else this.#act(moment.what, moment.use);
  }

  #feed(until: number): void {
    const { messages, end } = this.frames;
    if (until >= 0 && this.rules.role === 'server' && this.uses.length === 0) this.#name(null);
    for (let next = messages[this.#next]; next && next.until <= until; next = messages[++this.#next]) {
      if (!this.isOver) this.#receive(next.payload);
    }
    if (end.kind === 'open' || this.frames.until > until || this.isOver) return;
    if (end.kind === 'broken') this.#break(end.code === 1003 ? 'a text message' : 'a bad frame', end.code);
    else if (end.kind === 'cut') this.#break('a close inside a message', end.answer, end.code);
    else this.#finish({ by: 'peer', code: end.code }, end.reason === 'unused' && [1000, 1001].includes(end.code));
  } // prettier-ignore

  #receive(payload: Buffer): void {
    if (this.rules.role === 'client' && this.#isNameless) this.#readName(payload);
    else if (this.#isBeforeName()) this.#break('a message before the ID');
    else if (payload.length === 0) this.#receiveEmpty();
    else if (this.#use.hasAll) this.#break('data behind the end');
    else {
      this.#use.data.push(payload);
      this.#use.length += payload.length;
    }
  }

  #readName(payload: Buffer): void {
    // The first message of all only says which version it is.
    if (this.#next === 0) return;
    if (payload.length === 4) this.#name(payload.toString('hex'));
    else this.#break('a wrong ID');
  }

  /** What a client sends together with what it gives the link back by, it sends before it can know its next name. */
  #isBeforeName(): boolean {
    return this.rules.role === 'server' && this.#use.namedIn === this.#batch && !this.#use.hasHeard;
  }

  #receiveEmpty(): void {
    const use = this.#use;
    if (!use.hasAll) {
      use.hasAll = true;
      use.endedIn = this.#batch;
    } else if (this.rules.role === 'client') {
      this.#break('an empty message too many');
    } else if (!use.isFinSent) {
      this.#break('a giving back too early');
    } else if (!this.#retire()) {
      this.#name(null);
    }
  }

  #name(id: string | null): void {
    this.uses.push(new ModelUse(id, this.#batch));
    this.#use.isTaken = this.rules.eager.has(this.uses.length - 1);
    this.#isNameless = false;
  }

  /** A client gives the link back of itself. */
  #giveBack(): void {
    if (this.rules.role === 'server' || this.isOver || this.#isNameless) return;
    if (!this.#use.isComplete || !this.#use.isDone) return;
    this.#retire();
    this.#isNameless = true;
  }

  /** A use is over. Whether it was the link's last. */
  #retire(): boolean {
    this.givenBack++;
    if (this.uses.length === this.rules.maxUses) this.#finish({ by: 'pool', code: 1000, why: 'used up' });
    return this.isOver;
  }

  #settle(): void {
    this.#batch++;
    if (this.#isNameless || this.isOver) return;
    const { isRead, hasAll, length } = this.#use;
    if (!isRead && !hasAll && length >= this.rules.unreadLimit) this.isCertain = false;
  }

  /** A link that was not named in time, and a use that the peer has begun and nobody has taken, are closed. */
  #wait(): void {
    if (this.end && this.uses.length > 0) this.#use.isForgotten = true;
    else if (this.#isNameless) this.#finish({ by: 'pool', code: 1000, why: 'not named in time' });
    else if (this.#use.hasHeard && !this.#use.isTaken)
      this.#finish({ by: 'pool', code: 1000, why: 'not taken in time' });
  }

  #act(what: 'take' | 'read' | 'end' | 'destroy' | 'done', index: number): void {
    const use = this.uses[index];
    if (!use) return;
    const isCurrent = use === this.uses.at(-1) && !this.#isNameless && !this.isOver;
    if (what === 'take') {
      if (isCurrent) use.isTaken = true;
      else this.#takeLate(use);
    } else if (what === 'read') {
      use.isRead = true;
    } else if (what === 'done') {
      use.isDone = true;
    } else if (use.isHeld) {
      if (what === 'destroy') this.#destroy(use, isCurrent);
      else if (isCurrent) this.#endUse(use);
    }
  }

  /** What the peer has said to the end is owed, though the peer is gone. */
  #takeLate(use: ModelUse): void {
    const isOwed =
      use === this.uses.at(-1) && !this.#isNameless && use.hasAll && !use.isTaken && !use.isForgotten;
    if (isOwed && this.end?.by === 'peer') {
      use.isTaken = use.isLate = true;
      use.loss = { code: this.end.code, isUnused: false };
    } else {
      use.isMissed = true;
    }
  }

  #endUse(use: ModelUse): void {
    use.isFinSent = true;
    if (this.rules.isDeaf) this.isCertain = false;
  }

  #destroy(use: ModelUse, isCurrent: boolean): void {
    use.isDestroyed = use.isDone = true;
    if (isCurrent && !use.isComplete) this.#finish({ by: 'application', code: use.isFinSent ? 1000 : 1006 });
  }

  #break(rule: BrokenRule, answer = 1002, code = answer): void {
    const isBehindBoth = !this.#isNameless && this.#use.isComplete;
    if (this.#isDoubtful(rule)) this.isCertain = false;
    else this.#finish({ by: 'rule', code, answer, rule });
    this.mayBeGivenBack = rule === 'a bad frame' && isBehindBoth;
  }

  #isDoubtful(rule: BrokenRule): boolean {
    if (this.#isNameless || rule === 'a text message') return false;
    const { namedIn, endedIn, isComplete } = this.#use;
    // A link that is given back for the last time is closed, perhaps before a bad frame is found to be one.
    if (rule === 'a bad frame') return isComplete && this.uses.length === this.rules.maxUses;
    // Where pieces may be read one by one, what came with an end may have come behind what followed from it.
    return !this.rules.isExact && [namedIn, endedIn].includes(this.#batch);
  }

  #finish(ending: LinkEnding, isUnused = false): void {
    if (this.isOver) return;
    this.end = ending;
    if (this.#isNameless || ending.by === 'application') return;
    const use = this.#use;
    if (use.isHeld && !use.isComplete) use.loss = { code: ending.code, isUnused: isUnused && !use.hasHeard };
  }
}
