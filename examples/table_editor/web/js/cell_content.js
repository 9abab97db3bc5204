// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What stands in a cell: the stored value, or what was typed and is not stored yet.

import { h, icon } from '/shared/js/dom.js';
import {
  hex,
  bytesOf,
  isNumeric,
  kindOf,
  kindOfValue,
  sizeOf,
  sizeText,
  toText,
} from './values.js';

const longest = 300; // characters; the editor shows the rest
const previewBytes = 6;

export const stateText = {
  typing: 'being edited',
  saving: 'saving',
  queued: 'not saved yet: waiting for the connection',
  kept: 'not saved yet',
  refused: 'not saved',
  conflict: 'not saved: changed by somebody else meanwhile',
};

function binary(base64) {
  const bytes = sizeOf(base64);
  const start = bytesOf(base64.slice(0, 4 * Math.ceil(previewBytes / 3)))?.slice(0, previewBytes);
  return h(
    'span',
    { class: 'value binary' },
    h('span', { class: 'size' }, sizeText(bytes)),
    h('code', {}, start === undefined ? '' : `${hex(start)}${bytes > previewBytes ? ' …' : ''}`),
  );
}

/** NULL, empty text and text that looks like either are three different things to see. */
function plain(column, value) {
  if (value === null || value === undefined) return h('span', { class: 'value null' }, 'NULL');
  if (value === '') return h('span', { class: 'value blank' }, 'empty');
  const kind = kindOfValue(column, value);
  if (kind === 'binary') return binary(String(value));
  if (kind === 'boolean') {
    const text = toText(column, value);
    return h('span', { class: `value boolean ${text}` }, text);
  }
  const text = toText(column, value);
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return h('span', { class: 'value' }, short.replace(/\r?\n/g, ' ↵ '));
}

function typed(column, { text, isNull, stored }) {
  if (isNull) return plain(column, null);
  return kindOfValue(column, stored) === 'boolean' && text !== ''
    ? h('span', { class: `value boolean ${text}` }, text)
    : plain({ dataType: 'text' }, text);
}

/** Fills a cell's element and says to a screen reader what its look says to others. */
export function fillCell(element, { column, value, draft, locked }) {
  element.classList.toggle('numeric', isNumeric(kindOf(column)));
  element.dataset.state = draft?.state ?? '';
  element.setAttribute('aria-readonly', String(locked !== undefined));
  const wrong = draft?.state === 'refused' || draft?.state === 'conflict';
  if (wrong) element.setAttribute('aria-invalid', 'true');
  else element.removeAttribute('aria-invalid');
  if (draft === undefined) {
    element.removeAttribute('aria-description');
    return plain(column, value);
  }
  element.setAttribute('aria-description', draft.message ?? stateText[draft.state]);
  return h('span', { class: 'draft' }, wrong ? icon('alert') : null, typed(column, draft));
}
