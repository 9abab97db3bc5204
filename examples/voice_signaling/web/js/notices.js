// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What is to be known before talking, each with what can be done about it.

import { h, icon, setText } from '/shared/js/dom.js';

export class Notices {
  element = h('div', { class: 'notices', 'aria-live': 'polite' });
  #shown = new Map(); // by name
  #focusElsewhere;

  /** `focusElsewhere()` is called when a notice that has the focus goes. */
  constructor(focusElsewhere) {
    this.#focusElsewhere = focusElsewhere;
  }

  /** `{picture, tone, text, action: {name, run}}`, or nothing to take it away. */
  show(name, notice) {
    const before = this.#shown.get(name);
    const key = notice ? JSON.stringify(notice) : '';
    if ((before?.key ?? '') === key) return;
    if (notice) {
      const shown = before ?? this.#add(name);
      shown.key = key;
      fill(shown, notice);
      return;
    }
    const hadFocus = before.element.contains(document.activeElement);
    before.element.remove();
    this.#shown.delete(name);
    if (hadFocus) this.#focusElsewhere();
  }

  #add(name) {
    const shown = {
      element: h('div', { 'data-notice': name, tabindex: -1 }),
      picture: h('span'),
      text: h('span'),
      button: h('button', { type: 'button', class: 'button small', click: () => shown.run() }),
    };
    shown.element.append(shown.picture, shown.text);
    this.element.append(shown.element);
    this.#shown.set(name, shown);
    return shown;
  }
}

/** The elements stay the same, so that the one with the focus keeps it. */
function fill(shown, { picture, tone = 'plain', text, action }) {
  const { element, button } = shown;
  element.className = `notice ${tone}`;
  const drawn = icon(picture);
  shown.picture.replaceWith(drawn);
  shown.picture = drawn;
  setText(shown.text, text);
  if (!action) {
    if (button === document.activeElement) element.focus();
    button.remove();
    return;
  }
  shown.run = action.run;
  setText(button, action.name);
  if (button.parentNode !== element) element.append(button);
  if (element === document.activeElement) button.focus();
}
