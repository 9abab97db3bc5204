// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// A table on the page: its heading and tools, what is to be said about it, the grid, the pager; and what
// happens when the user does something to any of them.

import { count, h, icon } from '/shared/js/dom.js';
import { announce } from './announce.js';
import { showBlob } from './blob_dialog.js';
import { CellEditor } from './cell_editor.js';
import { confirm } from './dialogs.js';
import { DraftsBar } from './drafts_bar.js';
import { FilterBar } from './filter_bar.js';
import { Grid } from './grid.js';
import { InsertDialog } from './insert_dialog.js';
import { Pager } from './pager.js';
import { kindOf, quoted } from './values.js';

export class TableView {
  #table;
  #drafts;
  #line;
  #grid = null;
  #editor = null;
  #editing; // the place of the draft in the editor, if it can be edited
  #insertDialog = null;
  #pager = new Pager();
  #filterBar = new FilterBar();
  #draftsBar = new DraftsBar();
  #drafted = new Set(); // keys of rows that are drawn with drafts
  #turned = true; // the next rows are another page: begin at its top
  #reopenInsert; // after a new log-in, the form for a new row comes back by itself
  #heading = h('h1', { tabindex: -1 });
  #count = h('span', { class: 'row-count' });
  #explanation = h('p', { class: 'notice', hidden: true });
  #failure = h('div', { class: 'notice wrong', role: 'alert', hidden: true });
  #progress = h('div', { class: 'progress', hidden: true });
  #gridBox = h('div', { class: 'grid-box' });
  #insertButton = this.#tool('add', 'Insert row', () => this.#insert());
  #deleteButton = this.#tool('trash', 'Delete row', () => this.#remove(this.#grid.active.row));
  #refreshButton = this.#tool('refresh', 'Refresh', () => this.#load({}));
  #ofDrafts = ({ detail: { table } }) => this.#draftChanged(table);

  constructor({ table, drafts, line, reopenInsert = false }) {
    this.#table = table;
    this.#drafts = drafts;
    this.#line = line;
    this.#reopenInsert = reopenInsert;
    this.#heading.textContent = table.name;
    this.element = h(
      'section',
      { class: 'table-view', 'aria-label': table.name },
      h(
        'header',
        { class: 'table-head' },
        h('div', { class: 'table-title' }, this.#heading, this.#count),
        h(
          'div',
          { class: 'tools', role: 'group', 'aria-label': 'Tools' },
          this.#filterBar.button,
          this.#refreshButton,
          this.#deleteButton,
          this.#insertButton,
        ),
      ),
      this.#filterBar.element,
      this.#explanation,
      this.#failure,
      this.#draftsBar.element,
      this.#progress,
      this.#gridBox,
      this.#pager.element,
    );
    this.#insertButton.classList.add('primary');
    // Whatever appears above the grid moves its cells.
    new ResizeObserver(() => this.#editor?.follow()).observe(this.#gridBox);
    this.#listen();
    this.#showTools();
    table.open();
  }

  /** Takes it off the page; what was typed stays a draft. */
  close() {
    this.#editor?.close();
    this.#drafts.removeEventListener('change', this.#ofDrafts);
    this.#table.close();
    this.#grid?.destroy();
    this.element.remove();
  }

  focus() {
    this.#heading.focus();
  }

  get isInserting() {
    return this.#insertDialog !== null;
  }

  #tool(picture, label, click) {
    return h(
      'button',
      { type: 'button', class: 'button', title: label, click },
      icon(picture),
      h('span', { class: 'button-text' }, label),
    );
  }

  #listen() {
    const table = this.#table;
    table.addEventListener('columns', () => this.#showColumns());
    table.addEventListener('rows', () => this.#showRows());
    table.addEventListener('row', ({ detail: { index } }) => {
      if (index >= 0) this.#grid.setRow(index, table.rows[index]);
    });
    table.addEventListener('busy', () => this.#showBusy());
    table.addEventListener('fine', () => (this.#failure.hidden = true));
    table.addEventListener('failed', ({ detail }) => this.#showFailure(detail));
    table.addEventListener('settled', ({ detail: { draft } }) => this.#settled(draft));
    this.#pager.addEventListener('page', ({ detail }) => this.#load({ page: detail }));
    this.#pager.addEventListener('size', ({ detail }) => this.#load({ page: 0, pageSize: detail }));
    this.#filterBar.addEventListener('filters', ({ detail }) => {
      if (this.#load({ page: 0, filters: detail })) this.#filterBar.show(detail);
    });
    this.#drafts.addEventListener('change', this.#ofDrafts);
    this.#listenToDraftsBar();
  }

  #listenToDraftsBar() {
    const bar = this.#draftsBar;
    bar.addEventListener('show', ({ detail: [draft] }) => this.#showDraft(draft));
    bar.addEventListener('save', ({ detail }) => {
      for (const draft of detail) this.#save(draft);
    });
    bar.addEventListener('discard', ({ detail }) => {
      for (const draft of detail) this.#drafts.remove(draft);
      this.#grid?.focus();
    });
    bar.addEventListener('continue', () => this.#insert());
    bar.addEventListener('drop', () => this.#drafts.putInsert(this.#table.key, undefined));
  }

  #showColumns() {
    const table = this.#table;
    this.#editor?.close();
    this.#grid?.destroy();
    const host = h('div', { class: 'grid' });
    this.#gridBox.replaceChildren(host);
    this.#grid = new Grid(host, {
      label: `Rows of ${table.name}`,
      columns: table.columns,
      draftOf: (row, column) =>
        table.primaryKey && this.#drafts.cell(table.placeOf(row, column)),
      lockOf: (column, row) => table.whyLocked(column, row),
    });
    this.#filterBar.showColumns(table.columns);
    this.#explanation.hidden = table.whyReadOnly === undefined;
    this.#explanation.replaceChildren(icon('lock'), h('span', {}, table.whyReadOnly ?? ''));
    this.#listenToGrid();
    this.#showTools();
    this.#draftChanged(table.key);
  }

  #listenToGrid() {
    const on = (type, handle) => this.#grid.addEventListener(type, ({ detail }) => handle(detail));
    on('active', ({ column }) => {
      this.#filterBar.suggest(column?.name);
      this.#showTools();
    });
    on('sort', ({ column }) => this.#sort(column));
    on('turn', ({ by }) => this.#turn(by));
    on('edit', ({ row, column, typed }) => this.#edit(row, column, typed));
    on('remove', ({ row }) => this.#remove(row));
    on('add', () => this.#insert());
    on('copied', ({ column }) => announce(`Copied ${column.name}.`));
  }

  #showRows() {
    const { rows, total, view } = this.#table;
    const filtered = view.filters.length > 0;
    const first = view.page * view.pageSize;
    this.#grid
      .setRows(rows, {
        first,
        total,
        turned: this.#turned,
        emptyText: filtered ? 'No row matches the filters.' : 'This table has no rows.',
      })
      .then(() => this.#editor?.follow());
    this.#turned = false;
    this.#grid.showSort(view.sortColumn, view.sortDirection);
    this.#filterBar.show(view.filters);
    this.#showPage();
    this.#count.textContent = count(
      total,
      filtered ? 'row matches' : 'row',
      filtered ? 'rows match' : 'rows',
    );
    this.#showTools();
    if (this.#reopenInsert) {
      this.#reopenInsert = false;
      if (this.#drafts.insert(this.#table.key)) this.#insert();
    }
  }

  #showPage() {
    const { rows, total, view, pages } = this.#table;
    const filtered = view.filters.length > 0;
    this.#pager.show({ ...view, pages, shown: rows.length, total, filtered });
  }

  #showTools() {
    const writable = this.#table.columns !== null && this.#table.whyReadOnly === undefined;
    this.#insertButton.disabled = !writable;
    this.#deleteButton.disabled = !writable || (this.#grid?.active.row ?? -1) < 0;
  }

  #showBusy() {
    const { isBusy } = this.#table;
    this.#progress.hidden = !isBusy;
    this.#gridBox.setAttribute('aria-busy', String(isBusy));
  }

  #showFailure({ error, retry }) {
    this.#failure.hidden = false;
    this.#failure.replaceChildren(
      icon('alert'),
      h('span', {}, `The rows could not be read: ${error.message}`),
      h('button', { type: 'button', class: 'button small', click: retry }, 'Try again'),
    );
  }

  /** Asks for other rows. Gives false without a line, when that would only pretend to. */
  #load(change) {
    if (!this.#line.isOpen) {
      announce('There is no connection just now.');
      this.#showPage(); // it has already gone ahead
      return false;
    }
    this.#editor?.close();
    this.#turned ||= Object.keys(change).length > 0;
    this.#table.load(change);
    return true;
  }

  #turn(by) {
    const page = this.#table.wanted.page + by;
    if (page < 0) announce('This is the first page.');
    else if (page >= this.#table.pages) announce('This is the last page.');
    else this.#load({ page });
  }

  /** Ascending, descending, as stored. */
  #sort({ name }) {
    const { sortColumn, sortDirection } = this.#table.wanted;
    const next = sortColumn !== name ? 'asc' : sortDirection === 'asc' ? 'desc' : null;
    this.#load({ page: 0, sortColumn: next && name, sortDirection: next });
  }

  #edit(index, column, typed) {
    const table = this.#table;
    const row = table.rows[index];
    if (row === undefined) return;
    const stored = row[column.name];
    const locked = table.whyLocked(column, row);
    const key = table.keyOf(row);
    const keyName = table.primaryKey?.name;
    const label = key === null ? column.name : `${column.name} where ${keyName} is ${key}`;
    if (kindOf(column) === 'binary' && stored !== null) {
      const file = `${table.name}-${column.name}-${key ?? index + 1}.bin`.replace(/[^\w.-]+/g, '_');
      showBlob({ title: label, value: String(stored), name: file });
      return;
    }
    if (locked !== undefined && typed !== undefined) {
      announce(`Cannot be edited: ${locked}.`);
      return;
    }
    this.#editor?.close();
    this.#openEditor({ column, keyName, key, label, locked, stored, typed });
  }

  #openEditor({ column, keyName, key, label, locked, stored, typed }) {
    const table = this.#table;
    const at = { table: table.key, keyName, row: key, column: column.name };
    const find = () => this.#drafts.cell(at);
    const draft = locked === undefined ? find() : undefined;
    const row = () => table.indexOf(key, keyName);
    // What the user saw; once an earlier change of the cell has been stored, that.
    const seen = () => (draft === undefined ? stored : draft.stored);
    const editor = new CellEditor({
      column,
      draft,
      label,
      locked,
      stored,
      seen,
      typed,
      anchor: this.#anchor(column, key, row),
      change: (text) =>
        this.#drafts.put({ ...at, stored: (find() ?? { stored: seen() }).stored, state: 'typing', ...text }),
      commit: (text) => this.#save({ ...at, stored: (find() ?? { stored: seen() }).stored, ...text }),
      cancel: () => find() && this.#drafts.remove(find()),
      closed: (refocus) => {
        this.#editor = null;
        this.#editing = undefined;
        this.#draftChanged(table.key);
        // Left open, and then taken away: what was typed is shown in its cell, to be saved or not.
        const left = locked === undefined ? find() : undefined;
        if (left?.state === 'typing') this.#drafts.put({ ...left, state: 'kept' });
        if (refocus && row() >= 0) this.#grid.focusCell(row(), column);
        else if (refocus) this.#grid.focus();
      },
    });
    this.#editor = editor;
    this.#editing = locked === undefined ? at : undefined;
    this.#draftChanged(table.key);
    editor.open();
  }

  /** Rows may move while one is being edited; those without a key stay where they are. */
  #anchor(column, key, row) {
    const { active } = this.#grid;
    return () => {
      const index = key === null ? active.row : row();
      return index < 0 ? undefined : this.#grid.cellElement(index, column);
    };
  }

  #save(draft) {
    draft.asked = true; // the user watches, so what comes of it is said
    this.#table.save(draft);
  }

  #settled(draft) {
    const isOpen = this.#editing !== undefined && this.#drafts.cell(this.#editing) === draft;
    if (draft.state === 'stored') announce(`Saved ${draft.column}.`);
    else if (draft.state === 'queued')
      announce('No connection: the change is kept, and saved later.');
    else if (isOpen) {
      // Enter must not overwrite what its editor does not show yet.
      this.#editor.close();
      this.#showDraft(draft);
    } else if (draft.asked && this.#editor === null && this.#mayTakeFocus()) this.#showDraft(draft);
    else announce(`Not saved: ${draft.column}.`);
    draft.asked = false;
  }

  /** Only from where the user was editing, not from a filter or another table's name. */
  #mayTakeFocus() {
    return this.#grid.hasFocus || document.activeElement === document.body;
  }

  /** Opens the editor on a draft: in its cell, or, when that is on another page, on the list of drafts. */
  #showDraft(draft) {
    const table = this.#table;
    const { keyName, row: key } = draft;
    const index = table.indexOf(key, keyName);
    const column = table.column(draft.column);
    if (column === undefined) return;
    if (index >= 0) {
      this.#grid.focusCell(index, column);
      // After the focus has scrolled the cell into sight.
      requestAnimationFrame(() => this.#edit(index, column));
      return;
    }
    this.#openEditor({
      column,
      keyName,
      key,
      label: `${column.name} where ${keyName} is ${key}`,
      stored: draft.stored,
    });
  }

  #draftChanged(table) {
    if (table !== undefined && table !== this.#table.key) return;
    const { columns, key, rows } = this.#table;
    if (columns === null) return;
    for (const index of rows.keys()) this.#redraw(index);
    // What is said about the draft in the editor is said there.
    const editing = this.#editing && this.#drafts.cell(this.#editing);
    this.#draftsBar.show(
      this.#drafts.cells(key).filter((draft) => draft !== editing),
      {
        insert: this.#insertDialog === null && this.#drafts.insert(key) !== undefined,
        column: (name) => this.#table.column(name),
      },
    );
    this.#editor?.follow(); // the grid may have moved
  }

  /** Only rows with drafts, or that had one, look different. */
  #redraw(index) {
    const { key } = this.#table;
    if (this.#table.primaryKey === undefined) return;
    const row = this.#table.keyOf(this.#table.rows[index]);
    const drafted = this.#drafts.cells(key).some((draft) => draft.row === row);
    if (drafted || this.#drafted.has(row)) this.#grid.redrawRow(index);
    if (drafted) this.#drafted.add(row);
    else this.#drafted.delete(row);
  }

  async #remove(index) {
    const table = this.#table;
    const row = table.rows[index];
    if (row === undefined || table.whyReadOnly !== undefined || table.keyOf(row) === null) return;
    const { primaryKey } = table;
    const place = table.placeOf(row); // the table may have another key when it is confirmed
    let wasThere = true;
    const done = await confirm({
      title: 'Delete this row?',
      text: `It is removed from ${table.name} for everybody. This cannot be undone.`,
      details: [this.#summary(row)],
      label: 'Delete row',
      act: async () => {
        wasThere = await table.remove(place);
      },
    });
    if (!this.element.isConnected) return; // the session ended meanwhile
    this.#grid.focus();
    if (!done) return;
    const name = `${primaryKey.name} ${quoted(primaryKey, place.row)}`;
    announce(wasThere ? `Deleted the row with ${name}.` : `The row with ${name} was already gone.`);
  }

  #summary(row) {
    const columns = this.#table.columns.filter((column) => kindOf(column) !== 'binary').slice(0, 6);
    return h(
      'dl',
      { class: 'summary' },
      columns.flatMap((column) => [
        h('dt', {}, column.name),
        h('dd', {}, quoted(column, row[column.name]).slice(0, 120)),
      ]),
    );
  }

  #insert() {
    const { columns, key, name, whyReadOnly } = this.#table;
    if (columns === null || whyReadOnly !== undefined || this.#insertDialog !== null) return;
    this.#editor?.close();
    this.#insertDialog = new InsertDialog({
      table: name,
      columns,
      fields: this.#drafts.insert(key),
      keep: (fields) => this.#drafts.putInsert(key, fields),
      insert: (values) => this.#table.insert(values),
      inserted: () => announce('Inserted the row.'),
      closed: () => {
        this.#insertDialog = null;
        this.#draftChanged(key);
      },
    });
    this.#insertDialog.open();
    this.#draftChanged(key);
  }
}
