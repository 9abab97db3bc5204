// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The filters in force, each of which can be taken away, and the small form for one more.

import { h, icon, newId } from '/shared/js/dom.js';

/** Events: `filters`, with the wanted list of `{column, value}` as `detail`. */
export class FilterBar extends EventTarget {
  #filters = [];
  #chips = h('ul', { class: 'chips', 'aria-label': 'Filters in force' });
  #column = h('select', { id: newId('filter-column'), change: () => this.#suggest() });
  #value = h('input', {
    id: newId('filter-value'),
    type: 'text',
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    'aria-describedby': 'filter-hint',
  });
  #form;

  constructor() {
    super();
    this.#form = h(
      'form',
      {
        class: 'filter-form',
        hidden: true,
        'aria-label': 'Add a filter',
        submit: (event) => {
          event.preventDefault();
          this.#add();
        },
        keydown: (event) => {
          if (event.key !== 'Escape') return;
          this.#open(false);
          this.button.focus();
        },
      },
      h('div', { class: 'field' }, h('label', { for: this.#column.id }, 'Column'), this.#column),
      h(
        'div',
        { class: 'field grow' },
        h('label', { for: this.#value.id }, 'Is like'),
        this.#value,
      ),
      h('button', { type: 'submit', class: 'button primary' }, 'Apply'),
      h(
        'p',
        { class: 'hint', id: 'filter-hint' },
        'Upper and lower case are the same. ',
        h('kbd', {}, '*'),
        ' stands for any characters, ',
        h('kbd', {}, '?'),
        ' for one: ',
        h('kbd', {}, '*son'),
        '.',
      ),
    );
    this.button = h(
      'button',
      {
        type: 'button',
        class: 'button',
        'aria-expanded': 'false',
        click: () => this.#open(this.#form.hidden),
      },
      icon('filter'),
      h('span', { class: 'button-text' }, 'Filter'),
    );
    this.element = h('div', { class: 'filter-bar' }, this.#form, this.#chips);
  }

  showColumns(columns) {
    const chosen = this.#column.value;
    this.#column.replaceChildren(...columns.map(({ name }) => h('option', { value: name }, name)));
    if (columns.some(({ name }) => name === chosen)) this.#column.value = chosen;
  }

  show(filters) {
    this.#filters = filters;
    this.#chips.hidden = filters.length === 0;
    this.#chips.replaceChildren(
      ...filters.map((filter) => this.#chip(filter)),
      filters.length > 1
        ? h(
            'li',
            {},
            h(
              'button',
              { type: 'button', class: 'button quiet small', click: () => this.#set([]) },
              'Clear all',
            ),
          )
        : '',
    );
    this.button.classList.toggle('on', filters.length > 0);
  }

  /** The column that the form starts with: the one the user is in. */
  suggest(name) {
    if (this.#form.hidden) this.#column.value = name;
  }

  #chip(filter) {
    const { column, value } = filter;
    return h(
      'li',
      { class: 'chip' },
      h('span', {}, h('b', {}, column), ' is like ', h('q', {}, value)),
      h(
        'button',
        {
          type: 'button',
          'aria-label': `Remove the filter of ${column}`,
          click: () => {
            this.#set(this.#filters.filter((other) => other !== filter));
            this.button.focus();
          },
        },
        icon('close'),
      ),
    );
  }

  #open(open) {
    this.#form.hidden = !open;
    this.button.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.#suggest();
    this.#value.focus();
    this.#value.select();
  }

  /** A column has one filter at most: what is typed replaces it. */
  #suggest() {
    const present = this.#filters.find(({ column }) => column === this.#column.value);
    this.#value.value = present?.value ?? '';
  }

  #add() {
    const column = this.#column.value;
    const value = this.#value.value;
    const others = this.#filters.filter((filter) => filter.column !== column);
    this.#set(value === '' ? others : [...others, { column, value }]);
    this.#open(false);
    this.button.focus();
  }

  #set(filters) {
    this.dispatchEvent(new CustomEvent('filters', { detail: filters }));
  }
}
