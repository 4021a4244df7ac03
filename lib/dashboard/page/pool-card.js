import { Chart } from './chart.js';
import { Connections } from './connections.js';
import { element, Figures, Reasons, write } from './elements.js';
import * as format from './format.js';
import { History } from './history.js';

const WORDS = { up: '● healthy', degraded: '▲ degraded', down: '✖ down' };

/** Plain counts of `stats()`, by what the page calls them. */
const COUNTS = {
  active: 'idle', used: 'used', connecting: 'connecting', waiting: 'waiting', capacity: 'capacity',
  maxCapacity: 'limit', opened: 'opened', reused: 'reused', errors: 'errors', rejected: 'rejected',
}; // prettier-ignore

const TIMES = { wait: 'wait', dial: 'dial', use: 'use', ping: 'ping' };

/** A pool on the page. */
export class PoolCard {
  #health = element('p', { class: 'health' });
  #reason = element('p', { class: 'reason' });
  #counts = new Figures(COUNTS);
  #flow = new Figures({ takes: 'takes', received: 'received', sent: 'sent' });
  #times;
  #closed = new Reasons('closed', 'closed');
  #failures = new Reasons('dial failures', 'dialFailures');
  #rejections = new Reasons('rejections', 'rejections');
  #chart;
  #connections;
  #history = new History();

  constructor({ name, role }) {
    const title = `${role} pool ${name}`;
    this.#times = new Figures(
      Object.fromEntries(
        Object.entries(TIMES).flatMap(([key, word]) => [
          [`${key}-p50`, `${word} p50`],
          [`${key}-p99`, `${word} p99`],
        ]),
      ),
    );
    this.#chart = new Chart(title);
    this.#connections = new Connections(title);
    const heading = element('h2', {}, name, ' ', element('span', { class: 'faint' }, `${role} pool`));
    this.part = element(
      'section',
      { class: 'pool', 'data-pool': name, 'data-role': role, 'aria-label': title },
      element('header', {}, heading, this.#health),
      this.#reason,
      this.#counts.list,
      this.#chart.part,
      this.#flow.list,
      this.#times.list,
      ...(role === 'client' ? [this.#failures.part] : [this.#rejections.part]),
      this.#closed.part,
      this.#connections.part,
    );
  }

  /** How bad it is: what is worse stands first. */
  get rank() {
    return ['down', 'degraded', 'up'].indexOf(this.part.dataset.health);
  }

  show(at, { stats, health, connections }) {
    const state = health.up ? (health.degraded ? 'degraded' : 'up') : 'down';
    this.part.dataset.health = state;
    write(this.#health, WORDS[state]);
    write(this.#reason, health.reason ?? '');
    for (const key of Object.keys(COUNTS)) this.#counts.set(key, stats[key], format.count(stats[key]));
    this.#history.add(at, stats);
    this.#chart.show(this.#history.columns);
    const { takes, bytes, times } = stats;
    this.#flow.set('takes', takes.immediate + takes.waited, format.rate(this.#history.rate('takes')));
    for (const way of ['received', 'sent']) {
      this.#flow.set(
        way,
        bytes[way],
        `${format.bytes(bytes[way])}, ${format.bytes(this.#history.rate(way))}/s`,
      );
    }
    for (const key of Object.keys(TIMES)) {
      this.#times.set(`${key}-p50`, times[key].p50, format.time(times[key].p50));
      this.#times.set(`${key}-p99`, times[key].p99, format.time(times[key].p99));
    }
    this.#closed.set(stats.closed);
    this.#failures.set(stats.dialFailures);
    this.#rejections.set(stats.rejections);
    this.#connections.show(connections, stats.active + stats.owed + stats.used);
  }
}
