import { type Mask, nativeMask } from './native-mask.cjs';

/** Below this length, in bytes, a call into native code costs more than it saves. */
const WORTH_A_CALL = 64;

/** Whether masking takes next to no time: bufferutil is there, with a binary for this platform. */
export const isMaskNative = nativeMask !== null;

/** Masks or unmasks `bytes` in place with `key`. */
export const mask: Mask = (bytes, key) => {
  if (bytes.length < WORTH_A_CALL) maskBytes(bytes, key, 0, bytes.length);
  else if (nativeMask) nativeMask(bytes, key);
  else maskWords(bytes, key);
};

/** Without native code, at least 4 bytes: by words as far as they lie aligned. */
export function maskWords(bytes: Uint8Array, key: Uint8Array): void {
  const { buffer, byteOffset, length } = bytes;
  const lead = -byteOffset & 3;
  const words = new Uint32Array(buffer, byteOffset + lead, (length - lead) >>> 2);
  const turned = Uint8Array.of(...[0, 1, 2, 3].map((i) => key[(lead + i) & 3] as number));
  const [word = 0] = new Uint32Array(turned.buffer);
  maskBytes(bytes, key, 0, lead);
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ word;
  maskBytes(bytes, key, lead + words.length * 4, length);
}

function maskBytes(bytes: Uint8Array, key: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; i++) bytes[i] = (bytes[i] as number) ^ (key[i & 3] as number);
}
