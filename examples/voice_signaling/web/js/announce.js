// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What is said to screen readers, and not seen: who speaks, and why one may not.

import { h } from '/shared/js/dom.js';

const polite = h('div', { class: 'for-readers', role: 'status', 'aria-live': 'polite' });
const urgent = h('div', { class: 'for-readers', role: 'alert' });

export const announcer = () => [polite, urgent];

function say(region, text) {
  // The same text twice is only read twice if it was gone in between.
  region.replaceChildren();
  setTimeout(() => region.replaceChildren(text), 50);
}

/** When what is being read is over. */
export const announce = (text) => say(polite, text);

/** At once. */
export const announceNow = (text) => say(urgent, text);
