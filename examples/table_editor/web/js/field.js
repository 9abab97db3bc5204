// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The control that a value of a column is typed into, in the grid and in the form for a new row.

import { h, icon } from '/shared/js/dom.js';
import { examples } from './values.js';

const tallest = 260; // pixels, of a text area; then it scrolls
const pickers = { date: 'date', time: 'time', datetime: 'datetime-local' };

function textArea(attributes, input) {
  const area = h('textarea', { rows: 1, ...attributes, input });
  const fit = () => {
    area.style.height = 'auto';
    area.style.height = `${Math.min(tallest, area.scrollHeight + 2)}px`;
  };
  area.addEventListener('input', fit);
  return { area, fit };
}

/** Opens the browser's own calendar beside a text field, which keeps whatever is typed into it. */
function picker(kind, field, input) {
  // A browser's date field drops a date that is half typed; here only its calendar is of use.
  const hidden = h('input', {
    type: pickers[kind],
    class: 'picker',
    tabindex: -1,
    'aria-hidden': 'true',
    step: kind === 'date' ? null : 1,
    input: () => {
      const seconds = /T?\d{2}:\d{2}$/.test(hidden.value) ? ':00' : '';
      field.value = `${hidden.value.replace('T', field.value.includes('T') ? 'T' : ' ')}${seconds}`;
      input();
      field.focus();
    },
  });
  const open = h(
    'button',
    {
      type: 'button',
      class: 'button quiet icon-only',
      'aria-label': kind === 'time' ? 'Choose a time' : 'Choose in a calendar',
      click: () => {
        hidden.value = field.value.trim().replace(' ', 'T');
        hidden.showPicker();
      },
    },
    icon(kind === 'time' ? 'clock' : 'calendar'),
  );
  return h('span', { class: 'picker-holder' }, open, hidden);
}

/**
 * `kind` as of kindOfValue(); `attributes` go to the control itself (id, labels); `input` is called when
 * the user changes it. Gives `{element, control, text, focus(), isAllSelected}`. A boolean's text is
 * `true`, `false` or empty.
 */
export function makeField({ kind, attributes = {}, input }) {
  let control, element, fit;
  const common = { autocomplete: 'off', autocapitalize: 'off', ...attributes };
  if (kind === 'boolean') {
    control = h(
      'select',
      { ...attributes, change: input },
      h('option', { value: '' }, '–'),
      h('option', { value: 'true' }, 'true'),
      h('option', { value: 'false' }, 'false'),
    );
    element = control;
  } else if (kind === 'text') {
    ({ area: control, fit } = textArea(common, input));
    element = control;
  } else {
    control = h('input', {
      type: 'text',
      spellcheck: 'false',
      inputmode: { integer: 'numeric', decimal: 'decimal', real: 'text' }[kind] ?? 'text',
      placeholder: examples[kind],
      ...common,
      input,
    });
    element =
      kind in pickers
        ? h('span', { class: 'with-picker' }, control, picker(kind, control, input))
        : control;
  }
  return {
    element,
    control,
    get text() {
      return control.value;
    },
    set text(text) {
      control.value = text;
      fit?.();
    },
    get isAllSelected() {
      return (
        control.value === '' ||
        (control.selectionStart === 0 && control.selectionEnd === control.value.length)
      );
    },
    focus(select = true) {
      fit?.();
      control.focus({ preventScroll: true });
      if (select) control.select?.();
      else control.setSelectionRange?.(control.value.length, control.value.length);
    },
  };
}
