import type { Random } from './random.js';

declare const brand: unique symbol;

/** The name that a server gives to a connection: 4 bytes, shown as 8 lower-case hex digits. */
export type ConnectionId = string & {
  /** No other string is one: see `CONTROL_ID`. */
  readonly [brand]: 'ConnectionId';
};

/** The first ID that a server pool issues. By custom both ends take it and use it to talk about the others. */
export const CONTROL_ID = '00000000' as ConnectionId;

/** The length of an ID on the wire, in bytes. */
export const ID_BYTES = 4;

/** How often a live ID may be drawn before the source of randomness is held to be broken. */
const MAX_DRAWS = 8;

/** Whether something that somebody passed in is an ID: 8 lower-case hex digits. */
export function isConnectionId(value: unknown): value is ConnectionId {
  return typeof value === 'string' && /^[0-9a-f]{8}$/.test(value);
}

/** Reads an ID from exactly 4 bytes. */
export function idFromBytes(bytes: Uint8Array): ConnectionId {
  return hex(new DataView(bytes.buffer, bytes.byteOffset, ID_BYTES).getUint32(0));
}

/** The 4 bytes of an ID as the wire carries them. */
export function idToBytes(id: ConnectionId): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  new DataView(bytes.buffer).setUint32(0, Number.parseInt(id, 16));
  return bytes;
}

/** Issues IDs, never one that is live: the control ID first, all others at random. */
export class IdIssuer {
  #controlIssued = false;

  /** With `reissueControl` the control ID is issued again whenever no live connection bears it. */
  constructor(
    private readonly random: Random,
    private readonly reissueControl: boolean,
  ) {}

  /** A free ID, or undefined when several draws in a row were all live (a broken source of randomness). */
  issue(isLive: (id: ConnectionId) => boolean): ConnectionId | undefined {
    if ((this.reissueControl || !this.#controlIssued) && !isLive(CONTROL_ID)) return CONTROL_ID;
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const id = hex(this.random());
      if (id !== CONTROL_ID && !isLive(id)) return id;
    }
    return undefined;
  }

  /** Notes that an issued ID reached a connection; until then the control ID is still to be had. */
  spent(id: ConnectionId): void {
    if (id === CONTROL_ID) this.#controlIssued = true;
  }
}

function hex(number: number): ConnectionId {
  return number.toString(16).padStart(8, '0') as ConnectionId;
}
