import { closePayload } from '../support/raw-frames.js';
import { Conversation, type Item } from './conversation.js';
import { Dice } from '../support/dice.js';
import { drawNoOffer, drawOffer, OFFER, requestOf, responseOf } from './heads.js';
import { cutsOf, Quill, spoiled } from './quill.js';
import { type Act, type Script, type Side, taking } from './script.js';
import { sessionOf } from './session.js';

/** Input number `index` of a run against such a pool. */
export function scriptOf(side: Side, seed: number, index: number): Script {
  const lane = (side.role === 'client' ? 1 : 0) + (side.protocol === 2 ? 2 : 0);
  const dice = new Dice(Dice.seedOf(seed, index * 4 + lane));
  // Whoever speaks version 2 speaks version 1 as well.
  const isTwo = side.protocol === 2 && dice.percent(80);
  const offer = isTwo || (side.protocol === 1 && dice.percent(20)) ? drawOffer(dice) : drawNoOffer(dice);
  const wrong = isTwo ? 5 : 20;
  const [head, status] = side.role === 'server' ? requestOf(dice, offer, wrong) : responseOf(dice, isTwo, wrong);
  const ending = dice.pick(['fin', 'reset', 'silence', 'silence'] as const);
  const drawn = { ...side, index, ending, isDeaf: dice.percent(isTwo ? 4 : 10), isPlay: isTwo };
  return isTwo ? { ...drawn, ...playOf(dice, side, head, status) } : { ...drawn, ...monologueOf(dice, side, head, status) };
} // prettier-ignore

/** What a peer in good health does: some data, and a close in good order; under protocol 2 as often as a link lives. */
export function healthyScript(side: Side): Script {
  const { role, protocol } = side;
  const quiet = new Dice(0);
  const [head] = role === 'server' ? requestOf(quiet, protocol === 2 ? OFFER : null, 0) : responseOf(quiet, true, 0);
  const drawn = { ...side, index: 0, headLength: head.length, status: 101, ending: 'silence', isDeaf: false, isPlay: protocol === 2 } as const;
  if (protocol === 2) return { ...drawn, ...laidOut(quiet, [head, ...new Conversation(quiet, role).proper(3)]) };
  const dice = new Dice(1);
  const quill = new Quill(dice, role);
  const frames = Array.from({ length: 10 }, () => quill.frame(dice.bytes(1_000)));
  const bytes = Buffer.concat([head, ...frames, quill.frame(closePayload(1000), 8)]);
  return { ...drawn, bytes, cuts: [head.length], acts: [taking(-1, 3_000)] };
} // prettier-ignore

type Drawn = Pick<Script, 'bytes' | 'cuts' | 'headLength' | 'status' | 'acts'>;

/** Protocol 1: nothing of what the peer does depends on what we do. */
function monologueOf(dice: Dice, { role, protocol }: Side, head: Buffer, status: number): Drawn {
  const frames = sessionOf(dice, role, protocol === 1);
  const isSpoiled = dice.percent(60);
  // Most damage belongs where it gets beyond the hand-shake.
  const from = isSpoiled && dice.percent(25) ? 0 : head.length;
  const whole = Buffer.concat([head, frames]);
  const bytes = isSpoiled
    ? Buffer.concat([whole.subarray(0, from), spoiled(dice, whole.subarray(from))])
    : whole;
  const cuts = cutsOf(dice, bytes.length);
  const isIntact = from > 0 && bytes.length >= head.length;
  const takeAfter = dice.percent(10) ? null : dice.percent(50) ? -1 : dice.below(cuts.length + 1);
  const writes = dice.percent(10) ? dice.below(200_000) : 0;
  return {
    bytes,
    cuts,
    headLength: isIntact ? head.length : null,
    status: isIntact ? status : null,
    acts: takeAfter === null ? [] : [taking(takeAfter, writes)],
  };
}

/** Protocol 2: the peer and the application take turns, now and then out of turn. */
function playOf(dice: Dice, { role }: Side, head: Buffer, status: number): Drawn {
  const items: Item[] = [head, ...new Conversation(dice, role).drawn()];
  const places = [...items.keys()].filter((place) => Buffer.isBuffer(items[place]));
  const damaged = dice.percent(12) ? places[dice.below(places.length)] : undefined;
  if (damaged !== undefined) items[damaged] = spoiled(dice, items[damaged] as Buffer);
  const isIntact = damaged !== 0;
  return { ...laidOut(dice, items), headLength: isIntact ? head.length : null, status: isIntact ? status : null };
} // prettier-ignore

/** What lies between two acts goes into one segment or into some. */
function laidOut(dice: Dice, items: readonly Item[]): Pick<Script, 'bytes' | 'cuts' | 'acts'> {
  const segments: Buffer[] = [];
  const acts: Act[] = [];
  let pending: Buffer[] = [];
  const flush = (): void => {
    const bytes = Buffer.concat(pending);
    pending = [];
    if (bytes.length === 0) return;
    const cuts = dice.percent(20) ? cutsOf(dice, bytes.length) : [];
    segments.push(...[0, ...cuts].map((start, i) => bytes.subarray(start, cuts[i])));
  };
  for (const item of items) {
    if (Buffer.isBuffer(item)) {
      pending.push(item);
      continue;
    }
    flush();
    const isEager = item.what === 'take' && dice.percent(40);
    acts.push({ ...item, after: isEager ? -1 : segments.length - 1 });
  }
  flush();
  let length = 0;
  const cuts = segments.slice(0, -1).map((segment) => (length += segment.length));
  return { bytes: Buffer.concat(segments), cuts, acts };
}
