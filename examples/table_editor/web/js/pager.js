// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Which page of the rows, of how many, and how long a page is.

import { count, h, icon } from '/shared/js/dom.js';

const sizes = [25, 50, 100, 250, 500];

/** Events: `page` and `size`, with the number wanted as `detail`. */
export class Pager extends EventTarget {
  #range = h('p', { class: 'range', role: 'status' });
  #buttons = {};
  #number = h('input', {
    type: 'text',
    inputmode: 'numeric',
    'aria-label': 'Page',
    autocomplete: 'off',
    change: () => this.#go(),
    focus: () => this.#number.select(),
  });
  #of = h('span', { class: 'of' });
  #size = h('select', {
    'aria-label': 'Rows per page',
    change: () => this.#tell('size', Number(this.#size.value)),
  });
  #page = 0;
  #pages = 1;

  constructor() {
    super();
    const turn = (name, label, to) => {
      this.#buttons[name] = h(
        'button',
        {
          type: 'button',
          class: 'button quiet icon-only',
          'aria-label': label,
          title: label,
          click: () => this.#tell('page', to()),
        },
        icon(name),
      );
      return this.#buttons[name];
    };
    this.#size.append(...sizes.map((size) => h('option', { value: size }, `${size} rows`)));
    this.element = h(
      'nav',
      { class: 'pager', 'aria-label': 'Pages' },
      this.#range,
      this.#size,
      h(
        'div',
        { class: 'turns' },
        turn('first', 'First page', () => 0),
        turn('previous', 'Previous page', () => this.#page - 1),
        h('span', { class: 'page-number' }, this.#number, this.#of),
        turn('next', 'Next page', () => this.#page + 1),
        turn('last', 'Last page', () => this.#pages - 1),
      ),
    );
  }

  show({ page, pageSize, pages, shown, total, filtered }) {
    this.#page = page;
    this.#pages = pages;
    this.#number.value = page + 1;
    this.#of.textContent = `of ${pages.toLocaleString()}`;
    this.#size.value = pageSize;
    const first = page * pageSize;
    const matching = filtered ? ' matching' : '';
    this.#range.textContent =
      shown === 0
        ? `No${matching} rows`
        : `${(first + 1).toLocaleString()}–${(first + shown).toLocaleString()} of ${count(total, `${matching.trim()} row`.trim(), `${matching.trim()} rows`.trim())}`;
    this.#disable({
      first: page === 0,
      previous: page === 0,
      next: page + 1 >= pages,
      last: page + 1 >= pages,
    });
  }

  /** A button that has just been used keeps the focus, even when it can be used no more. */
  #disable(states) {
    for (const [name, off] of Object.entries(states)) {
      this.#buttons[name].setAttribute('aria-disabled', String(off));
    }
  }

  #go() {
    const page = Number.parseInt(this.#number.value.replace(/\D/g, ''), 10) - 1;
    this.#number.value = this.#page + 1;
    if (Number.isSafeInteger(page)) this.#tell('page', page);
  }

  #tell(type, number) {
    const page = Math.min(this.#pages - 1, Math.max(0, number));
    if (type === 'page') {
      if (page === this.#page) return;
      // At once, so that quick clicks add up.
      this.#page = page;
      this.#number.value = page + 1;
    }
    this.dispatchEvent(new CustomEvent(type, { detail: type === 'page' ? page : number }));
  }
}
