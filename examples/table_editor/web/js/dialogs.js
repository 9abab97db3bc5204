// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Dialogs: modal, named by their heading, gone from the document when they close. The browser keeps the
// focus inside and gives it back.

import { h, icon, newId } from '/shared/js/dom.js';

/** A `<dialog>` with a heading; show it with showModal(). */
export function dialog({ title, class: kind = '' }, ...children) {
  const id = newId('dialog-title');
  const element = h(
    'dialog',
    { class: `dialog ${kind}`, 'aria-labelledby': id, close: () => element.remove() },
    h('h2', { id }, title),
    ...children,
  );
  document.body.append(element);
  return element;
}

/** As Escape would: nothing is decided. */
export function closeDialogs() {
  for (const element of document.querySelectorAll('dialog[open]')) element.close();
}

/** Where a dialog says what went wrong. */
export function problem() {
  const box = h('div', { class: 'problem', role: 'alert' });
  return {
    element: box,
    say: (text) => box.replaceChildren(icon('alert'), h('span', {}, text)),
    clear: () => box.replaceChildren(),
  };
}

/**
 * Asks before something that cannot be undone. `act` does it; while it rejects, the dialog stays and
 * says why. Resolves with whether it was done.
 */
export function confirm({ title, text, details = [], label, act = async () => {} }) {
  const failure = problem();
  const description = newId('confirm-text');
  const go = h('button', { type: 'submit', class: 'button danger' }, label);
  const cancel = h(
    'button',
    { type: 'button', class: 'button', autofocus: true, click: () => element.close() },
    'Cancel',
  );
  const element = dialog(
    { title, class: 'narrow' },
    h('p', { id: description }, text),
    ...details,
    failure.element,
    h(
      'form',
      {
        class: 'actions',
        submit: async (event) => {
          event.preventDefault();
          go.disabled = true;
          failure.clear();
          try {
            await act();
            element.close('done');
          } catch (error) {
            failure.say(error.message);
          } finally {
            go.disabled = false;
          }
        },
      },
      cancel,
      go,
    ),
  );
  element.setAttribute('aria-describedby', description);
  element.showModal();
  return new Promise((resolve) => {
    element.addEventListener('close', () => resolve(element.returnValue === 'done'));
  });
}
