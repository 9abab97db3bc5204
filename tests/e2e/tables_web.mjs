// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The page of the table editor, as far as no browser is needed: that what it brings along from npm is
// what its lock file names, and that typed text becomes the values it should. Run with `node --test`.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as api from '../../examples/table_editor/web/js/api.js';
import {
  fromText,
  isUnchanged,
  kindOf,
  kindOfValue,
  sameValue,
} from '../../examples/table_editor/web/js/values.js';

const web = fileURLToPath(new URL('../../examples/table_editor/web/', import.meta.url));

/** Relative paths of all files below a directory. */
async function filesIn(directory, below = '') {
  const entries = await readdir(join(directory, below), { withFileTypes: true });
  const nested = entries.map((entry) => {
    const path = join(below, entry.name);
    return entry.isDirectory() ? filesIn(directory, path) : [path];
  });
  return (await Promise.all(nested)).flat().sort();
}

test('the committed files are those of the locked packages', async (t) => {
  const fresh = await mkdtemp(join(tmpdir(), 'vendor-'));
  t.after(() => rm(fresh, { recursive: true }));
  await promisify(execFile)(join(web, 'vendor.sh'), [fresh]);
  const committed = join(web, 'vendor');
  const names = await filesIn(fresh);
  assert.deepEqual(await filesIn(committed), names);
  assert.ok(names.some((name) => name.endsWith('LICENSE')));
  for (const name of names) {
    const [one, other] = await Promise.all(
      [fresh, committed].map((at) => readFile(join(at, name))),
    );
    assert.ok(one.equals(other), `${name} differs: run vendor.sh`);
  }
});

test('the page has no inline script or style, which its policy would refuse', async () => {
  const page = await readFile(join(web, 'index.html'), 'utf8');
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/i);
});

test('a request waits for longer than the server waits for the database', async (t) => {
  const answers = { '/api/backend': { connectTimeoutMs: 60_000, commandTimeoutMs: 1000 } };
  t.mock.method(globalThis, 'fetch', async (path) => Response.json(answers[path] ?? {}));
  const waits = t.mock.method(AbortSignal, 'timeout');
  await api.backend();
  await api.connect({});
  assert.deepEqual(
    waits.mock.calls.map(({ arguments: [milliseconds] }) => milliseconds),
    [40_000, 90_000, 90_000], // the kind of database, the token, the log-in
  );
  assert.equal(api.patience.command, 45_000);
});

test('types are told apart as databases write them', () => {
  const kinds = {
    integer: ['INTEGER', 'bigint', 'SMALLINT', 'bigserial', 'UNSIGNED BIG INT', 'int8', 'TINYINT'],
    decimal: ['DECIMAL', 'DECIMAL(6,2)', 'numeric', 'MONEY'],
    real: ['REAL', 'double precision', 'float8'],
    boolean: ['BOOLEAN', 'bool', 'BIT'],
    date: ['DATE'],
    time: ['TIME', 'time without time zone'],
    datetime: ['TIMESTAMP', 'timestamp with time zone', 'DATETIME'],
    binary: ['BLOB', 'bytea', 'VARBINARY', 'LONGVARBINARY'],
    text: ['TEXT', 'character varying', 'VARCHAR', 'uuid', 'json', 'interval', 'point', ''].concat(
      ['integer[]', 'boolean[]', 'bytea[]', 'numeric(6,2)[]', '_int4', 'date[]'],
      ['int4range', 'int8multirange', 'numrange', 'tstzrange', 'daterange'],
      ['fingerprint', 'appointment', 'phone_number', 'december', 'surreal'], // somebody's own
    ),
  };
  for (const [kind, types] of Object.entries(kinds)) {
    for (const dataType of types) assert.equal(kindOf({ dataType }), kind, dataType);
  }
});

test('an array or a range can be typed where there was NULL', () => {
  for (const [dataType, text] of [
    ['integer[]', '{1,2}'],
    ['boolean[]', '{t,NULL}'],
    ['daterange', '[2024-01-01,2024-02-01)'],
    ['numrange', 'empty'],
  ]) {
    assert.deepEqual(fromText({ dataType, nullable: true }, text, null), { value: text });
  }
});

test('typed text becomes a value without losing a digit', () => {
  const decimal = { dataType: 'DECIMAL', precision: 6, scale: 2 };
  const cases = [
    ['BIGINT', '42', 42],
    ['BIGINT', ' -007 ', -7],
    ['BIGINT', '9007199254740991', 9007199254740991],
    ['BIGINT', '9007199254740993', '9007199254740993'],
    ['BIGINT', '-9223372036854775808', '-9223372036854775808'],
    ['REAL', '0.10', 0.1],
    ['REAL', '1e21', 1e21],
    ['REAL', '1e400', '1e400'],
    ['REAL', '12345678901234567890', '12345678901234567890'],
    ['DATE', '2024-02-29', '2024-02-29'],
    ['TIMESTAMP', '2024-02-29 23:59:59.5+02:00', '2024-02-29 23:59:59.5+02:00'],
    ['TIME', '14:30', '14:30'],
    ['BOOLEAN', 'true', true],
    ['TEXT', '', ''],
    ['TEXT', ' 007 ', ' 007 '],
  ];
  for (const [dataType, text, value] of cases) {
    assert.deepEqual(fromText({ dataType }, text), { value }, `${dataType} ${text}`);
  }
  assert.deepEqual(fromText(decimal, '71.50'), { value: '71.50' });
  assert.deepEqual(fromText(decimal, '+9999.9'), { value: '9999.9' });
});

test('what is no value of its type is said so', () => {
  const cases = [
    [{ dataType: 'INTEGER' }, '12.5'],
    [{ dataType: 'INTEGER' }, ''],
    [{ dataType: 'DECIMAL', precision: 6, scale: 2 }, '71.505'],
    [{ dataType: 'DECIMAL', precision: 6, scale: 2 }, '12345'],
    [{ dataType: 'DATE' }, '2023-02-29'],
    [{ dataType: 'DATE' }, '31.05.2024'],
    [{ dataType: 'TIME' }, '24:00'],
    [{ dataType: 'TIMESTAMP' }, '2024-05-31 12:60:00'],
    [{ dataType: 'VARCHAR', maxLength: 3 }, 'four'],
  ];
  for (const [column, text] of cases)
    assert.ok(fromText(column, text).error, `${column.dataType} ${text}`);
});

test('the way in which a value was stored is kept', () => {
  assert.deepEqual(fromText({ dataType: 'BOOLEAN' }, 'false', 1), { value: 0 });
  assert.deepEqual(fromText({ dataType: 'TEXT' }, 'a\nb', 'x\r\ny'), { value: 'a\r\nb' });
  // SQLite may hold anything anywhere: it is edited as the text that it is.
  assert.equal(kindOfValue({ dataType: 'DATE' }, '31.05.2024'), 'text');
  assert.deepEqual(fromText({ dataType: 'DATE' }, '1.6.2024', '31.05.2024'), { value: '1.6.2024' });
});

test('NULL, empty text and unchanged values are told apart', () => {
  const column = { dataType: 'TEXT' };
  assert.ok(isUnchanged(column, '', true, null));
  assert.ok(!isUnchanged(column, '', false, null));
  assert.ok(!isUnchanged(column, '', true, ''));
  assert.ok(isUnchanged(column, 'a\nb', false, 'a\r\nb'));
  assert.ok(sameValue({ dataType: 'DECIMAL' }, '71.5', '71.50'));
  assert.ok(!sameValue({ dataType: 'DECIMAL' }, '9007199254740993', '9007199254740992'));
  assert.ok(!sameValue(column, '1', '1.0'));
  assert.ok(sameValue({ dataType: 'BOOLEAN' }, true, 1));
  assert.ok(!sameValue({ dataType: 'BOOLEAN' }, true, 0));
  assert.ok(!sameValue({ dataType: 'BOOLEAN' }, 'Y', 'N')); // text, which SQLite lets stand there
  assert.ok(!sameValue({ dataType: 'BOOLEAN' }, 'Y', true));
});
