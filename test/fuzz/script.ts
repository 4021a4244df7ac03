export type Role = 'client' | 'server';

/** The pool that a script is for. */
export interface Side {
  readonly role: Role;
  /** The newest protocol that it speaks. */
  readonly protocol: 1 | 2;
}

/** Pools of which kind there are: 'client/2' is one that dials and speaks protocol 2. */
export const SIDES: readonly Side[] = [
  { role: 'server', protocol: 1 },
  { role: 'client', protocol: 1 },
  { role: 'server', protocol: 2 },
  { role: 'client', protocol: 2 },
];

export function nameOf({ role, protocol }: Side): string {
  return `${role}/${protocol}`;
}

/** What the application does at some point of a script. */
export interface Act {
  /** Behind which segment; -1 as soon as the use is named. */
  readonly after: number;
  /** Which use of the link it is about: the first is 0. */
  readonly use: number;
  /** To 'wait' is to let the deadlines pass. A 'pause' only has what was sent before settle. */
  readonly what: 'take' | 'read' | 'write' | 'end' | 'destroy' | 'wait' | 'pause';
  /** How many bytes it writes; as it takes it, if that is what it does. */
  readonly size: number;
  /** How who takes it reads; 'later' means when it is told to, which may be never. */
  readonly reads: 'at once' | 'slowly' | 'later';
}

/** What a peer does to the library, from its first byte to its last. */
export interface Script extends Side {
  readonly index: number;
  readonly bytes: Buffer;
  /** Where `bytes` is cut into segments, ascending. */
  readonly cuts: readonly number[];
  /** How long its head is, or null when it was tampered with. */
  readonly headLength: number | null;
  /** The status that its head deserves (101 lets it in), when that is known. */
  readonly status: number | null;
  readonly ending: 'fin' | 'reset' | 'silence';
  /** Whether the peer reads nothing after the hand-shake. */
  readonly isDeaf: boolean;
  readonly acts: readonly Act[];
  /** Whether peer and application take turns: the peer goes on when what the application does has had its effect. */
  readonly isPlay: boolean;
}

/** The largest message that the fuzzed pools accept, in bytes. */
export const MAX_PAYLOAD = 5_000;

/** By which rules the frames of a peer of such a pool are read. */
export function rulesOf({ role }: Side): { masked: boolean; maxPayload: number } {
  return { masked: role === 'server', maxPayload: MAX_PAYLOAD };
}

/** How many uses a link of the fuzzed pools may serve. */
export const MAX_USES = 4;

/** Who takes the first use, and does nothing else but write so much. */
export function taking(after: number, size = 0): Act {
  return { after, use: 0, what: 'take', size, reads: 'at once' };
}

/** The segments of a script whose bytes are these. */
export function segmentsOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const starts = [0, ...cuts];
  return starts.map((start, i) => bytes.subarray(start, starts[i + 1] ?? bytes.length));
}
