// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Making elements. Text always goes in as text nodes: nothing that comes from a peer or a database is
// ever parsed as HTML.

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

// Drawn on a 20 by 20 grid with a stroke of 1.5; see .icon in css/base.css.
const icons = {
  add: 'M10 4v12M4 10h12',
  alert: 'M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.3v.2',
  bolt: 'M11 2.5 4.5 11.5H10l-1 6 6.5-9H10z',
  calendar: 'M3.5 5.5h13v11h-13zM3.5 9h13M7 3v4M13 3v4',
  check: 'M4.5 10.5 8.5 14.5 15.5 6',
  clock: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 6.5V10l2.5 2',
  close: 'M5 5l10 10M15 5 5 15',
  database: 'M4 5.5c0-3.3 12-3.3 12 0s-12 3.3-12 0v9c0 3.3 12 3.3 12 0v-9M4 10c0 3.3 12 3.3 12 0',
  download: 'M10 3.5v9M6 9l4 4 4-4M4 16.5h12',
  filter: 'M3.5 5h13M6 10h8M8.5 15h3',
  first: 'M14.5 5l-5 5 5 5M6 5v10',
  key: 'M6.5 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 10h7.5v3.5M14 10v3',
  last: 'M5.5 5l5 5-5 5M14 5v10',
  leave: 'M8 4H4v12h4M12.5 6.5 16 10l-3.5 3.5M16 10H8',
  lock: 'M5 9h10v7.5H5zM7 9V6.5a3 3 0 0 1 6 0V9',
  menu: 'M3.5 5.5h13M3.5 10h13M3.5 14.5h13',
  microphone:
    'M10 3a2 2 0 0 0-2 2v4.500a2 2 0 0 0 4 0V5a2 2 0 0 0-2-2M5.500 9.500a4.500 4.500 0 0 0 9 0M10 14v3M7.500 17h5',
  moon: 'M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3z',
  muted: 'M3.500 8v4h3l4 3.500v-11L6.500 8zM13.500 8l4 4M17.500 8l-4 4',
  next: 'M7.5 5l5 5-5 5',
  offline:
    'M3 3l14 14M5 11.500a7 7 0 0 1 2.500-1.600M2.500 8.500A11 11 0 0 1 5.500 6.500M9 5.600a11 11 0 0 1 8.500 2.900M12.500 10a7 7 0 0 1 2.500 1.500M10 15v.2',
  people:
    'M7.500 5a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M2.500 16c0-5.500 10-5.500 10 0M13 5.200a2.500 2.500 0 0 1 0 4.600M14.500 12.200c1.800.4 3 1.600 3 3.800',
  previous: 'M12.5 5l-5 5 5 5',
  refresh: 'M16 10a6 6 0 1 1-1.8-4.3M16 3.5v3.4h-3.4',
  screen: 'M3 4h14v9.5H3zM7 17h6M10 13.5V17',
  search: 'M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4M12.7 12.7 16.5 16.5',
  sound: 'M3.500 8v4h3l4 3.500v-11L6.500 8zM13 7.500a3.500 3.500 0 0 1 0 5M15 5a7 7 0 0 1 0 10',
  sun: 'M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6M10 2.5v2M10 15.5v2M2.5 10h2M15.5 10h2M4.7 4.7l1.4 1.4M13.9 13.9l1.4 1.4M4.7 15.3l1.4-1.4M13.9 6.1l1.4-1.4',
  table: 'M3.5 4.5h13v11h-13zM3.5 8.5h13M8 8.5v7',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6M8.5 9v4.5M11.5 9v4.5',
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

/** A control with its label, and a hint below it where there is one. */
export function labelled(label, control, hint) {
  const id = newId('field');
  control.id = id;
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    control,
    hint ? h('p', { class: 'hint' }, hint) : null,
  );
}

/** Changes the text only if it differs, so that a screen reader is not told anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** `12,345`, in the way of the browser's language. */
export const count = (number, one, many) =>
  `${number.toLocaleString()} ${number === 1 ? one : many}`;
