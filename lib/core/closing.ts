/** Why a link was closed, as this end sees it: what closings are counted by. */
export type CloseReason =
  /** Its last use came to an end in good order, and with it the link. */
  | 'finished'
  /** Cut while an application held it: by `destroy()` at either end, or by whatever cut it. */
  | 'broken'
  /** The peer broke a rule of the protocol. */
  | 'violation'
  /** The peer closed it in good order while nobody held it. */
  | 'dropped'
  /** It died while nobody held it. */
  | 'lost'
  /** Closed by `flush()`. */
  | 'flushed'
  /** Used or idle long enough: `maxUses`, `maxLifetime`, `maxIdle`. */
  | 'retired'
  /** Given back, but there was no room for it; or it gave its place to a lost control connection. */
  | 'surplus'
  /** Given back, but the server did not name it in time. */
  | 'unnamed'
  /** The peer wrote, but nobody took it by its ID. */
  | 'unclaimed'
  /** Its ID was issued again, or it gave way to a new control connection. */
  | 'replaced'
  /** The pool is shutting down. */
  | 'drained';

/** How a pool closes a link: the code, and words for the peer. */
export interface Closing {
  readonly code: number;
  readonly words: string;
}

/** The reasons for which a pool closes a link by itself. */
export type PartReason = Exclude<CloseReason, 'finished' | 'broken' | 'violation' | 'dropped' | 'lost'>;

/** The closing of each. A link whose peer has begun to write is closed with `UNREAD_CODE`, whatever the reason. */
export const CLOSINGS: Readonly<Record<PartReason, Closing>> = {
  flushed: { code: 1000, words: 'flushed' },
  retired: { code: 1000, words: 'used long enough' },
  surplus: { code: 1000, words: 'no room' },
  unnamed: { code: 1000, words: 'not named in time' },
  unclaimed: { code: 1013, words: 'nobody took this connection' },
  replaced: { code: 1000, words: 'replaced' },
  drained: { code: 1001, words: 'going away' },
};

/** Not 1000, which would tell the peer that its bytes were read. */
export const UNREAD_CODE = 1013;

/** What a link that is idle at this end is closed with instead of those words: nothing of its use reached an application here. */
export const UNUSED = 'unused';

/** A count for each reason. */
export function noClosings(): Record<CloseReason, number> {
  return {
    finished: 0, broken: 0, violation: 0, dropped: 0, lost: 0, flushed: 0, retired: 0, surplus: 0, unnamed: 0,
    unclaimed: 0, replaced: 0, drained: 0,
  }; // prettier-ignore
}
