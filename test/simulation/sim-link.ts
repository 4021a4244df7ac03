import { UNUSED } from '../../lib/core/closing.js';
import { CONTROL_ID, type ConnectionId } from '../../lib/core/connection-id.js';
import type { PoolRole } from '../../lib/core/errors.js';
import type { Link, LinkEnd, LinkKeeper } from '../../lib/core/link.js';
import type { FakeClock } from '../../lib/testing/fake-clock.js';
import type { Dice } from '../support/dice.js';

/** How long an end that closes waits for the other, and how long one hears nothing until it gives up, in milliseconds. */
const GRACE = 500;
const SILENCE = 1_500;

/** The longest that a message is under way, in milliseconds; most take no time. */
const SLOW = 60;

let moments = 0;

/** Tells what came before what, where the clock stands still between the two. */
export function nextMoment(): number {
  return moments++;
}

type Message =
  | { readonly is: 'name'; readonly id: ConnectionId }
  | { readonly is: 'data' | 'fin' | 'giveBack' }
  | { readonly is: 'close' | 'closed'; readonly code: number; readonly reason: string };

/** How a link is lost: both ends learn of it, or one of them only by the other's silence. */
export type Loss = 'reset' | 'client is silent' | 'server is silent';

/**
 * A WebSocket of the simulation: two ends on one clock. Each keeps the promises of `Link` as the transport does. What one
 * tells the other arrives late and in order, or not at all.
 */
export class SimLink {
  readonly client: SimEnd;
  readonly server: SimEnd;
  #isBroken = false;
  #isStalled = false;

  constructor(
    readonly clock: FakeClock,
    readonly dice: Dice,
    /** Whether both speak protocol 2. */
    readonly renewable: boolean,
  ) {
    this.client = new SimEnd(this, 'client');
    this.server = new SimEnd(this, 'server');
  }

  get isStalled(): boolean {
    return this.#isStalled;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Nothing arrives until `resume`. */
  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
    for (const end of [this.client, this.server]) end.pump();
  }

  /** The way is cut: what is under way is lost. */
  lose(loss: Loss): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    for (const end of [this.client, this.server]) {
      const isSilent = loss === `${end.role} is silent`;
      this.clock.after(isSilent ? SILENCE : this.delay(), () => {
        end.lost();
      });
    }
  }

  /** How long a message is under way. */
  delay(): number {
    return this.dice.percent(70) ? 0 : this.dice.below(SLOW);
  }

  otherOf(end: SimEnd): SimEnd {
    return end === this.client ? this.server : this.client;
  }
}

/** One end of a link, which one of the pools keeps. */
export class SimEnd implements Link<SimUse> {
  keeper: LinkKeeper<Link<SimUse>> | null = null;
  id: ConnectionId = CONTROL_ID;
  readonly peer = 'sim:1';
  readonly openedAt: number;
  readonly bytes = { received: 0, sent: 0 };
  use: SimUse | null = null;
  isEnded = false;
  isGone = false;
  /** When its close began, from either side, on the clock of its link. */
  closedAt = -Infinity;
  /** How often it was named, and how often it was handed out. */
  names = 0;
  checkOuts = 0;
  /** When it was last named, as a moment. */
  namedAs = 0;
  /** Client: what waits for the server's next name. */
  #named: (() => void) | null = null;
  readonly #inbox: Message[] = [];
  #isDelivering = false;

  constructor(
    readonly link: SimLink,
    readonly role: PoolRole,
  ) {
    this.openedAt = link.clock.now();
  }

  get renewable(): boolean {
    return this.link.renewable;
  }

  get begun(): boolean {
    return this.use?.begun ?? false;
  }

  get heard(): boolean {
    return this.use?.hasHeard ?? false;
  }

  get isClosing(): boolean {
    return this.closedAt > -Infinity;
  }

  name(id: ConnectionId): void {
    this.#expect(this.role === 'server' && this.use === null, 'named');
    this.#beginUse(id);
    this.tell({ is: 'name', id });
  }

  giveBack(named: () => void): void {
    this.#expect(this.role === 'client' && this.use === null && !this.#named, 'given back');
    this.awaitName(named);
    this.tell({ is: 'giveBack' });
  }

  /** Client: calls back when the server has named the link. */
  awaitName(named: () => void): void {
    this.#named = named;
  }

  checkOut(): SimUse {
    const { use } = this;
    if (!use || use.isTaken) throw new Error(`${this.role} link ${this.id} can't be checked out`);
    use.isTaken = true;
    use.takenAs = nextMoment();
    this.checkOuts++;
    return use;
  }

  close(code: number, reason: string): void {
    if (this.use?.isTaken) throw new Error(`${this.role} link ${this.id} is closed although it is in use`);
    const isUnseen = this.renewable ? (this.use ?? this.#named) : !this.begun;
    this.closeWith(code, isUnseen ? UNUSED : reason);
  }

  closeWith(code: number, reason: string): void {
    if (this.isClosing || this.isEnded) return;
    this.closedAt = this.link.clock.now();
    this.tell({ is: 'close', code, reason });
    this.link.clock.after(GRACE, () => {
      this.lost();
    });
  }

  cut(cause: Error): void {
    this.#end({ code: 1006, reason: '', clean: false, error: cause });
    this.link.lose('reset');
    this.#vanishSoon();
  }

  /** The other end has gone without a word. */
  lost(): void {
    if (this.isGone) return;
    this.#end({ code: 1006, reason: '', clean: false, error: new Error('cut') });
    this.link.lose('reset');
    this.#vanish();
  }

  tell(message: Message): void {
    const { link } = this;
    if (!link.isBroken) link.otherOf(this).#take(message);
  }

  /** Delivers what waits, one after the other. */
  pump(): void {
    const { link } = this;
    if (this.#isDelivering || this.#inbox.length === 0 || link.isStalled) return;
    this.#isDelivering = true;
    link.clock.after(link.delay(), () => {
      this.#isDelivering = false;
      if (link.isBroken || link.isStalled) return;
      const message = this.#inbox.shift();
      if (message) this.#receive(message);
      this.pump();
    });
  }

  /** The use is over at both ends; a server waits until the client gives it back. */
  done(): void {
    if (this.role === 'client') this.#endUse();
  }

  #take(message: Message): void {
    this.#inbox.push(message);
    this.pump();
  }

  #receive(message: Message): void {
    if (this.isEnded) return;
    if (message.is === 'close') this.#onClose(message.code, message.reason);
    else if (message.is === 'closed') this.#onClosed(message.code, message.reason);
    else if (this.isClosing)
      return; // nobody will read it
    else if (message.is === 'name') this.#onName(message.id);
    else if (message.is === 'giveBack') this.#endUse();
    else this.use?.receive(message.is);
  }

  #onName(id: ConnectionId): void {
    const named = this.#named;
    this.#named = null;
    const use = this.#beginUse(id);
    // What came in the same segment is there when the pool learns of the name.
    const [next] = this.#inbox;
    if (next && (next.is === 'data' || next.is === 'fin') && this.link.dice.percent(50)) {
      this.#inbox.shift();
      use.hear(next.is);
    }
    named?.();
  }

  #onClose(code: number, reason: string): void {
    this.#endInOrder(code, reason);
    this.tell({ is: 'closed', code, reason });
    this.#vanishSoon();
  }

  #onClosed(code: number, reason: string): void {
    this.#endInOrder(code, reason);
    this.#vanishSoon();
  }

  /** What a close in good order breaks: under protocol 2 it is the end of no stream. */
  #endInOrder(code: number, reason: string): void {
    const { use } = this;
    const isUnused = reason === UNUSED && !use?.hasHeard;
    if (use?.isTaken && isUnused) use.isUnused = true;
    if (!this.renewable && !isUnused) {
      use?.receive('fin');
      this.#end({ code, reason, clean: code === 1000 || code === 1001, error: null });
      return;
    }
    const isHarmless = !use || use.isComplete || !(use.isTaken || use.begun);
    const clean = isHarmless || isUnused;
    this.#end({ code, reason, clean, error: isHarmless ? null : new Error(`closed: ${reason}`) });
  }

  #end(end: Pick<LinkEnd, 'code' | 'reason' | 'clean' | 'error'>): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const ours = this.isClosing;
    if (!ours) this.closedAt = this.link.clock.now();
    const { use } = this;
    if (use && !(this.renewable && use.isComplete) && end.error) use.fail(end.error);
    this.keeper?.ended(this, { ...end, whole: use?.hasAll ?? false, violation: false, ours });
  }

  #vanishSoon(): void {
    this.link.clock.after(this.link.delay(), () => {
      this.#vanish();
    });
  }

  #vanish(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.keeper?.gone(this);
    // Without an answer the other end would wait for ever.
    if (!this.link.isBroken && !this.link.otherOf(this).isEnded) {
      this.link.clock.after(GRACE, () => {
        this.link.otherOf(this).lost();
      });
    }
  }

  #beginUse(id: ConnectionId): SimUse {
    this.id = id;
    this.namedAs = nextMoment();
    return (this.use = new SimUse(id, this, ++this.names));
  }

  #endUse(): void {
    if (!this.use) return;
    this.use.isOver = true;
    this.use = null;
    if (!this.isClosing) this.keeper?.returned(this);
  }

  #expect(isSo: boolean, what: string): void {
    if (!isSo || this.isEnded || this.isClosing)
      throw new Error(`${this.role} link ${this.id} can't be ${what} now`);
  }
}

/** One use of a link at one end: what an application gets to hold. */
export class SimUse {
  isTaken = false;
  /** When it was taken, as a moment. */
  takenAs = 0;
  hasHeard = false;
  hasAll = false;
  isFinSent = false;
  /** Whether its application has read to the end. */
  isRead = false;
  /** Whether the link has nothing to do with it any more. */
  isOver = false;
  /** Whether its peer has closed the link without a look at it. */
  isUnused = false;
  failure: Error | null = null;

  constructor(
    readonly id: ConnectionId,
    readonly end: SimEnd,
    /** Which use of its link it is: the same at both ends. */
    readonly number: number,
  ) {}

  get begun(): boolean {
    return !this.isTaken && this.hasHeard;
  }

  get isComplete(): boolean {
    return this.hasAll && this.isFinSent;
  }

  /** Whether its application can do nothing more with it. */
  get isDead(): boolean {
    return this.isOver || this.failure !== null || this.end.isGone;
  }

  hear(what: 'data' | 'fin'): void {
    this.hasHeard = true;
    if (what === 'fin') this.hasAll = true;
  }

  receive(what: 'data' | 'fin'): void {
    const wasBegun = this.begun;
    this.hear(what);
    if (this.begun && !wasBegun) this.end.keeper?.begun(this.end);
    this.#settle();
  }

  fail(error: Error): void {
    this.failure = error;
  }

  say(): void {
    if (!this.isDead && !this.isFinSent) this.end.tell({ is: 'data' });
  }

  finish(): void {
    if (this.isDead || this.isFinSent) return;
    this.isFinSent = true;
    if (this.end.renewable) {
      this.end.tell({ is: 'fin' });
      this.#settle();
    } else {
      this.end.closeWith(1000, '');
    }
  }

  readToEnd(): void {
    this.isRead = true;
    this.#settle();
  }

  destroy(): void {
    if (this.isDead) return;
    this.isRead = true;
    if (this.end.renewable && this.isComplete) this.#settle();
    else this.end.cut(new Error('destroyed'));
  }

  #settle(): void {
    if (this.end.renewable && this.isComplete && this.isRead && !this.isOver && !this.end.isEnded)
      this.end.done();
  }
}
