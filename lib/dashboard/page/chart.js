import { element } from './elements.js';

/** What is drawn, in the order of a history's columns. */
const SERIES = [
  { label: 'idle', color: '--idle' },
  { label: 'used', color: '--used' },
  { label: 'capacity', color: '--capacity', dash: [6, 4] },
  { label: 'limit', color: '--limit', dash: [2, 4] },
];

const HEIGHT = 180;

/** Connections over time. */
export class Chart {
  #picture = element('div', { role: 'img' });
  #plot;
  #columns = [[], [], [], [], []];

  constructor(name) {
    this.#picture.setAttribute(
      'aria-label',
      `connections of ${name} over the last minutes; the numbers stand above`,
    );
    const legend = SERIES.map(({ label, color }) => {
      const entry = element('span', {}, label);
      entry.style.setProperty('--mark', `var(${color})`);
      return entry;
    });
    this.part = element(
      'figure',
      { class: 'chart' },
      element('figcaption', { class: 'legend' }, ...legend),
      this.#picture,
    );
    new ResizeObserver(() => this.#fit()).observe(this.part);
    // Colours are drawn, not styled.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  show(columns) {
    this.#columns = columns;
    if (this.#plot) this.#plot.setData(columns);
    else this.#draw();
  }

  #fit() {
    const width = this.part.clientWidth;
    if (this.#plot && width > 0) this.#plot.setSize({ width, height: HEIGHT });
    else this.#draw();
  }

  #draw() {
    const width = this.part.clientWidth;
    if (width === 0) return;
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: color('--faint'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    };
    this.#plot = new window.uPlot(
      {
        width,
        height: HEIGHT,
        cursor: { show: false },
        legend: { show: false },
        scales: { y: { range: (_plot, _least, most) => [0, Math.max(4, most * 1.1)] } },
        axes: [axis, { ...axis, size: 48 }],
        series: [
          {},
          ...SERIES.map(({ label, color: name, dash }) => ({
            label,
            stroke: color(name),
            width: 2,
            dash,
            points: { show: false },
          })),
        ],
      },
      this.#columns,
      this.#picture,
    );
  }
}
