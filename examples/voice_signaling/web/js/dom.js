// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Making elements. Text always goes in as text nodes: nothing that a peer says is ever parsed as HTML.

/**
 * An element. `properties` that are functions become listeners ("click"), the rest attributes; null,
 * undefined and false ones are left out. `children`: nodes, strings, or nothing.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Drawn on a 20 by 20 grid with a stroke of 1.5; see .icon in base.css.
const icons = {
  add: 'M10 4v12M4 10h12',
  alert: 'M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.3v.2',
  check: 'M4.5 10.5 8.5 14.5 15.5 6',
  leave: 'M8 4H4v12h4M12.5 6.5 16 10l-3.5 3.5M16 10H8',
  microphone:
    'M10 3a2 2 0 0 0-2 2v4.500a2 2 0 0 0 4 0V5a2 2 0 0 0-2-2M5.500 9.500a4.500 4.500 0 0 0 9 0M10 14v3M7.500 17h5',
  moon: 'M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3z',
  muted: 'M3.500 8v4h3l4 3.500v-11L6.500 8zM13.500 8l4 4M17.500 8l-4 4',
  offline:
    'M3 3l14 14M5 11.500a7 7 0 0 1 2.500-1.600M2.500 8.500A11 11 0 0 1 5.500 6.500M9 5.600a11 11 0 0 1 8.500 2.900M12.500 10a7 7 0 0 1 2.500 1.500M10 15v.2',
  people:
    'M7.500 5a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M2.500 16c0-5.500 10-5.500 10 0M13 5.200a2.500 2.500 0 0 1 0 4.600M14.500 12.200c1.800.4 3 1.600 3 3.800',
  screen: 'M3 4h14v9.5H3zM7 17h6M10 13.5V17',
  sound: 'M3.500 8v4h3l4 3.500v-11L6.500 8zM13 7.500a3.500 3.500 0 0 1 0 5M15 5a7 7 0 0 1 0 10',
  sun: 'M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6M10 2.5v2M10 15.5v2M2.5 10h2M15.5 10h2M4.7 4.7l1.4 1.4M13.9 13.9l1.4 1.4M4.7 15.3l1.4-1.4M13.9 6.1l1.4-1.4',
};

/** A picture that says nothing to a screen reader; what it stands for must be said beside it. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', icons[name]);
  svg.append(path);
  return svg;
}

let last = 0;
/** An id that no other element has, to tie labels and descriptions to what they belong to. */
export const newId = (prefix) => `${prefix}-${++last}`;

/** Changes the text only if it differs, so that a screen reader is not told anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
