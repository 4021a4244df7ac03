/** One use of a link of protocol 2, as it should be seen. */
export class ModelUse {
  /** What the peer has sent in it. */
  readonly data: Buffer[] = [];
  length = 0;
  /** Whether the peer has sent its end, and in which batch. */
  hasAll = false;
  endedIn = -1;
  isFinSent = false;
  isTaken = false;
  /** Whether it was taken when nothing was left of its link. */
  isLate = false;
  /** Whether it was owed for as long as it may be. */
  isForgotten = false;
  /** Whether the application asked for it in vain. */
  isMissed = false;
  isRead = false;
  isDestroyed = false;
  /** Whether the application wants no more of it, or has read everything. */
  isDone = false;
  /** What cut it in the application's hands: a close code, and whether nothing of it was read at the other end. */
  loss: { readonly code: number; readonly isUnused: boolean } | null = null;

  /** `id` is null where the library draws it. `namedIn` is a batch. */
  constructor(
    readonly id: string | null,
    readonly namedIn: number,
  ) {}

  /** Whether the peer has begun. */
  get hasHeard(): boolean {
    return this.hasAll || this.length > 0;
  }

  /** Whether both ends are sent: nothing that befalls the link matters any more. */
  get isComplete(): boolean {
    return this.hasAll && this.isFinSent;
  }

  /** Whether an application may still do something with it. */
  get isHeld(): boolean {
    return this.isTaken && !this.isDestroyed && this.loss === null;
  }
}
