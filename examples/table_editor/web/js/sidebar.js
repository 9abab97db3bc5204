// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Namespaces and tables: beside the grid, or on a narrow window a drawer over it.

import { h, icon } from '/shared/js/dom.js';

const searchFrom = 8; // tables; fewer are seen at a glance

/** Events: `namespace` and `table`, with the chosen name as `detail`. */
export class Sidebar extends EventTarget {
  #namespace = h('select', {
    id: 'namespace',
    change: () => this.#tell('namespace', this.#namespace.value),
  });
  #label = h('label', { for: 'namespace' }, 'Namespace');
  #search = h('input', {
    type: 'search',
    placeholder: 'Find a table',
    'aria-label': 'Find a table',
    autocomplete: 'off',
    spellcheck: 'false',
    input: () => this.#show(),
  });
  #searchBox = h('div', { class: 'search' }, icon('search'), this.#search);
  #list = h('ul', { class: 'tables' });
  #message = h('p', { class: 'hint', role: 'status' });
  #tables = [];
  #current = null;
  #isDrafted = () => false;

  constructor({ isDrafted }) {
    super();
    this.#isDrafted = isDrafted;
    const close = h(
      'button',
      {
        type: 'button',
        class: 'button quiet icon-only drawer-only',
        'aria-label': 'Close the list of tables',
        click: () => this.close(),
      },
      icon('close'),
    );
    this.element = h(
      'nav',
      {
        class: 'sidebar',
        id: 'sidebar',
        'aria-label': 'Tables',
        keydown: ({ key }) => key === 'Escape' && this.close(),
      },
      h('div', { class: 'sidebar-head' }, this.#label, close),
      this.#namespace,
      this.#searchBox,
      this.#message,
      this.#list,
    );
    this.scrim = h('div', { class: 'scrim', click: () => this.close() });
    this.toggle = h(
      'button',
      {
        type: 'button',
        class: 'button quiet icon-only drawer-only',
        'aria-label': 'Tables',
        'aria-controls': 'sidebar',
        'aria-expanded': 'false',
        click: () => this.open(),
      },
      icon('menu'),
    );
  }

  /** As the database calls it. */
  nameNamespace(label) {
    this.#label.textContent = label;
  }

  showNamespaces(names, current) {
    const all = names.includes(current) ? names : [current, ...names];
    this.#namespace.replaceChildren(...all.map((name) => h('option', { value: name }, name)));
    this.#namespace.value = current;
  }

  showTables(names) {
    this.#tables = names;
    this.#searchBox.hidden = names.length < searchFrom;
    if (this.#searchBox.hidden) this.#search.value = '';
    this.#show();
  }

  select(name) {
    this.#current = name;
    this.#show();
  }

  /** The drawer of a narrow window; on a wide one the list is always there. */
  open() {
    this.#drawer(true);
    (
      this.#list.querySelector('[aria-current]') ??
      this.#list.querySelector('button') ??
      this.#namespace
    ).focus();
  }

  close() {
    if (!this.element.classList.contains('open')) return;
    this.#drawer(false);
    this.toggle.focus();
  }

  /** After a change of drafts. */
  refresh() {
    this.#show();
  }

  #drawer(open) {
    this.element.classList.toggle('open', open);
    this.toggle.setAttribute('aria-expanded', String(open));
    // What the drawer covers must not be reached with Tab either.
    for (const other of document.querySelectorAll('.topbar, .workspace > main')) other.inert = open;
  }

  #show() {
    const sought = this.#search.value.trim().toLowerCase();
    const found = this.#tables.filter((name) => name.toLowerCase().includes(sought));
    this.#message.textContent =
      found.length > 0 ? '' : sought === '' ? 'No tables here.' : 'No table of that name.';
    const focused = this.#list.contains(document.activeElement)
      ? document.activeElement.dataset.table
      : undefined;
    this.#list.replaceChildren(...found.map((name) => this.#item(name)));
    if (focused !== undefined) {
      [...this.#list.querySelectorAll('button')]
        .find(({ dataset }) => dataset.table === focused)
        ?.focus();
    }
  }

  #item(name) {
    const dot = name.indexOf('.');
    const [schema, table] = dot < 0 ? ['', name] : [name.slice(0, dot + 1), name.slice(dot + 1)];
    const drafted = this.#isDrafted(name);
    return h(
      'li',
      {},
      h(
        'button',
        {
          type: 'button',
          title: name,
          'data-table': name,
          'aria-current': name === this.#current ? 'page' : null,
          click: () => {
            this.close();
            this.#tell('table', name);
          },
        },
        icon('table'),
        h('span', { class: 'table-name' }, h('span', { class: 'schema' }, schema), table),
        drafted
          ? h('span', { class: 'dot' }, h('span', { class: 'for-readers' }, ', unsaved changes'))
          : null,
      ),
    );
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
