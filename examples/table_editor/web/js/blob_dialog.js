// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// A binary value: how it begins, and the whole of it as a file.

import { h, icon, newId } from '/shared/js/dom.js';
import { dialog } from './dialogs.js';
import { bytesOf, hex, sizeText } from './values.js';

const shown = 512; // bytes
const perLine = 16;

function dump(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, shown); at += perLine) {
    const line = bytes.slice(at, Math.min(at + perLine, shown));
    const text = [...line].map((byte) =>
      byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·',
    );
    lines.push(
      `${at.toString(16).padStart(4, '0')}  ${hex(line).padEnd(3 * perLine - 1)}  ${text.join('')}`,
    );
  }
  return lines.join('\n');
}

function download(bytes, name) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser reads it after the click
}

/** Shows base64 text `value`; `name` is what a file of it is called. */
export function showBlob({ title, value, name }) {
  const bytes = bytesOf(value);
  const heading = newId('blob');
  const previews = {
    Hexadecimal: bytes === undefined ? '' : dump(bytes),
    Base64: value.slice(0, shown),
  };
  const preview = h('pre', { class: 'blob-preview', tabindex: 0, 'aria-labelledby': heading });
  const choice = h(
    'select',
    { 'aria-label': 'Shown as', change: () => (preview.textContent = previews[choice.value]) },
    Object.keys(previews).map((way) => h('option', {}, way)),
  );
  if (bytes === undefined) choice.value = 'Base64';
  preview.textContent = previews[choice.value];
  const element = dialog(
    { title, class: 'blob' },
    h(
      'div',
      { class: 'blob-head' },
      h(
        'p',
        { id: heading },
        bytes === undefined ? 'Not valid base64.' : sizeText(bytes.length),
        bytes?.length > shown ? `, of which the first ${shown} bytes` : '',
      ),
      choice,
    ),
    preview,
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', class: 'button', click: () => element.close() }, 'Close'),
      h(
        'button',
        {
          type: 'button',
          class: 'button primary',
          disabled: bytes === undefined,
          click: () => download(bytes, name),
        },
        icon('download'),
        'Download',
      ),
    ),
  );
  element.showModal();
}
