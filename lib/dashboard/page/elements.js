/** An element with attributes and children: texts or elements. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Writes a text only where it changes: what reads the page aloud is not disturbed. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Names and values, each to be written by `set(key, value, text)`. `value` is what the page got, `text` how it says it. */
export class Figures {
  #values = {};

  constructor(names) {
    const pairs = Object.entries(names).map(([key, name]) => {
      this.#values[key] = element('dd', { 'data-figure': key });
      return element('div', {}, element('dt', {}, name), this.#values[key]);
    });
    this.list = element('dl', { class: 'figures' }, ...pairs);
  }

  set(key, value, text) {
    const target = this.#values[key];
    target.dataset.value = String(value);
    write(target, text);
  }
}

/** Counts by reason, of those reasons that there were. */
export class Reasons {
  #counts = element('p', { class: 'reasons' });

  constructor(title, key) {
    this.part = element('div', { 'data-reasons': key }, element('h3', {}, title), this.#counts);
  }

  set(counts) {
    const seen = Object.entries(counts).filter(([, count]) => count > 0);
    this.part.dataset.value = JSON.stringify(Object.fromEntries(seen));
    const text = seen.map(([reason, count]) => `${reason} ${count.toLocaleString('en-US')}`);
    if (this.#counts.dataset.text === text.join()) return;
    this.#counts.dataset.text = text.join();
    this.#counts.replaceChildren(
      ...(text.length > 0 ? text : ['none']).map((one) => element('span', {}, one)),
    );
  }
}
