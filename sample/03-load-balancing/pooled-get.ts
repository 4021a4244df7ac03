import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { PoolConnection } from 'nestjs-npws';

/** A whole answer to a request. */
export interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: Buffer;
}

/**
 * Sends a GET through a pooled connection and resolves with the whole answer; the connection is ended then. Half an
 * answer, an end before it, a cut or an abort of `signal` rejects.
 */
export function pooledGet(connection: PoolConnection, path: string, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(
      {
        path,
        signal,
        createConnection: () => connection,
        // The far end leaves it open: to end a pooled connection is for the end that reads, when it has read all.
        headers: { Connection: 'keep-alive' },
      },
      (response) => {
        buffer(response).then((body) => {
          connection.end();
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], body });
        }, reject);
      },
    )
      // Comes before anything else when the connection is cut: a body without a length would seem to end there.
      .on('error', reject)
      .end();
  });
}
