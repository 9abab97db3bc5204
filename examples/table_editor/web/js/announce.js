// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The short word at the foot of the page after something was done, heard by screen readers too.

import { h } from '/shared/js/dom.js';

const shownFor = 5000; // milliseconds

let timer;
const region = h('div', { class: 'toast', role: 'status', 'aria-live': 'polite' });

export const announcer = () => region;

export function announce(text) {
  clearTimeout(timer);
  // The same text twice is only read twice if it was gone in between.
  region.replaceChildren();
  requestAnimationFrame(() => region.replaceChildren(h('span', {}, text)));
  timer = setTimeout(() => region.replaceChildren(), shownFor);
}
