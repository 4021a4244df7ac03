import { Logger } from '@nestjs/common';
import type { Pool } from '../core/pool.js';
import type { PoolConnection } from '../transport/connection.js';
import { adviceFor } from './advice.js';

/** What comes from outside is cut to this many characters in a log line. */
const MAX_LENGTH = 128;

/**
 * Writes the few lines that matter in a pool's life to Nest's Logger, one for each event. `startedAt` tells when the
 * pool was started (ms, `performance.now`).
 */
export function logPool(pool: Pool<PoolConnection>, startedAt: () => number): void {
  const logger = new Logger(`${pool.role === 'client' ? 'ClientPool' : 'ServerPool'}:${pool.name}`);
  pool.on('warning', (message) => {
    logger.warn(onOneLine(message));
  });
  pool.on('listening', ({ url, maxCapacity, clientIP }) => {
    const from = clientIP.length === 0 ? 'anywhere' : clientIP.join(', ');
    logger.log(`listening on ${url} for up to ${maxCapacity} idle connections from ${from}`);
  });
  if (pool.role === 'client') {
    pool.once('connect', ({ peer }) => {
      logger.log(`connected to ${peer} after ${Math.round(performance.now() - startedAt())} ms`);
    });
  }
  pool.on('outage', (error) => {
    logger.warn(`${onOneLine(error.message)}; retrying. ${adviceFor(error)}`.trim());
  });
  pool.on('recover', ({ after, tries }) => {
    logger.log(
      `recovered after ${(after / 1000).toFixed(1)} s, ${tries} failed ${tries === 1 ? 'dial' : 'dials'}`,
    );
  });
  pool.on('listenError', (error) => {
    logger.error(onOneLine(error.message));
  });
  pool.on('tlsUpdate', ({ by }) => {
    logger.log(`new connections use new certificates (${by})`);
  });
  pool.on('drain', () => {
    const { used } = pool.stats();
    logger.log(`draining, ${used} in use`);
  });
  pool.on('close', () => {
    logger.log('closed');
  });
}

/** One line whatever was sent: control characters escaped, cut to a length. */
export function onOneLine(text: string): string {
  const escaped = text.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return escaped.length > MAX_LENGTH ? `${escaped.slice(0, MAX_LENGTH)}…` : escaped;
}
