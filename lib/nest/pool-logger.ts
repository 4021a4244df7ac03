import { Logger } from '@nestjs/common';
import { labelOf, withoutLabel } from '../core/errors.js';
import type { Pool } from '../core/pool.js';
import type { PoolConnection } from '../transport/connection.js';

/**
 * Writes the few lines that matter in a pool's life to Nest's Logger, one for each event. `startedAt` tells when the
 * pool was started (ms, `performance.now`).
 */
export function logPool(pool: Pool<PoolConnection>, startedAt: () => number): void {
  const logger = new Logger(`${pool.role === 'client' ? 'ClientPool' : 'ServerPool'}:${pool.name}`);
  // The context names the pool.
  const label = labelOf(pool.role, pool.name);
  pool.on('warning', (message) => {
    logger.warn(message);
  });
  pool.on('listening', ({ url, maxCapacity, clientIP }) => {
    const from = clientIP.length === 0 ? 'anywhere' : clientIP.join(', ');
    const where = url.startsWith('/') ? `mounted on ${url} of the HTTP server` : `listening on ${url}`;
    logger.log(`${where} for up to ${maxCapacity} idle connections from ${from}`);
  });
  if (pool.role === 'client') {
    pool.once('connect', ({ peer }) => {
      logger.log(`connected to ${peer} after ${Math.round(performance.now() - startedAt())} ms`);
    });
  }
  pool.on('outage', (error) => {
    logger.warn(`a dial failed, retrying: ${withoutLabel(error.message, label)}`);
  });
  pool.on('recover', ({ after, tries }) => {
    logger.log(
      `recovered after ${(after / 1000).toFixed(1)} s, ${tries} failed ${tries === 1 ? 'dial' : 'dials'}`,
    );
  });
  pool.on('listenError', (error) => {
    logger.error(withoutLabel(error.message, label));
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
