import type { Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { FrameSplitter } from './frame-splitter.js';

/**
 * A `WebSocket` that tells when its peer begins to close. `ws` itself tells only when the socket is gone, a round
 * trip later: too late for a pool that must not hand out what it could know to be dead.
 */
export class PooledWebSocket extends WebSocket {
  /**
   * Called when a close frame has come (`code` is 1005 when it was empty), or `ws` closes because of bad input. `isCut` tells
   * that it came in the middle of a message.
   */
  onPeerClose: ((code: number, reason: string, isCut: boolean) => void) | null = null;

  /**
   * Has binary messages that come whole go to `deliver`, past `ws`; all else goes the usual way. `maxPayload` in bytes.
   */
  split(isMasked: boolean, maxPayload: number, deliver: (payload: Buffer) => void): void {
    const { _receiver: receiver } = this as unknown as { _receiver?: Pick<Writable, 'write'> };
    // It is none of what `ws` promises to have. Without it, everything goes the usual way.
    if (typeof receiver?.write !== 'function') return;
    const write = receiver.write as (this: typeof receiver, bytes: Buffer) => boolean;
    let wantsMore = true;
    const forward = (bytes: Buffer): void => {
      wantsMore = write.call(receiver, bytes);
    };
    const splitter = new FrameSplitter({ isMasked, maxPayload, deliver, forward });
    receiver.write = (bytes: Buffer) => {
      wantsMore = true;
      splitter.take(bytes);
      return wantsMore;
    };
  }

  /** `ws` calls this by itself, to answer a close frame or bad input. We call `closeWith` instead. */
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason);
    const { _receiver: receiver } = this as unknown as { _receiver?: { _fragmented?: number } };
    this.onPeerClose?.(code ?? 1005, reason?.toString() ?? '', (receiver?._fragmented ?? 0) !== 0);
  }

  /** Closes from this side. Never with an empty frame: to a Go peer that is an error. */
  closeWith(code: number, reason: string): void {
    super.close(code, reason);
  }
}
