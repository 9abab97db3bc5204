// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// One table as it is shown: its columns, one page of its rows, how that page was asked for, and the
// changes to it. Knows nothing of how any of this looks.

import { Drafts } from './drafts.js';
import { CommandError, LineDropped, Withdrawn } from './socket.js';
import { fromText, kindOf, sameValue } from './values.js';

export const defaultView = {
  page: 0,
  pageSize: 100,
  sortColumn: null,
  sortDirection: null, // 'asc' or 'desc'
  filters: [], // {column, value}
};

const mostPages = 100; // that are searched for one row

const isDefault = (view) => JSON.stringify(view) === JSON.stringify(defaultView);

function toPayload({ page, pageSize, sortColumn, sortDirection, filters }) {
  const sort = sortColumn === null ? {} : { sortColumn, sortDirection };
  return { page, pageSize, filters, ...sort };
}

/**
 * Events: `columns` when they are known or changed, `rows` for a new page, `row` with `{index}` when one
 * changed, `busy`, `failed` with `{error, retry}` when rows cannot be shown, and `settled` with
 * `{draft}` when the server decided about a save.
 */
export class Table extends EventTarget {
  columns = null;
  rows = [];
  total = 0;
  #line;
  #drafts;
  #closed = false;
  #busy = 0;
  #saves = Promise.resolve();
  #saving = new Set(); // drafts that are sent, or wait for those before them
  #wanted = null; // the view to load after the one that is being loaded

  constructor({ line, drafts, namespace, name, view = defaultView }) {
    super();
    this.#line = line;
    this.#drafts = drafts;
    this.namespace = namespace;
    this.name = name;
    this.view = view;
    this.key = Drafts.tableKey(namespace, name);
  }

  /** Selects it on this line and shows it as it is now, also once more. Saves what is queued. */
  async open() {
    await this.#show(
      async () => {
        const { tableSchema, tableData } = await this.#ask('selectTable', {
          namespace: this.namespace,
          tableName: this.name,
        });
        if (JSON.stringify(this.columns) !== JSON.stringify(tableSchema.columns)) {
          this.columns = tableSchema.columns;
          this.#forgetMissingColumns();
          this.#tell('columns');
        }
        if (isDefault(this.view)) this.#take(tableData);
        // Unless load() is under way: what it asks for is newer.
        else if (this.#wanted === null) this.view = await this.#request(this.view);
      },
      () => this.open(),
    );
    for (const draft of this.#drafts.cells(this.key)) {
      if (draft.state === 'queued') this.save(draft);
    }
  }

  /** The view may be sorted or filtered by a column that the table no longer has. */
  #forgetMissingColumns() {
    const has = (name) => this.column(name) !== undefined;
    const filters = this.view.filters.filter(({ column }) => has(column));
    const isSorted = this.view.sortColumn !== null;
    if (filters.length < this.view.filters.length) this.view = { ...this.view, page: 0, filters };
    if (isSorted && !has(this.view.sortColumn)) {
      this.view = { ...this.view, page: 0, sortColumn: null, sortDirection: null };
    }
  }

  /** Shows what `change` of the view gives. Of several quick changes, only the last is asked for. */
  async load(change = {}) {
    const wanted = { ...this.wanted, ...change };
    if (this.#wanted !== null) {
      this.#wanted = wanted;
      return;
    }
    this.#wanted = wanted;
    await this.#show(
      async () => {
        // Gives up its turn first, so that changes of the same moment are one request.
        await null;
        let asked, got;
        try {
          do {
            asked = this.#wanted;
            got = await this.#request(asked);
          } while (this.#wanted !== asked);
          this.#wanted = got;
        } finally {
          // What was wanted holds even when the line is down: open() asks for it again.
          this.view = this.#wanted;
          this.#wanted = null;
        }
      },
      () => this.load(),
    );
  }

  /** Another table takes its place: nothing more is asked in its name. */
  close() {
    this.#closed = true;
  }

  /** The view that is shown, or about to be. */
  get wanted() {
    return this.#wanted ?? this.view;
  }

  get isBusy() {
    return this.#busy > 0;
  }

  get pages() {
    return Math.max(1, Math.ceil(this.total / this.view.pageSize));
  }

  column(name) {
    return this.columns.find((column) => column.name === name);
  }

  /** The column that tells rows apart; undefined where none alone does. */
  get primaryKey() {
    const keys = this.columns?.filter(({ isPrimaryKey }) => isPrimaryKey) ?? [];
    return keys.length === 1 && kindOf(keys[0]) !== 'binary' ? keys[0] : undefined;
  }

  /** Why no row of it can be changed; undefined if rows can. */
  get whyReadOnly() {
    if (this.columns === null || this.primaryKey !== undefined) return undefined;
    const keys = this.columns.filter(({ isPrimaryKey }) => isPrimaryKey).map(({ name }) => name);
    if (keys.length === 0) {
      return 'This table has no primary key, so its rows cannot be told apart with certainty. It can be read, not changed.';
    }
    return keys.length === 1
      ? `The primary key of this table, ${keys[0]}, is binary. The table can be read, not changed.`
      : `The primary key of this table has several columns (${keys.join(', ')}). It can be read, not changed.`;
  }

  /** Why one cell cannot be edited, in a few words; undefined if it can. */
  whyLocked(column, row) {
    if (this.whyReadOnly !== undefined) return 'read-only table';
    if (column.isPrimaryKey) return 'primary key';
    if (column.readOnly) return 'read-only column';
    if (kindOf(column) === 'binary') return 'binary';
    return row !== undefined && this.keyOf(row) === null ? 'row without a key' : undefined;
  }

  keyOf(row) {
    const { primaryKey } = this;
    return primaryKey === undefined ? null : (row[primaryKey.name] ?? null);
  }

  /** Of a row in the page, or -1. `keyName`: which column `key` is of, if perhaps no longer the key. */
  indexOf(key, keyName = this.primaryKey?.name) {
    return keyName === undefined || keyName !== this.primaryKey?.name
      ? -1
      : this.rows.findIndex((row) => this.keyOf(row) === key);
  }

  /** Where drafts of a cell are, or, without a column, of a row. */
  placeOf(row, column) {
    const { primaryKey } = this;
    return { table: this.key, keyName: primaryKey?.name, row: this.keyOf(row), column: column?.name };
  }

  /** Sends a draft. It ends as stored and forgotten, or in one of the states that drafts.js names. */
  async save(draft) {
    Object.assign(draft, { state: 'saving', message: undefined });
    this.#drafts.put(draft);
    const column = this.column(draft.column);
    if (column === undefined) {
      this.#settle(draft, 'refused', `There is no longer a column ${draft.column}.`);
      return;
    }
    if (this.primaryKey?.name !== draft.keyName) {
      this.#settle(draft, 'refused', rekeyed(draft.keyName));
      return;
    }
    const parsed = draft.isNull ? { value: null } : fromText(column, draft.text, draft.stored);
    if (parsed.error !== undefined) {
      this.#settle(draft, 'refused', parsed.error);
      return;
    }
    // One after the other: a second edit of a cell must know what the first one left there.
    this.#saving.add(draft);
    this.#saves = this.#saves.then(() => this.#attempt(draft, column, parsed.value));
    await this.#saves;
  }

  async #attempt(draft, column, value) {
    try {
      await this.#send(draft, column, value);
    } catch (error) {
      if (error instanceof CommandError) {
        this.#settle(draft, 'refused', error.message);
        return;
      }
      if (!(error instanceof LineDropped || error instanceof Withdrawn)) throw error;
      // It may have been stored or not; sending it again finds out, because of its old value. When
      // the session is gone as well, somebody has already made it `kept`.
      if (draft.state === 'saving') this.#settle(draft, 'queued');
    } finally {
      this.#saving.delete(draft);
    }
  }

  async #send(draft, column, value) {
    const { saveCellResult } = await this.#ask('saveCell', {
      rowIndex: Math.max(0, this.indexOf(draft.row)), // it may be on another page; the key decides
      colIndex: this.columns.indexOf(column),
      columnName: column.name,
      oldValue: draft.stored,
      newValue: value,
      primaryKeyColumn: draft.keyName,
      primaryKeyValue: draft.row,
    });
    if (saveCellResult.success) {
      this.#replace(draft.row, { [column.name]: value });
      this.#changeFrom(draft, value);
      this.#stored(draft);
      await this.#refresh(draft, column, value);
      return;
    }
    const { code, message } = saveCellResult.error ?? {};
    if (code === 'CONFLICT') await this.#contest(draft, column, value);
    else if (code === 'NOT_FOUND' && (await this.#isGone(draft))) this.#settle(draft, 'refused', gone);
    else this.#settle(draft, 'refused', message ?? 'The server did not store it.');
  }

  /** Somebody was faster. Unless what they stored is the same, the user decides. */
  async #contest(draft, column, value) {
    const row = await this.#lookUp(draft);
    if (row === undefined) {
      this.#settle(draft, 'refused', gone);
      return;
    }
    this.#replace(draft.row, row);
    if (sameValue(column, row[column.name], value)) {
      this.#changeFrom(draft, row[column.name]);
      this.#stored(draft);
      return;
    }
    draft.stored = row[column.name];
    this.#settle(draft, 'conflict');
  }

  /** The database may write a value in its own way (71.5 as 71.50): later edits must know it so. */
  async #refresh(draft, column, value) {
    const row = await this.#lookUp(draft).catch((error) => {
      if (!(error instanceof CommandError)) throw error;
    });
    if (row === undefined) return;
    this.#replace(draft.row, row);
    // Any other value is somebody else's: the next change is a conflict with it.
    if (sameValue(column, row[column.name], value)) this.#changeFrom(draft, row[column.name]);
  }

  /** What the next changes of the cell are from: those that wait, and what the user is typing. */
  #changeFrom(draft, value) {
    draft.stored = value;
    const waiting = [...this.#saving].filter((other) => Drafts.haveSamePlace(other, draft));
    for (const next of [...waiting, this.#drafts.cell(draft)]) {
      if (next !== undefined) next.stored = value;
    }
  }

  #stored(draft) {
    const index = this.indexOf(draft.row);
    // Typing may have gone on meanwhile; that is a draft of its own.
    if (this.#drafts.cell(draft) === draft) this.#drafts.remove(draft);
    draft.state = 'stored';
    this.#tell('row', { index });
    this.#tell('settled', { draft });
  }

  #settle(draft, state, message) {
    Object.assign(draft, { state, message });
    // Unless the user is already typing something else there.
    const present = this.#drafts.cell(draft);
    if (present === undefined || present === draft) this.#drafts.put(draft);
    this.#tell('settled', { draft });
  }

  #replace(key, members) {
    const index = this.indexOf(key);
    if (index < 0) return;
    this.rows[index] = { ...this.rows[index], ...members };
    this.#tell('row', { index });
  }

  /** Whether it is the row that was not found, not the table as it was, or a column of it. */
  async #isGone(place) {
    return (await this.#lookUp(place)) === undefined;
  }

  /** The row of that place as it is stored now; undefined when it is gone. */
  async #lookUp({ keyName: name, row: key }) {
    this.#expectKey(name);
    // Such a number is written in more than one way (1e6, 1000000), but it is sorted in one.
    const isSought = kindOf(this.primaryKey) === 'real';
    // A filter finds other keys, too, where this one has a wildcard in it.
    const filters = isSought ? [] : [{ column: name, value: String(key) }];
    const view = { ...defaultView, pageSize: 200, filters, sortColumn: name, sortDirection: 'asc' };
    let page = 0;
    let low = 0;
    let high = 0;
    for (let asked = 0; asked < mostPages; asked++) {
      const { tableData } = await this.#ask('requestData', toPayload({ ...view, page }));
      const { rows, totalRows } = tableData;
      const found = rows.find((row) => this.keyOf(row) === key);
      if (found !== undefined) return found;
      if (asked === 0) high = Math.ceil(totalRows / view.pageSize) - 1;
      const last = rows.length > 0 ? this.keyOf(rows.at(-1)) : key;
      if (!isSought || last === null || last < key) low = page + 1;
      else high = page - 1;
      if (low > high) return undefined;
      page = isSought ? Math.floor((low + high) / 2) : low;
    }
    throw new CommandError({ message: lost });
  }

  /** Adds a row with these values, by column name. Rejects as Line.request(), or with CommandError. */
  async insert(values) {
    const { insertRowResult } = await this.#ask('insertRow', {
      newRowIndex: this.rows.length,
      columns: Object.keys(values),
      values: Object.values(values),
    });
    if (!insertRowResult.success) throw new CommandError(insertRowResult.error ?? {});
    await this.load();
  }

  /** The row of that place. Resolves with false when it was already gone; otherwise as insert(). */
  async remove(place) {
    const { keyName, row } = place;
    this.#expectKey(keyName);
    const { deleteRowResult } = await this.#ask('deleteRow', {
      rowIndex: Math.max(0, this.indexOf(row)), // as in #send()
      primaryKeyColumn: keyName,
      primaryKeyValue: row,
    });
    const { success, error = {} } = deleteRowResult;
    const isDone = success || (error.code === 'NOT_FOUND' && (await this.#isGone(place)));
    if (!isDone) throw new CommandError(error);
    this.#drafts.removeRow(place);
    await this.load();
    return success;
  }

  #expectKey(keyName) {
    if (this.primaryKey?.name !== keyName) throw new CommandError({ message: rekeyed(keyName) });
  }

  /** Shows a page, and returns the view it is of: the last page if there are no longer as many. */
  async #request(view) {
    let { tableData } = await this.#ask('requestData', toPayload(view));
    const last = Math.max(0, Math.ceil(tableData.totalRows / view.pageSize) - 1);
    if (view.page > last) {
      ({ tableData } = await this.#ask('requestData', toPayload({ ...view, page: last })));
    }
    const got = view.page > last ? { ...view, page: last } : view;
    this.view = got;
    this.#take(tableData);
    return got;
  }

  #take({ rows, totalRows }) {
    this.rows = rows;
    this.total = totalRows;
    this.#tell('rows');
  }

  async #show(work, retry) {
    this.#busy++;
    this.#tell('busy');
    try {
      await work();
      this.#tell('fine');
    } catch (error) {
      // Without a line there is a banner that says so, and open() comes when it is back.
      if (error instanceof CommandError) this.#tell('failed', { error, retry });
      else if (!(error instanceof LineDropped || error instanceof Withdrawn)) throw error;
    } finally {
      this.#busy--;
      this.#tell('busy');
    }
  }

  #ask(command, payload) {
    return this.#line.request(command, payload, () => !this.#closed);
  }

  #tell(type, detail) {
    if (!this.#closed) this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const lost =
  'This row could not be found again: its key has wildcards in it, and too many others match.';
const rekeyed = (keyName) => `${keyName} is no longer the primary key of this table.`;
const gone = 'This row is no longer there: somebody deleted it meanwhile.';
