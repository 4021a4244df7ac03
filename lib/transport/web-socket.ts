import { WebSocket } from 'ws';

/**
 * A `WebSocket` that tells when its peer begins to close. `ws` itself tells only when the socket is gone, a round
 * trip later: too late for a pool that must not hand out what it could know to be dead.
 */
export class PooledWebSocket extends WebSocket {
  /** Called when a close frame has come (`code` is 1005 when it was empty), or `ws` closes because of bad input. */
  onPeerClose: ((code: number, reason: string) => void) | null = null;

  /** `ws` calls this by itself, to answer a close frame or bad input. We call `closeWith` instead. */
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason);
    this.onPeerClose?.(code ?? 1005, reason?.toString() ?? '');
  }

  /** Closes from this side. Never with an empty frame: to a Go peer that is an error. */
  closeWith(code: number, reason: string): void {
    super.close(code, reason);
  }
}
