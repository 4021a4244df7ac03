import type { Dice } from '../support/dice.js';
import { Quill } from './quill.js';
import { MAX_PAYLOAD, type Role } from './script.js';

/**
 * What a peer says under protocol 1, a proper session most of the time: the ID where a server speaks, data, control
 * frames, fragments, an end. Nothing in it tells of version 2, unless `mayBeginEmpty` and by chance.
 */
export function sessionOf(dice: Dice, role: Role, mayBeginEmpty: boolean): Buffer {
  const quill = new Quill(dice, role);
  const parts: Buffer[] = [];
  if (role === 'client') {
    const id = dice.bytes(4);
    const cut = dice.percent(70) ? 4 : dice.below(5);
    if (dice.percent(10)) parts.push(quill.frame(Buffer.alloc(0), mayBeginEmpty ? dice.pick([2, 9]) : 9));
    if (cut > 0) parts.push(quill.message(id.subarray(0, cut)));
    if (cut < 4) parts.push(quill.message(Buffer.concat([id.subarray(cut), dice.bytes(dice.below(20))])));
  }
  for (let count = dice.below(8); count > 0; count--) {
    const size = dice.pick([0, 1, 20, 125, 126, 127, 1_000, MAX_PAYLOAD]);
    if (dice.percent(3)) parts.push(quill.text());
    else if (dice.percent(80)) parts.push(quill.message(dice.bytes(size)));
    else parts.push(quill.control());
  }
  if (dice.percent(15)) parts.push(quill.strange());
  if (dice.percent(2)) parts.push(quill.bulk());
  if (dice.percent(50)) {
    parts.push(quill.close());
    if (dice.percent(10)) parts.push(quill.message(dice.bytes(10)));
  }
  return Buffer.concat(parts);
}
