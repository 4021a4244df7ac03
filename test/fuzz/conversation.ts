import { closePayload } from '../support/raw-frames.js';
import type { Dice } from '../support/dice.js';
import { Quill } from './quill.js';
import { type Act, MAX_USES, type Role } from './script.js';

/** What the peer sends, or what the application does behind all that was sent before. */
export type Item = Buffer | Omit<Act, 'after'>;

const END = Buffer.alloc(0);

const actIn =
  (use: number) =>
  (what: Act['what'], size = 0, reads: Act['reads'] = 'at once'): Item => ({ what, use, size, reads });

/** Nobody does anything until what was sent has had its effect. */
const PAUSE = actIn(0)('pause');

/** Draws what a peer and an application say to each other under protocol 2, in uses one after the other. */
export class Conversation {
  readonly #quill: Quill;

  constructor(
    private readonly dice: Dice,
    private readonly role: Role,
  ) {
    this.#quill = new Quill(dice, role);
  }

  /** So many uses that break no rule, one after the other. */
  proper(uses: number): Item[] {
    return this.#uses(uses, true);
  }

  /** Uses most of which break no rule, with whatever comes between. */
  drawn(): Item[] {
    const { dice } = this;
    const uses = dice.pick([1, 1, 2, 2, 3, MAX_USES, MAX_USES + 1]);
    const items = this.#uses(uses, false);
    for (let times = dice.pick([0, 0, 1, 1, 1, 2, 4]); times > 0; times--) this.#disturb(items, uses);
    return items;
  }

  #uses(uses: number, isProper: boolean): Item[] {
    const items: Item[] = this.role === 'client' ? [this.#quill.frame(END)] : [];
    for (let use = 0; use < uses; use++) {
      const isLast = !isProper && this.dice.percent(20);
      items.push(...this.#name(isProper), ...(isLast ? this.#lastUse(use) : this.#use(use)));
      // To go on talking is one of the things that a peer may do then.
      if (isLast && this.dice.percent(70)) break;
    }
    return items;
  }

  /** A client may speak once it has its name. */
  #name(isProper: boolean): Item[] {
    if (this.role === 'server') return [PAUSE];
    const { dice } = this;
    return [this.#quill.message(dice.bytes(isProper || dice.percent(97) ? 4 : dice.pick([0, 1, 3, 5, 8])))];
  }

  /** Both say something and end, in any order, and the client gives the link back. */
  #use(use: number): Item[] {
    const { dice } = this;
    const act = actIn(use);
    const reads = dice.pick(['at once', 'at once', 'at once', 'slowly', 'later'] as const);
    const take = act('take', dice.percent(60) ? 0 : dice.pick([1, 100, 100, 1_000, 5_000, 5_000, 100_000]), reads);
    const application = [take, ...(dice.percent(20) ? [act('write', dice.pick([0, 1, 20_000]))] : []), act('end')];
    const spoken = this.#merged(this.#speech(), application);
    // Whoever gives up behind both ends is as good as who reads all.
    const leave = reads === 'at once' && dice.percent(90) ? PAUSE : act(dice.percent(80) ? 'read' : 'destroy');
    if (this.role === 'client') return [...spoken, leave, PAUSE];
    const back = this.#quill.message(END);
    return dice.percent(30) ? [...spoken, back, leave] : [...spoken, leave, back];
  } // prettier-ignore

  /** One behind which nothing can come. */
  #lastUse(use: number): Item[] {
    const { dice } = this;
    const quill = this.#quill;
    const act = actIn(use);
    const begin = (): Buffer => (dice.percent(50) ? quill.data() : quill.message(END));
    return dice.pick([
      () => [act('take'), quill.frame(closePayload(dice.pick([1000, 1001]), 'unused'), 8)],
      () => [begin(), act('wait'), act('take')],
      () => [begin(), begin(), act('wait')],
      () => [act('take'), ...this.#data(), ...(dice.percent(40) ? [act('end')] : []), act('destroy')],
      () => [act('take'), ...(dice.percent(50) ? [begin()] : []), quill.text()],
      () => [act('take'), ...this.#data(), ...quill.cutOff()],
      () => [...this.#use(use), this.role === 'client' ? act('wait') : begin()],
    ])();
  }

  #data(): Buffer[] {
    return Array.from({ length: this.dice.below(4) }, () => this.#quill.data());
  }

  /** All that a peer says in one use. What fills the reader's buffer comes together with its end. */
  #speech(): Buffer[] {
    const end = this.#quill.message(END);
    return this.dice.percent(2) ? [Buffer.concat([this.#quill.bulk(17), end])] : [...this.#data(), end];
  }

  /** Both in their order, in any order. */
  #merged(left: readonly Item[], right: readonly Item[]): Item[] {
    const [rest, others] = [[...left], [...right]];
    const merged: Item[] = [];
    for (;;) {
      const next = this.dice.percent(50)
        ? (rest.shift() ?? others.shift())
        : (others.shift() ?? rest.shift());
      if (next === undefined) return merged;
      merged.push(next);
    }
  }

  /** Puts something in, takes something away, or has two change their places. */
  #disturb(items: Item[], uses: number): void {
    const { dice } = this;
    const at = dice.below(items.length + 1);
    const drawn = dice.below(12);
    const here = items[at];
    if (drawn < 8) items.splice(at, 0, this.#oddity(uses));
    else if (drawn === 8) items.splice(at, 1);
    else if (drawn === 9) items.splice(at);
    else if (here && drawn === 10) items.splice(at, 0, here);
    else if (here) items.splice(at, 2, ...items.slice(at, at + 2).reverse());
  }

  #oddity(uses: number): Item {
    const { dice } = this;
    const quill = this.#quill;
    const act = (): Item => actIn(dice.below(uses))(dice.pick(['take', 'end', 'destroy', 'wait']));
    return dice.pick([
      () => quill.message(END),
      () => quill.message(END),
      () => quill.message(END),
      () => quill.data(),
      () => quill.text(),
      () => quill.control(),
      () => quill.close(['', 'bye', 'unused']),
      () => quill.strange(),
      () => (dice.percent(10) ? quill.bulk() : quill.data()),
      act,
      act,
    ])();
  }
}
