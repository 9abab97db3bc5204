// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Values and their types: what a column's dataType means here, how a value is shown, and what typed
// text becomes. Digits are never lost: what a Number cannot hold exactly stays a string.

// In this order: arrays and ranges, which are of other types, first; `timestamp` before `time`. A type of
// somebody's own (`fingerprint`, `phone_number`) is text.
const kinds = [
  ['text', /\[|^_|range/],
  ['binary', /blob|bytea|binary|image|^bytes/],
  ['boolean', /^bool|^bit$/],
  ['datetime', /timestamp|datetime|posixtime/],
  ['date', /^date/],
  ['time', /^time/],
  ['integer', /\b(tiny|small|medium|big)?int(eger)?\d*\b|^(small|big)?serial/],
  ['decimal', /^(dec|decimal|numeric|number|money)(\b|_)/],
  ['real', /^(real|double|float)/],
];

/** binary, boolean, datetime, date, time, integer, decimal, real or text. */
export function kindOf({ dataType }) {
  const type = String(dataType).toLowerCase();
  return kinds.find(([, pattern]) => pattern.test(type))?.[0] ?? 'text';
}

export const isNumeric = (kind) => kind === 'integer' || kind === 'decimal' || kind === 'real';

/** `DECIMAL(6,2)`, as a database person writes it. */
export function typeName({ dataType, maxLength, precision, scale }) {
  const kind = kindOf({ dataType });
  if (String(dataType).includes('(')) return dataType;
  if (kind === 'decimal' && precision > 0) return `${dataType}(${precision},${scale ?? 0})`;
  if (kind === 'text' && maxLength > 0 && maxLength < 1e6) return `${dataType}(${maxLength})`;
  return dataType;
}

const patterns = {
  integer: /^[+-]?\d+$/,
  decimal: /^[+-]?(\d+\.?\d*|\.\d+)$/,
  real: /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i,
  date: /^\d{4,}-\d{2}-\d{2}$/,
  time: /^\d{2}:\d{2}(:\d{2}(\.\d+)?)?([+-]\d{2}(:?\d{2})?|Z)?$/,
  datetime: /^\d{4,}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([+-]\d{2}(:?\d{2})?|Z)?$/,
};

/** What is asked for, when typed text is not it; also the hint in an empty field. */
export const examples = {
  integer: '42',
  decimal: '12.50',
  real: '1.5e-3',
  date: '2024-05-31',
  time: '14:30:00',
  datetime: '2024-05-31 14:30:00',
};

const descriptions = {
  integer: 'a whole number',
  decimal: 'a decimal number',
  real: 'a number',
  date: 'a date',
  time: 'a time',
  datetime: 'a date and time',
};

function existsInCalendar(text) {
  const [year, month, day] = text
    .slice(0, text.search(/[ T]|$/))
    .split('-')
    .map(Number);
  const date = new Date(Date.UTC(2000, month - 1, day));
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function existsOnClock(text) {
  const [hours, minutes, seconds = 0] = text
    .match(/\d{2}:\d{2}(:\d{2})?/)[0]
    .split(':')
    .map(Number);
  return hours < 24 && minutes < 60 && seconds < 60;
}

function fits(kind, text) {
  if (!patterns[kind].test(text)) return false;
  if (kind === 'date') return existsInCalendar(text);
  if (kind === 'time') return existsOnClock(text);
  if (kind === 'datetime') return existsInCalendar(text) && existsOnClock(text);
  return true;
}

/**
 * The kind that this one value is edited as. SQLite lets anything stand in any column: what does not
 * look like its column's kind can only be edited as text.
 */
export function kindOfValue(column, value) {
  const kind = kindOf(column);
  if (value === null || value === undefined || kind === 'binary') return kind;
  if (kind === 'boolean') {
    return typeof value === 'boolean' || value === 0 || value === 1 ? kind : 'text';
  }
  return kind === 'text' || fits(kind, String(value)) ? kind : 'text';
}

/** The text an editor starts with. NULL has none. */
export function toText(column, value) {
  if (value === null || value === undefined) return '';
  if (kindOfValue(column, value) === 'boolean') return value ? 'true' : 'false';
  return String(value);
}

/** Whether a Number says exactly what the digits say: 0.10 does, 9007199254740993 does not. */
function isExact(number, text) {
  const digits = (written) => {
    const [mantissa, exponent = '0'] = written.toLowerCase().replace(/^[+-]/, '').split('e');
    const [whole, fraction = ''] = mantissa.split('.');
    const all = (whole + fraction).replace(/^0+/, '');
    const significant = all.replace(/0+$/, '');
    const trailing = all.length - significant.length;
    return significant === ''
      ? '0'
      : `${significant}e${Number(exponent) - fraction.length + trailing}`;
  };
  return Number.isFinite(number) && digits(String(number)) === digits(text);
}

function number(text) {
  const unsigned = text.replace(/^\+/, '');
  const value = Number(unsigned);
  return isExact(value, unsigned) ? value : unsigned;
}

function integer(text) {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value + 0 : BigInt(text.replace(/^\+/, '')).toString();
}

function tooLong({ precision, scale }, text) {
  if (!(precision > 0)) return null;
  const [whole, fraction = ''] = text.replace(/^[+-]/, '').split('.');
  const most = scale ?? 0;
  if (fraction.replace(/0+$/, '').length > most) {
    return most === 0
      ? 'No digits after the point here.'
      : `At most ${most} digits after the point.`;
  }
  if (whole.replace(/^0+/, '').length > precision - most) {
    return `At most ${precision - most} digits before the point.`;
  }
  return null;
}

/**
 * What typed text is to be stored as: `{value}`, or `{error}` in words. `previous` is the stored value,
 * whose way of writing (0 or false, \r\n or \n) is kept.
 */
export function fromText(column, text, previous = null) {
  const kind = kindOfValue(column, previous);
  if (kind === 'text') {
    if (column.maxLength > 0 && [...text].length > column.maxLength) {
      return { error: `At most ${column.maxLength} characters; this has ${[...text].length}.` };
    }
    // A text area drops the \r of each line.
    const crlf = typeof previous === 'string' && previous.includes('\r\n');
    return { value: crlf ? text.replace(/\r?\n/g, '\r\n') : text };
  }
  const trimmed = text.trim();
  if (kind === 'boolean') {
    if (trimmed === '') return { error: 'Choose true or false.' };
    const value = trimmed === 'true';
    return { value: typeof previous === 'number' ? Number(value) : value };
  }
  if (trimmed === '') return { error: `Empty. Type ${descriptions[kind]}.` };
  if (!fits(kind, trimmed)) {
    return { error: `Not ${descriptions[kind]}. Write it like ${examples[kind]}.` };
  }
  if (kind === 'integer') return { value: integer(trimmed) };
  if (kind === 'real') return { value: number(trimmed) };
  if (kind === 'decimal') {
    const error = tooLong(column, trimmed);
    if (error !== null) return { error };
    return { value: typeof previous === 'number' ? number(trimmed) : trimmed.replace(/^\+/, '') };
  }
  return { value: trimmed };
}

/** Whether the text in an editor is still the stored value. */
export function isUnchanged(column, text, isNull, stored) {
  if (isNull || stored === null) return isNull === (stored === null);
  return text === toText(column, stored).replace(/\r\n?/g, '\n');
}

/** Whether two values say the same, however they are written: "71.5" is 71.50, "t" is not true. */
export function sameValue(column, a, b) {
  if (a === b) return true;
  if (a === null || b === null) return false;
  const kind = kindOf(column);
  if ([a, b].every((value) => kindOfValue(column, value) === 'boolean'))
    return Boolean(a) === Boolean(b);
  if (!isNumeric(kind) || !fits('real', String(a)) || !fits('real', String(b))) {
    return String(a) === String(b);
  }
  const plain = (value) => String(value).replace(/^\+/, '');
  if (kind === 'real') return Number(a) === Number(b);
  const trim = (value) => {
    const [whole, fraction = ''] = plain(value).split('.');
    return `${whole.replace(/^(-?)0+(?=\d)/, '$1')}.${fraction.replace(/0+$/, '')}`;
  };
  return trim(a) === trim(b);
}

/** A value in a sentence. */
export function quoted(column, value) {
  if (value === null || value === undefined) return 'NULL';
  if (value === '') return 'empty text';
  return toText(column, value);
}

/** The bytes of a binary value; undefined when it is not the base64 it should be. */
export function bytesOf(base64) {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** How many bytes a base64 text stands for, without decoding it. */
export function sizeOf(base64) {
  const padding = /=*$/.exec(base64)[0].length;
  return Math.max(0, Math.floor((base64.length * 3) / 4) - padding);
}

export function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}

export const hex = (bytes) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
