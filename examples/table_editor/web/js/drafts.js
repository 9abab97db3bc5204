// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What was typed and is not stored yet. It outlives the line, the session and the grid: only saving,
// discarding, leaving the page, or somebody else's log-in ends it. In memory only, because what people
// type here may be as private as what is in the database.

/**
 * A draft of a cell: `{table, keyName, row, column, stored, text, isNull, state, message}`, of which the
 * first four are its place. `table` is a key of tableKey(), `row` the value of the primary key `keyName`,
 * which the table may have another of meanwhile, `stored` the value that the typing began with. `state`:
 *  - `typing`: in an editor
 *  - `saving`: sent, not answered
 *  - `queued`: to be sent as soon as there is a line
 *  - `kept`: not sent; the user decides
 *  - `refused`: the server or the check of the type said no, see `message`
 *  - `conflict`: somebody else stored another value meanwhile, which is now `stored`
 */
export class Drafts extends EventTarget {
  #owner = null;
  #cells = new Map();
  #inserts = new Map();

  /** Takes note of who is logged in to what: nobody sees what another typed. Gives whether it is another. */
  adopt(owner) {
    const isOther = this.#owner !== null && this.#owner !== owner;
    if (isOther) this.clear();
    this.#owner = owner;
    return isOther;
  }

  static tableKey(namespace, table) {
    return JSON.stringify([namespace, table]);
  }

  static #cellKey({ table, keyName, row, column }) {
    return JSON.stringify([table, keyName, row, column]);
  }

  static haveSamePlace(one, other) {
    return Drafts.#cellKey(one) === Drafts.#cellKey(other);
  }

  /** Of that place. */
  cell(place) {
    return this.#cells.get(Drafts.#cellKey(place));
  }

  put(draft) {
    this.#cells.set(Drafts.#cellKey(draft), draft);
    this.#changed(draft);
  }

  remove(draft) {
    if (this.#cells.delete(Drafts.#cellKey(draft))) this.#changed(draft);
  }

  /** All of a table, or all there are. */
  cells(table) {
    const all = [...this.#cells.values()];
    return table === undefined ? all : all.filter((draft) => draft.table === table);
  }

  insert(table) {
    return this.#inserts.get(table);
  }

  /** `fields`: by column name `{mode: 'default' | 'null' | 'value', text}`; undefined to forget. */
  putInsert(table, fields) {
    if (fields === undefined) this.#inserts.delete(table);
    else this.#inserts.set(table, fields);
    this.#changed({ table });
  }

  /** A row that is gone takes with it what was typed into it. */
  removeRow({ table, keyName, row }) {
    for (const draft of this.cells(table)) {
      if (draft.keyName === keyName && draft.row === row) this.remove(draft);
    }
  }

  has(table) {
    return this.cells(table).length > 0 || this.#inserts.has(table);
  }

  get size() {
    return this.#cells.size + this.#inserts.size;
  }

  clear() {
    this.#cells.clear();
    this.#inserts.clear();
    this.#changed({});
  }

  /** The session is gone: what was under way waits for the user, who may come back much later. */
  keep() {
    for (const draft of this.#cells.values()) {
      if (['typing', 'saving', 'queued'].includes(draft.state)) draft.state = 'kept';
    }
    this.#changed({});
  }

  #changed(detail) {
    this.dispatchEvent(new CustomEvent('change', { detail }));
  }
}
