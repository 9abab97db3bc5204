// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What is to be known before talking, each with what can be done about it.

import { h, icon } from '/shared/js/dom.js';

export class Notices {
  element = h('div', { class: 'notices', 'aria-live': 'polite' });
  #shown = new Map(); // by name: the element, and what it says

  /** `{picture, tone, text, action: {name, run}}`, or nothing to take it away. */
  show(name, notice) {
    const before = this.#shown.get(name);
    const key = notice ? JSON.stringify(notice) : '';
    if (before?.key === key) return;
    if (!notice) {
      before?.element.remove();
      this.#shown.delete(name);
      return;
    }
    const { picture, tone = 'plain', text, action } = notice;
    const element = h(
      'div',
      { class: `notice ${tone}`, 'data-notice': name },
      icon(picture),
      h('span', {}, text),
      action &&
        h('button', { type: 'button', class: 'button small', click: action.run }, action.name),
    );
    if (before) before.element.replaceWith(element);
    else this.element.append(element);
    this.#shown.set(name, { element, key });
  }
}
