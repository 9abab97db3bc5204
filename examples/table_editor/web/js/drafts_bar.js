// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What is typed into a table and not stored: said above its grid, each with a way to go on. It is the one
// place where a draft can be found when its row is on another page, or gone.

import { count, h } from '/shared/js/dom.js';
import { stateText } from './cell_content.js';
import { quoted } from './values.js';

/** Drafts that need the user; the others are on their way. */
const waits = ({ state }) =>
  state === 'kept' || state === 'refused' || state === 'conflict' || state === 'queued';

/** Events: `show`, `save` and `discard` with the drafts as `detail`; `continue` for a new row. */
export class DraftsBar extends EventTarget {
  element = h('section', { class: 'drafts', 'aria-label': 'Unsaved changes', hidden: true });

  /** `column(name)` gives a column. */
  show(drafts, { insert, column }) {
    const waiting = drafts.filter(waits);
    this.element.hidden = waiting.length === 0 && !insert;
    this.element.replaceChildren(
      h('p', { class: 'drafts-title' }, this.#title(waiting, insert)),
      h(
        'ul',
        {},
        waiting.map((draft) => this.#item(draft, column)),
        insert ? this.#insertItem() : null,
      ),
      waiting.length > 1
        ? h(
            'div',
            { class: 'actions' },
            this.#button('Discard all', 'discard', waiting),
            this.#button(
              'Save all',
              'save',
              waiting.filter(({ state }) => state === 'kept'),
            ),
          )
        : '',
    );
  }

  #title(waiting, insert) {
    const changes = count(waiting.length, 'change is', 'changes are');
    if (waiting.length === 0) return 'A new row is not inserted yet';
    return `${changes} not saved${insert ? ', and a new row is not inserted' : ''}`;
  }

  #item(draft, column) {
    const known = column(draft.column) ?? { dataType: 'text' };
    return h(
      'li',
      {},
      h(
        'span',
        { class: 'draft-text' },
        h('b', {}, draft.column),
        ` where ${draft.keyName} is ${draft.row}: `,
        h('span', { class: 'draft-value' }, draft.isNull ? 'NULL' : quoted(known, draft.text)),
        h('span', { class: 'draft-state' }, ` ${draft.message ?? stateText[draft.state]}`),
      ),
      h(
        'span',
        { class: 'draft-actions' },
        this.#button('Show', 'show', [draft]),
        this.#button('Discard', 'discard', [draft]),
        draft.state === 'kept' ? this.#button('Save', 'save', [draft]) : null,
      ),
    );
  }

  #insertItem() {
    return h(
      'li',
      {},
      h('span', { class: 'draft-text' }, 'The form for a new row is kept as you left it.'),
      h(
        'span',
        { class: 'draft-actions' },
        this.#button('Discard', 'drop', []),
        this.#button('Continue', 'continue', []),
      ),
    );
  }

  #button(label, event, drafts) {
    if (event === 'save' && drafts.length === 0) return null;
    return h(
      'button',
      {
        type: 'button',
        class: `button small ${event === 'save' || event === 'continue' ? 'primary' : ''}`,
        click: () => this.dispatchEvent(new CustomEvent(event, { detail: drafts })),
      },
      label,
    );
  }
}
