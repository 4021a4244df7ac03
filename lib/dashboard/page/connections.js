import { element, write } from './elements.js';
import * as format from './format.js';

/** The columns of the table: a title, what is compared, what is shown. */
const COLUMNS = [
  { title: 'ID', of: ({ id }) => id, text: ({ id }) => id },
  {
    title: 'state',
    of: ({ state }) => state,
    text: ({ state, usedFor }) => (usedFor === null ? state : `${state} ${format.time(usedFor)}`),
  },
  { title: 'age', of: ({ age }) => age, text: ({ age }) => format.time(age) },
  { title: 'received', of: ({ bytes }) => bytes.received, text: ({ bytes }) => format.bytes(bytes.received) },
  { title: 'sent', of: ({ bytes }) => bytes.sent, text: ({ bytes }) => format.bytes(bytes.sent) },
  { title: 'peer', of: ({ peer }) => peer, text: ({ peer }) => peer },
];

/** The live connections of a pool, to be sorted by any column. */
export class Connections {
  #summary = element('summary');
  #body = element('tbody');
  #heads;
  #order = { column: 2, isDescending: true };
  #rows = [];

  constructor(name) {
    this.#heads = COLUMNS.map(({ title }, column) => {
      const button = element('button', { type: 'button' }, title);
      button.addEventListener('click', () => this.#sortBy(column));
      return element('th', { scope: 'col' }, button);
    });
    const table = element('table', {}, element('thead', {}, element('tr', {}, ...this.#heads)), this.#body);
    const scroll = { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': `connections of ${name}` };
    this.part = element('details', {}, this.#summary, element('div', scroll, table));
    this.part.addEventListener('toggle', () => this.#draw());
  }

  /** Shows these rows, of so many that there are. */
  show(rows, total) {
    this.#rows = rows;
    const shown = rows.length < total ? `, ${format.count(rows.length)} of them here` : '';
    write(this.#summary, `${format.count(total)} live connections${shown}`);
    this.#draw();
  }

  #sortBy(column) {
    const isSame = column === this.#order.column;
    this.#order = { column, isDescending: isSame && !this.#order.isDescending };
    this.#draw();
  }

  #draw() {
    if (!this.part.open) return;
    const { column, isDescending } = this.#order;
    this.#heads.forEach((head, at) => {
      if (at === column) head.setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    const { of } = COLUMNS[column];
    const compare = (one, other) => (of(one) < of(other) ? -1 : of(one) > of(other) ? 1 : 0);
    const sorted = this.#rows.toSorted((one, other) =>
      isDescending ? compare(other, one) : compare(one, other),
    );
    // Cells are used again: what was selected or read stays.
    while (this.#body.rows.length > sorted.length) this.#body.deleteRow(-1);
    while (this.#body.rows.length < sorted.length) {
      this.#body.append(element('tr', {}, ...COLUMNS.map(() => element('td'))));
    }
    sorted.forEach((row, at) => {
      COLUMNS.forEach(({ text }, cell) => write(this.#body.rows[at].cells[cell], text(row)));
    });
  }
}
