// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The grid: Tabulator draws it; paging, sorting and filtering are the server's. Here is how one moves
// in it by keyboard and mouse, after the grid pattern of the ARIA Authoring Practices: one cell at a
// time can be reached with Tab, the arrows go on from there.

import { h, icon } from '/shared/js/dom.js';
import {
  FormatModule,
  FrozenColumnsModule,
  ResizeColumnsModule,
  Tabulator,
} from '../vendor/tabulator/tabulator_esm.min.js';
import { fillCell } from './cell_content.js';
import { isNumeric, kindOf, toText, typeName } from './values.js';

Tabulator.registerModule([FormatModule, FrozenColumnsModule, ResizeColumnsModule]);

const header = -1; // the row of the column headers
const rowHeight = 2.25; // rem; said beforehand, so that no row has to be measured

/** Columns may have any name, which Tabulator would read as paths; so they have numbers. */
const field = (number) => `c${number}`;

function headerContent(column, locked) {
  return h(
    'div',
    { class: 'heading' },
    h(
      'div',
      { class: 'heading-name' },
      h('span', { class: 'name' }, column.name),
      h('span', { class: 'sort-mark', 'aria-hidden': 'true' }),
    ),
    h(
      'div',
      { class: 'heading-type' },
      column.isPrimaryKey
        ? icon('key')
        : locked && kindOf(column) !== 'binary'
          ? icon('lock')
          : null,
      h('span', {}, typeName(column).toLowerCase()),
      column.isPrimaryKey ? h('span', { class: 'for-readers' }, ', primary key') : null,
    ),
  );
}

/**
 * Events, whose `detail` has the number of the row in the page and the column: `edit` with `typed` when
 * a character opened the editor, `sort`, `remove`, `turn` with `by` pages, `add`, `copied`, `active`.
 */
export class Grid extends EventTarget {
  #host;
  #table;
  #columns;
  #draftOf;
  #lockOf;
  #rows = [];
  #first = 0;
  #active = { row: 0, column: 0 };
  #pressedOnActive = false;
  #ready;

  /** `draftOf(row, column)` and `lockOf(column, row)` are asked whenever a cell is drawn. */
  constructor(host, { label, columns, draftOf, lockOf }) {
    super();
    this.#host = host;
    this.#columns = columns;
    this.#draftOf = draftOf;
    this.#lockOf = lockOf;
    const wide = matchMedia('(min-width: 48rem)').matches;
    this.#table = new Tabulator(host, {
      height: '100%', // css/grid.css keeps it so: to be drawn again on every resize would lose the focus
      layout: 'fitDataFill',
      renderVertical: 'basic', // all rows of a page: the browser's own search and screen readers see them
      rowHeight: Math.round(
        rowHeight * parseFloat(getComputedStyle(document.documentElement).fontSize),
      ),
      nestedFieldSeparator: false,
      data: [],
      placeholder: h('p', { class: 'no-rows' }, 'No rows.'),
      columnDefaults: { resizable: 'header', minWidth: 72, maxInitialWidth: wide ? 340 : 240 },
      columns: columns.map((column, number) => ({
        field: field(number),
        title: column.name,
        titleFormatter: () => headerContent(column, lockOf(column)),
        cssClass: isNumeric(kindOf(column)) ? 'numeric' : '',
        // The key stays in sight where there is room for it and the others.
        frozen: wide && number === 0 && column.isPrimaryKey === true && columns.length > 3,
        formatter: (cell) => this.#draw(cell, number),
      })),
      rowFormatter: (row) => {
        const { number } = row.getData();
        row.getElement().dataset.row = number;
        row.getElement().setAttribute('aria-rowindex', this.#first + number + 2);
      },
    });
    this.#ready = new Promise((resolve) => this.#table.on('tableBuilt', resolve)).then(() => {
      this.#describe(label);
      this.#listen();
    });
  }

  destroy() {
    this.#ready.then(() => this.#table.destroy());
  }

  /** Shows a page whose first row is row `first` of the table's `total`. */
  async setRows(rows, { first, total, turned, emptyText }) {
    await this.#ready;
    const focused = this.hasFocus;
    this.#rows = rows;
    this.#first = first;
    this.#host.setAttribute('aria-rowcount', total + 1);
    await this.#table.replaceData(rows.map((row, number) => this.#record(row, number)));
    const placeholder = this.#host.querySelector('.no-rows');
    if (placeholder !== null) placeholder.textContent = emptyText;
    if (turned) this.#holder.scrollTop = 0;
    const inHeader = this.#active.row === header;
    const row = inHeader && focused ? header : turned || inHeader ? 0 : this.#active.row;
    this.#activate({ row: Math.min(row, rows.length - 1), column: this.#active.column }, focused);
  }

  setRow(number, row) {
    this.#rows[number] = row;
    this.#ready.then(() => this.#rowAt(number)?.update(this.#record(row, number)));
  }

  /** Draws a row again, because its drafts changed. In the same elements, one of which has the focus. */
  redrawRow(number) {
    this.#ready.then(() => {
      const cells = this.#rowAt(number)?.getCells() ?? [];
      cells.forEach((cell, at) => cell.getElement().replaceChildren(this.#draw(cell, at)));
    });
  }

  showSort(name, direction) {
    this.#ready.then(() => {
      this.#table.getColumns().forEach((column, number) => {
        const sorted = this.#columns[number].name === name ? `${direction}ending` : 'none';
        column.getElement().setAttribute('aria-sort', sorted);
      });
    });
  }

  /** The active cell; `row` is -1 in the header, and in a grid without rows. */
  get active() {
    return { row: this.#active.row, column: this.#columns[this.#active.column] };
  }

  get hasFocus() {
    return this.#host.contains(document.activeElement);
  }

  focus() {
    this.#ready.then(() => this.#activate(this.#active, true));
  }

  focusCell(row, column) {
    const at = { row, column: this.#columns.indexOf(column) };
    this.#ready.then(() => this.#activate(at, true));
  }

  cellElement(row, column) {
    return this.#element({ row, column: this.#columns.indexOf(column) });
  }

  get #holder() {
    return this.#host.querySelector('.tabulator-tableholder');
  }

  #record(row, number) {
    const values = this.#columns.map((column, at) => [field(at), row[column.name]]);
    return { number, ...Object.fromEntries(values) };
  }

  #rowAt(number) {
    return this.#table.getRows()[number];
  }

  #element({ row, column }) {
    if (row === header) return this.#table.getColumns()[column]?.getElement();
    return this.#rowAt(row)?.getCells()[column]?.getElement();
  }

  #draw(cell, number) {
    const element = cell.getElement();
    const column = this.#columns[number];
    const row = this.#rows[cell.getData().number];
    element.setAttribute('aria-colindex', number + 1);
    if (!element.hasAttribute('tabindex')) element.tabIndex = -1;
    return fillCell(element, {
      column,
      value: row?.[column.name],
      draft: row && this.#draftOf(row, column),
      locked: this.#lockOf(column, row),
    });
  }

  #describe(label) {
    this.#host.setAttribute('aria-label', label);
    this.#host.setAttribute('aria-colcount', this.#columns.length);
    this.#holder.removeAttribute('tabindex'); // the cells have the focus, not the box they scroll in
    this.#table.getColumns().forEach((column, number) => {
      const element = column.getElement();
      element.tabIndex = -1;
      element.setAttribute('aria-colindex', number + 1);
      element.closest('[role=row]')?.setAttribute('aria-rowindex', 1);
    });
    this.#activate({ row: header, column: 0 }, false);
  }

  #listen() {
    this.#host.addEventListener('keydown', (event) => this.#key(event));
    this.#host.addEventListener('copy', (event) => this.#copy(event));
    this.#host.addEventListener('focusin', ({ target }) => {
      const at = this.#placeOf(target);
      if (at !== null) this.#activate(at, false);
    });
    this.#host.addEventListener('mousedown', ({ target }) => {
      this.#pressedOnActive = target.closest('[role=gridcell]') === document.activeElement;
    });
    this.#host.addEventListener('click', ({ target, detail }) => {
      const at = this.#placeOf(target);
      if (at === null) return;
      if (at.row === header) this.#tell('sort', at);
      // The first click chooses a cell, the next one edits it, unless a text was selected by dragging.
      else if (this.#pressedOnActive && (detail > 1 || getSelection().isCollapsed)) {
        this.#tell('edit', at);
      }
    });
  }

  #placeOf(target) {
    const element = target.closest('[role=gridcell], [role=columnheader]');
    if (element === null) return null;
    const column = Number(element.getAttribute('aria-colindex')) - 1;
    const row = element.closest('[data-row]');
    return { row: row === null ? header : Number(row.dataset.row), column };
  }

  #activate(at, focus) {
    const before = this.#element(this.#active);
    if (before) before.tabIndex = -1;
    this.#active = at;
    this.#markActive();
    const element = this.#element(at);
    if (element && focus && document.activeElement !== element) {
      element.focus({ preventScroll: true });
      this.#reveal(element);
    }
    this.#tell('active', at);
  }

  #markActive() {
    const element = this.#element(this.#active);
    if (element) element.tabIndex = 0;
    for (const row of this.#host.querySelectorAll('[data-row]')) {
      row.classList.toggle('active-row', Number(row.dataset.row) === this.#active.row);
    }
  }

  /** Scrolls as little as shows all of a cell, beside the columns that do not scroll. */
  #reveal(element) {
    const holder = this.#holder;
    const cell = element.getBoundingClientRect();
    const box = holder.getBoundingClientRect();
    const isFrozen = element.classList.contains('tabulator-frozen');
    const frozen = this.#host.querySelector('[data-row] .tabulator-frozen')?.offsetWidth ?? 0;
    if (!isFrozen) {
      const left = box.left + frozen;
      const right = box.left + holder.clientWidth;
      if (cell.left < left || cell.width > right - left) holder.scrollLeft -= left - cell.left;
      else if (cell.right > right) holder.scrollLeft += cell.right - right;
    }
    if (this.#active.row === header) return;
    const bottom = box.top + holder.clientHeight;
    if (cell.top < box.top) holder.scrollTop -= box.top - cell.top;
    else if (cell.bottom > bottom) holder.scrollTop += cell.bottom - bottom;
  }

  #key(event) {
    const { key, ctrlKey, altKey, metaKey } = event;
    if (altKey || metaKey || !this.#placeOf(event.target)) return;
    const { row, column } = this.#active;
    const lastRow = this.#rows.length - 1;
    const lastColumn = this.#columns.length - 1;
    const to = (place) =>
      this.#activate(
        {
          row: Math.min(lastRow, Math.max(header, place.row ?? row)),
          column: Math.min(lastColumn, Math.max(0, place.column ?? column)),
        },
        true,
      );
    const inRows = row !== header;
    const actions = {
      ArrowUp: () => to({ row: ctrlKey ? Math.min(row, 0) : row - 1 }),
      ArrowDown: () => to({ row: ctrlKey ? lastRow : row + 1 }),
      ArrowLeft: () => to({ column: ctrlKey ? 0 : column - 1 }),
      ArrowRight: () => to({ column: ctrlKey ? lastColumn : column + 1 }),
      Home: () => to(ctrlKey ? { row: 0, column: 0 } : { column: 0 }),
      End: () => to(ctrlKey ? { row: lastRow, column: lastColumn } : { column: lastColumn }),
      PageDown: () => this.#tell('turn', { by: 1 }),
      PageUp: () => this.#tell('turn', { by: -1 }),
      Enter: () => this.#tell(inRows ? 'edit' : 'sort', this.#active),
      F2: () => inRows && this.#tell('edit', this.#active),
      ' ': () => this.#tell(inRows ? 'edit' : 'sort', this.#active),
      Delete: () => inRows && this.#tell('remove', this.#active),
      Insert: () => this.#tell('add', this.#active),
    };
    const action = actions[key];
    if (action) action();
    // As in a spreadsheet, a character is the first of a new value.
    else if (inRows && !ctrlKey && [...key].length === 1) {
      this.#tell('edit', { ...this.#active, typed: key });
    } else return;
    event.preventDefault();
  }

  /** The active cell's text, unless a part of the page was selected: that is copied as anywhere. */
  #copy(event) {
    const { row, column } = this.#active;
    if (row === header || !getSelection().isCollapsed || !this.#placeOf(event.target)) return;
    const value = this.#rows[row]?.[this.#columns[column].name];
    const draft = this.#draftOf(this.#rows[row], this.#columns[column]);
    event.clipboardData.setData('text/plain', draft?.text ?? toText(this.#columns[column], value));
    event.preventDefault();
    this.#tell('copied', this.#active);
  }

  #tell(type, { column, ...detail }) {
    this.dispatchEvent(
      new CustomEvent(type, { detail: { ...detail, column: this.#columns[column] } }),
    );
  }
}
