// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Light, dark, or as the system has it. CSS does the rest (css/tokens.css).

import { h, icon } from './dom.js';

const choices = [
  { name: 'system', label: 'as the system', icon: 'screen' },
  { name: 'light', label: 'light', icon: 'sun' },
  { name: 'dark', label: 'dark', icon: 'moon' },
];

function current() {
  return choices.find(({ name }) => name === document.documentElement.dataset.theme) ?? choices[0];
}

function choose({ name }) {
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try {
    if (name === 'system') localStorage.removeItem('theme');
    else localStorage.setItem('theme', name);
  } catch {
    // It holds for this page, then.
  }
}

/** A button that goes round the three choices and says which one is in force. */
export function themeButton() {
  const button = h('button', {
    type: 'button',
    class: 'button quiet icon-only',
    click: () => {
      choose(choices[(choices.indexOf(current()) + 1) % choices.length]);
      show();
    },
  });
  function show() {
    const { label, icon: picture } = current();
    button.replaceChildren(icon(picture));
    button.setAttribute('aria-label', `Theme: ${label}`);
    button.title = `Theme: ${label}`;
  }
  show();
  return button;
}
