// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The button that is held to talk: by mouse, finger, pen or the space bar. Whatever takes it from under
// the finger lets go.

import { h, icon, setText } from '/shared/js/dom.js';

const letsGo = ['pointerup', 'pointercancel', 'lostpointercapture'];

/** `press` and `release` are called in turn; `release` perhaps without a `press`. */
export class TalkButton {
  label = h('span', { class: 'talk-label' });
  hint = h('span', { class: 'talk-hint' });
  #pressed = new Set(); // by what it is held: 'pointer', 'key', 'latch'
  #press;
  #release;

  /** \param name of the channel, for those who do not see where the button is */
  constructor({ name, press, release }) {
    this.#press = press;
    this.#release = release;
    this.element = h(
      'button',
      {
        type: 'button',
        class: 'talk',
        'aria-pressed': 'false',
        pointerdown: (event) => this.#onPointerDown(event),
        // A long press is what this is for, not for a menu.
        contextmenu: (event) => event.preventDefault(),
        // Enter that is held would click again and again.
        keydown: (event) => event.key === 'Enter' && event.repeat && event.preventDefault(),
        click: (event) => this.#onClick(event),
        blur: () => this.letGo(),
      },
      h(
        'span',
        { class: 'talk-face' },
        icon('microphone'),
        this.label,
        h('span', { class: 'for-readers' }, `in ${name}`),
        this.hint,
      ),
    );
    for (const name of letsGo) this.element.addEventListener(name, () => this.#up('pointer'));
  }

  #onPointerDown(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    this.element.focus({ preventScroll: true }); // Safari does not by itself
    this.element.setPointerCapture(event.pointerId);
    this.#down('pointer');
  }

  /**
   * A press that is no pointer's and no space bar's: Enter, or a screen reader, which cannot hold.
   * It stays pressed until the next one.
   */
  #onClick(event) {
    if (event.detail !== 0) return;
    if (this.#pressed.has('latch')) this.#up('latch');
    else this.#down('latch');
  }

  keyDown() {
    this.#down('key');
  }

  keyUp() {
    this.#up('key');
  }

  letGo() {
    this.#pressed.clear();
    this.#release();
  }

  #down(by) {
    if (this.element.getAttribute('aria-disabled') === 'true') return;
    this.#pressed.add(by);
    if (this.#pressed.size === 1) this.#press();
  }

  #up(by) {
    if (this.#pressed.delete(by) && this.#pressed.size === 0) this.#release();
  }

  /** `isHeld`: whether this user talks, or is about to. */
  show({ label, hint, isHeld, isUsable }) {
    setText(this.label, label);
    setText(this.hint, hint);
    this.element.setAttribute('aria-pressed', String(isHeld));
    // Not `disabled`: that would take the focus away whenever the line drops.
    this.element.setAttribute('aria-disabled', String(!isUsable));
    if (!isUsable && this.#pressed.size > 0) this.letGo();
    // What is latched is latched to be held: whoever presses again wants to talk.
    else if (!isHeld) this.#up('latch');
  }
}
