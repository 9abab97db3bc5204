// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The form for a new row. Each column is left to the database, NULL, or a value; what is typed is kept
// as a draft, so that a lost line or session does not lose it.

import { h, icon, newId } from '/shared/js/dom.js';
import { dialog, problem } from './dialogs.js';
import { makeField } from './field.js';
import { LineDropped } from './socket.js';
import { examples, fromText, kindOf, typeName } from './values.js';

/** Columns that a new row may bring along. Binary ones are left to the database. */
const isWritable = (column) => !column.readOnly && kindOf(column) !== 'binary';

const placeholders = { default: 'database’s choice', null: 'NULL' };

function row(column, start, changed) {
  const kind = kindOf(column);
  const id = newId('new');
  const error = h('p', { class: 'wrong', id: `${id}-error`, role: 'alert' });
  const field = makeField({
    kind,
    attributes: { id, 'aria-describedby': `${id}-error` },
    input: () =>
      choose(field.control.tagName === 'SELECT' && field.text === '' ? 'default' : 'value'),
  });
  const mode = h(
    'select',
    { 'aria-label': `What ${column.name} gets`, change: () => choose(mode.value) },
    h('option', { value: 'value' }, 'Value'),
    column.nullable ? h('option', { value: 'null' }, 'NULL') : null,
    h('option', { value: 'default' }, 'Default'),
  );

  function choose(chosen) {
    mode.value = chosen;
    if (chosen !== 'value') field.text = '';
    show();
    changed();
    if (chosen === 'value' && document.activeElement === mode) field.focus();
  }

  function show() {
    const { control } = field;
    const hint = placeholders[mode.value] ?? examples[kind] ?? '';
    if (control.tagName !== 'SELECT') control.placeholder = hint;
    say('');
  }

  function say(text) {
    error.replaceChildren(...(text === '' ? [] : [icon('alert'), text]));
    field.control.setAttribute('aria-invalid', String(text !== ''));
  }

  const element = h(
    'div',
    { class: 'new-field' },
    h(
      'label',
      { for: id },
      h('span', { class: 'name' }, column.name),
      ' ',
      h(
        'span',
        { class: 'type' },
        typeName(column).toLowerCase(),
        column.nullable ? '' : ', not null',
      ),
    ),
    h('div', { class: 'new-field-control' }, mode, field.element),
    error,
  );
  mode.value = start?.mode ?? 'default';
  if (start?.mode === 'value') field.text = start.text;
  show();

  return {
    column,
    element,
    focus: () => field.focus(),
    state: () => ({ mode: mode.value, text: field.text }),
    isUntouched: () => mode.value === 'default',
    /** `{value}`, `{}` to leave it to the database, or `{error}`, which it also shows. */
    parse() {
      if (mode.value === 'default') return {};
      if (mode.value === 'null') return { value: null };
      const parsed = fromText(column, field.text);
      say(parsed.error ?? '');
      return parsed;
    },
  };
}

/**
 * `fields` is a draft (drafts.js) to go on with; `keep(fields)` is called as it changes, with undefined
 * when there is nothing to keep; `insert(values)` stores.
 */
export class InsertDialog {
  #element;
  #rows;
  #keep;
  #failure = problem();

  constructor({ table, columns, fields, keep, insert, inserted, closed }) {
    this.#keep = keep;
    this.#rows = columns
      .filter(isWritable)
      .map((column) => row(column, fields?.[column.name], () => this.#changed()));
    const go = h('button', { type: 'submit', class: 'button primary' }, 'Insert row');
    this.#element = dialog(
      { title: `New row in ${table}`, class: 'insert' },
      h(
        'form',
        {
          submit: async (event) => {
            event.preventDefault();
            if (go.disabled) return;
            const values = this.#parse();
            if (values === undefined) return;
            go.disabled = true;
            try {
              await this.#store(values, insert, inserted);
            } finally {
              go.disabled = false;
            }
          },
        },
        h(
          'div',
          { class: 'new-fields' },
          this.#rows.map(({ element }) => element),
        ),
        this.#failure.element,
        h(
          'div',
          { class: 'actions' },
          h('button', { type: 'button', class: 'button', click: () => this.#discard() }, 'Cancel'),
          go,
        ),
      ),
    );
    // Escape puts the form aside, typed text and all; Cancel is what discards it.
    this.#element.addEventListener('close', closed);
  }

  open() {
    this.#element.showModal();
    this.#rows[0]?.focus();
  }

  /** Takes it away; the draft stays. */
  close() {
    this.#element.close();
  }

  async #store(values, insert, inserted) {
    this.#failure.clear();
    try {
      await insert(values);
      this.#keep(undefined);
      this.close();
      inserted();
    } catch (error) {
      this.#failure.say(
        error instanceof LineDropped
          ? 'There was no connection, so this row may or may not have been inserted. What you typed is kept: look for the row before you insert it again.'
          : error.message,
      );
    }
  }

  #parse() {
    const values = [];
    let wrong;
    for (const field of this.#rows) {
      const { value, error } = field.parse();
      if (error !== undefined) wrong ??= field;
      else if (value !== undefined) values.push([field.column.name, value]);
    }
    wrong?.focus();
    // Not by assignment, which a column named __proto__ would misuse.
    return wrong === undefined ? Object.fromEntries(values) : undefined;
  }

  #changed() {
    const isUntouched = this.#rows.every((field) => field.isUntouched());
    const states = this.#rows.map((field) => [field.column.name, field.state()]);
    this.#keep(isUntouched ? undefined : Object.fromEntries(states));
  }

  #discard() {
    this.#keep(undefined);
    this.close();
  }
}
