import { Logger } from '@nestjs/common';
import { type Clock, systemClock } from '../core/clock.js';
import { labelOf, withoutLabel } from '../core/errors.js';
import type { LogKind, ResolvedLogOptions } from '../core/log-options.js';
import type { Pool } from '../core/pool.js';
import type { PoolConnection } from '../transport/connection.js';
import { LogLines } from './log-lines.js';

/**
 * Writes the few lines that matter in a pool's life to Nest's Logger, one for each event. `startedAt` tells when the
 * pool was started (ms, `performance.now`).
 */
export function logPool(
  pool: Pool<PoolConnection>,
  levels: ResolvedLogOptions,
  startedAt: () => number,
  clock: Clock = systemClock,
): void {
  const logger = new Logger(`${pool.role === 'client' ? 'ClientPool' : 'ServerPool'}:${pool.name}`);
  const lines = new LogLines(logger, levels, clock);
  const write = (kind: LogKind, text: string): void => {
    lines.write(kind, text);
  };
  // The context names the pool.
  const label = labelOf(pool.role, pool.name);
  pool.on('warning', (message) => {
    write('warning', message);
  });
  pool.on('listening', ({ url, maxCapacity, clientIP }) => {
    const from = clientIP.length === 0 ? 'anywhere' : clientIP.join(', ');
    const where = url.startsWith('/') ? `mounted on ${url} of the HTTP server` : `listening on ${url}`;
    write('listening', `${where} for up to ${maxCapacity} idle connections from ${from}`);
  });
  if (pool.role === 'client') {
    pool.once('connect', ({ peer }) => {
      write('connected', `connected to ${peer} after ${Math.round(performance.now() - startedAt())} ms`);
    });
  }
  pool.on('outage', (error) => {
    write('outage', `a dial failed, retrying: ${withoutLabel(error.message, label)}`);
  });
  pool.on('recover', ({ after, tries }) => {
    const dials = `${tries} failed ${tries === 1 ? 'dial' : 'dials'}`;
    write('recovered', `recovered after ${(after / 1000).toFixed(1)} s, ${dials}`);
  });
  pool.on('listenError', (error) => {
    write('listenError', withoutLabel(error.message, label));
  });
  pool.on('reject', ({ peer, status, reason }) => {
    // Whoever dials while it shuts down does what it should.
    if (pool.stats().state === 'running')
      write('rejected', `refused ${peer}: ${reason}${status === 0 ? '' : ` (${status})`}`);
  });
  pool.on('disconnect', ({ why, peer, id, code, reason }) => {
    if (why !== 'violation' && why !== 'lost') return;
    const what = why === 'violation' ? 'broke a rule' : 'was lost while idle';
    write(why, `connection ${id} with ${peer} ${what}: close code ${code}${reason && `, ${reason}`}`);
  });
  pool.on('adjust', ({ capacity, interval }) => {
    write('adjusted', `capacity ${capacity}, a round each ${interval} ms`);
  });
  pool.on('tlsUpdate', ({ by }) => {
    write('certificates', `new connections use new certificates (${by})`);
  });
  pool.on('drain', () => {
    const { used } = pool.stats();
    write('draining', `draining, ${used} in use`);
  });
  pool.on('close', () => {
    lines.end();
    write('closed', 'closed');
  });
}
