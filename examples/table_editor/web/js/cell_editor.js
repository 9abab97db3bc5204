// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Editing a cell in place: a small panel that lies on the cell, with the control for its type, NULL, and
// whatever is to be said about what was typed.

import { h, icon, newId } from '/shared/js/dom.js';
import { makeField } from './field.js';
import { isUnchanged, kindOfValue, quoted, toText } from './values.js';

const margin = 8; // pixels to the edge of the window
const narrowest = 288;

const messages = {
  queued: () => 'There is no connection. This is saved as soon as it is back.',
  saving: () => 'Being saved.',
  kept: () => 'Not saved yet.',
  refused: ({ message }) => message,
  conflict: () => 'Somebody else changed this value meanwhile.',
};

export class CellEditor {
  #panel;
  #field;
  #options;
  #typed; // what opened the editor and counts as input
  #isNull;
  #nullButton;
  #done = false;
  #place = () => this.follow();

  /**
   * `anchor()` is the cell's element, if it is on the page. `stored` is the stored value, `seen()` gives what
   * a change is one from, `draft` what
   * was typed before, `typed` a character that opened the editor, `locked` why nothing can be typed.
   * Called: `change({text, isNull})` while typing, `commit({text, isNull})`, `cancel()`, `closed(refocus)`.
   */
  constructor(options) {
    this.#options = options;
    const { column, draft, stored, label, locked } = options;
    const message = newId('cell-message');
    this.#field = makeField({
      kind: locked === undefined ? kindOfValue(column, draft ? draft.stored : stored) : 'text',
      attributes: {
        'aria-label': label,
        'aria-describedby': message,
        readonly: locked !== undefined,
      },
      input: () => this.#input(),
    });
    this.#typed = this.#readTyped();
    const isTyped = this.#typed !== undefined;
    this.#isNull = !isTyped && (draft ? draft.isNull : stored === null);
    this.#panel = h(
      'form',
      {
        class: 'cell-editor',
        role: 'group',
        'aria-label': locked === undefined ? `Edit ${label}` : label,
        submit: (event) => {
          event.preventDefault();
          this.#commit(true);
        },
        keydown: (event) => this.#key(event),
        focusout: (event) => this.#left(event),
      },
      h('div', { class: 'cell-editor-row' }, this.#field.element, this.#makeNullButton()),
      h('div', { class: 'cell-editor-message', id: message }, this.#message()),
      this.#actions(),
    );
    this.#field.text = this.#typed ?? (draft ? draft.text : toText(column, stored));
    this.#showNull();
  }

  open() {
    document.body.append(this.#panel);
    this.follow();
    this.#field.focus(this.#typed === undefined);
    // The grid scrolls in its own box, which only a capturing listener hears.
    window.addEventListener('scroll', this.#place, true);
    window.addEventListener('resize', this.#place);
    if (this.#typed !== undefined) this.#input();
  }

  /** Takes it away without deciding anything: what was typed stays a draft. */
  close(refocus = false) {
    if (this.#done) return;
    this.#done = true;
    window.removeEventListener('scroll', this.#place, true);
    window.removeEventListener('resize', this.#place);
    this.#panel.remove();
    this.#options.closed(refocus);
  }

  get #isChoice() {
    return this.#field.control.tagName === 'SELECT';
  }

  /** Of a choice, only the first letter of what can be chosen says anything. */
  #readTyped() {
    const { typed } = this.#options;
    if (typed === undefined || !this.#isChoice) return typed;
    return { t: 'true', f: 'false' }[typed.toLowerCase()];
  }

  /** A choice offers NULL itself. */
  #makeNullButton() {
    const { column, locked } = this.#options;
    if (!column.nullable || locked !== undefined || this.#isChoice) return null;
    this.#nullButton = h(
      'button',
      {
        type: 'button',
        class: 'button null-button',
        title: 'No value (Ctrl+Backspace when all is selected)',
        'aria-keyshortcuts': 'Control+Backspace',
        click: () => this.#toggleNull(!this.#isNull),
      },
      'NULL',
    );
    return this.#nullButton;
  }

  #message() {
    const { column, draft, locked } = this.#options;
    if (locked !== undefined)
      return h('p', { class: 'hint' }, icon('lock'), `Cannot be edited: ${locked}.`);
    const text = messages[draft?.state]?.(draft);
    if (text === undefined) return h('p', { class: 'hint' }, this.#hint());
    const wrong = draft.state === 'refused' || draft.state === 'conflict';
    return [
      h(
        'p',
        { class: wrong ? 'wrong' : 'hint', role: wrong ? 'alert' : null },
        icon(wrong ? 'alert' : 'clock'),
        text,
      ),
      draft.state === 'conflict'
        ? h(
            'dl',
            { class: 'conflict' },
            h('dt', {}, 'Stored now'),
            h('dd', {}, quoted(column, draft.stored)),
            h('dt', {}, 'You typed'),
            h('dd', {}, draft.isNull ? 'NULL' : quoted(column, draft.text)),
          )
        : null,
    ];
  }

  #hint() {
    return this.#field.control instanceof HTMLTextAreaElement
      ? 'Enter saves, Shift+Enter starts a new line.'
      : 'Enter saves, Escape cancels.';
  }

  #actions() {
    const { draft, locked } = this.#options;
    const button = (text, kind, click) =>
      h(
        'button',
        { type: click ? 'button' : 'submit', class: `button small ${kind}`, click },
        text,
      );
    if (locked !== undefined) {
      return h(
        'div',
        { class: 'actions' },
        button('Close', '', () => this.#cancel()),
      );
    }
    const conflict = draft?.state === 'conflict';
    return h(
      'div',
      { class: 'actions' },
      draft === undefined
        ? button('Cancel', '', () => this.#cancel())
        : button(conflict ? 'Discard mine' : 'Discard', '', () => this.#cancel()),
      button(conflict ? 'Overwrite' : 'Save', conflict ? 'danger' : 'primary'),
    );
  }

  #input() {
    this.#isNull = this.#isChoice && this.#field.text === '' && this.#options.column.nullable;
    this.#showNull();
    this.#options.change({ text: this.#field.text, isNull: this.#isNull });
    this.follow();
  }

  #toggleNull(isNull) {
    this.#isNull = isNull;
    if (isNull) this.#field.text = '';
    this.#showNull();
    this.#options.change({ text: this.#field.text, isNull });
    this.#field.focus();
  }

  #showNull() {
    this.#panel.classList.toggle('is-null', this.#isNull);
    this.#nullButton?.setAttribute('aria-pressed', String(this.#isNull));
    const { control } = this.#field;
    if (this.#isChoice)
      control.options[0].textContent = this.#options.column.nullable ? 'NULL' : '–';
    else if (this.#isNull) {
      control.dataset.placeholder ??= control.placeholder;
      control.placeholder = 'NULL';
    } else if (control.dataset.placeholder !== undefined) {
      control.placeholder = control.dataset.placeholder;
    }
  }

  #key(event) {
    const { key, ctrlKey, shiftKey, altKey, target } = event;
    if (event.isComposing) return; // Enter and Escape are the input method's
    if (key === 'Escape') {
      // What was typed on an earlier occasion is not thrown away by a mere key.
      if (this.#options.draft === undefined) this.#cancel();
      else this.close(true);
    } else if (key === 'Enter' && target === this.#field.control) {
      if (shiftKey || altKey) {
        if (altKey && target instanceof HTMLTextAreaElement)
          target.setRangeText('\n', target.selectionStart, target.selectionEnd, 'end');
        else return;
        this.#input();
      } else this.#commit(true);
    } else if (key === 'Backspace' && ctrlKey && this.#nullButton && this.#field.isAllSelected) {
      this.#toggleNull(true);
    } else return;
    event.preventDefault();
  }

  /** To click elsewhere is to be done with the cell; to look into another window is not. */
  #left({ relatedTarget }) {
    if (this.#done || this.#panel.contains(relatedTarget) || !document.hasFocus()) return;
    // When the panel itself is taken away, the browser reports the focus as leaving, too.
    if (!this.#panel.isConnected) return;
    if (this.#options.draft?.state === 'conflict')
      this.close(); // a decision, not a click aside
    else this.#commit(false);
  }

  #commit(refocus) {
    const { column, seen, draft, locked, commit, cancel } = this.#options;
    const typed = { text: this.#field.text, isNull: this.#isNull };
    this.close(refocus);
    if (locked !== undefined) return;
    // While another change of the cell is on its way, to go back to what was there is a change, too.
    const isOnItsWay = draft?.state === 'saving';
    if (!isOnItsWay && isUnchanged(column, typed.text, typed.isNull, seen())) cancel();
    else commit(typed);
  }

  #cancel() {
    this.close(true);
    if (this.#options.locked === undefined) this.#options.cancel();
  }

  /** Lies on the cell, wherever that is now; in the middle when it is on another page. */
  follow() {
    const { style, offsetHeight: height } = this.#panel;
    const cell = this.#options.anchor()?.getBoundingClientRect();
    const width = Math.min(innerWidth - 2 * margin, Math.max(narrowest, cell?.width ?? 0));
    const within = (wished, most) => `${Math.max(margin, Math.min(wished, most - margin))}px`;
    style.width = `${width}px`;
    style.left = within(cell?.left ?? (innerWidth - width) / 2, innerWidth - width);
    style.top = within(cell?.top ?? innerHeight / 3, innerHeight - height);
  }
}
