// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The table editor as its users have it: the page in Chromium, on the demo database of the program.
// Run with `node --test`; TABLE_EDITOR is the path of the program, CHROMIUM of the browser, and
// SCREENSHOTS a directory for a picture of each state. Builds nothing.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { CuttableLine } from './cuttable_line.mjs';
import { soon } from './soon.mjs';
import { Program } from './table_editor.mjs';

const timeout = 15_000; // milliseconds, for anything that is expected to happen
const pictures = process.env.SCREENSHOTS;

async function until(holds) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

let browser;
let demo;

before(async () => {
  if (pictures) await mkdir(pictures, { recursive: true });
  const flags =
    '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: flags.split(' '),
  });
  demo = await Program.start();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** The page, by what a user calls its parts. */
class Editor {
  static async open(t, { program: of = demo, url = of.url, fragment, ...options } = {}) {
    const context = await browser.newContext({
      viewport: { width: 1200, height: 760 },
      reducedMotion: 'reduce', // nothing here depends on what moves
      ...options,
    });
    const editor = new Editor();
    editor.program = of;
    editor.url = url;
    editor.page = await context.newPage();
    editor.page.setDefaultTimeout(timeout);
    editor.faults = [];
    editor.page.on('pageerror', (error) => editor.faults.push(error.stack));
    await context.exposeFunction('reportViolation', (text) => editor.faults.push(text));
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        window.reportViolation(
          `CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`,
        );
      });
    });
    t.after(async () => {
      await context.close();
      assert.deepEqual(editor.faults, [], 'errors of the page, or of its Content-Security-Policy');
    });
    await editor.page.goto(url + (fragment ?? `#namespace=${of.namespace}&username=demo`));
    return editor;
  }

  /** Logged in, with this table open. */
  static async at(t, table, options = {}) {
    const fragment = `#namespace=${(options.program ?? demo).namespace}&username=demo&table=main.${table}`;
    const editor = await Editor.open(t, { fragment, ...options });
    await editor.logIn();
    await editor.heading(`main.${table}`);
    await editor.page.getByRole('gridcell').first().waitFor();
    return editor;
  }

  async logIn(password = this.program.password) {
    await this.page.getByLabel('Password').fill(password);
    await this.button('Connect').click();
  }

  button = (name, within = this.page) => within.getByRole('button', { name, exact: true });
  dialog = () => this.page.getByRole('dialog');
  text = (text) => this.page.getByText(text);
  press = (keys) => this.page.keyboard.press(keys);
  type = (text) => this.page.keyboard.type(text);
  heading = (name) => this.page.getByRole('heading', { name, exact: true }).waitFor();
  header = (column) => this.page.getByRole('columnheader', { name: new RegExp(`^${column} `) });
  sees = (text) => this.text(text).first().waitFor();

  async openTable(name) {
    await this.page
      .getByRole('navigation', { name: 'Tables' })
      .getByRole('button', { name })
      .click();
    await this.heading(name);
    await this.page.getByRole('gridcell').first().waitFor();
  }

  /** A short page: the checks of accessibility look at every cell. */
  async showFew() {
    await this.page.getByLabel('Rows per page').selectOption('25 rows');
    await this.sees(/^1–(2[0-5]|1?\d) of/);
  }

  async cell(column, key) {
    const number = await this.header(column).getAttribute('aria-colindex');
    return this.page
      .getByRole('row')
      .filter({ has: this.page.getByRole('gridcell', { name: String(key), exact: true }) })
      .first()
      .locator(`[role=gridcell][aria-colindex="${number}"]`);
  }

  async column(name) {
    const number = await this.header(name).getAttribute('aria-colindex');
    return this.page.locator(`[role=gridcell][aria-colindex="${number}"]`).allInnerTexts();
  }

  field = (column, key) =>
    this.page
      .getByLabel(`${column} where`, { exact: false })
      .and(this.page.locator('input, select, textarea'))
      .and(this.page.getByLabel(`is ${key}`));

  /** Opens the editor of a cell, as with a mouse. */
  async edit(column, key) {
    const cell = await this.cell(column, key);
    await cell.dblclick();
    await this.field(column, key).waitFor();
    return this.field(column, key);
  }

  async change(column, key, text) {
    await (await this.edit(column, key)).fill(text);
    await this.press('Enter');
    await this.sees(`Saved ${column}.`);
  }

  async shows(column, key, text) {
    const cell = await this.cell(column, key);
    await cell.filter({ hasText: text }).waitFor();
    const shown = (await cell.innerText()).trim();
    if (text instanceof RegExp) assert.match(shown, text);
    else assert.equal(shown, text);
  }

  /** Reads what is stored, past everything that the page may remember. */
  async stores(column, key, text) {
    await this.page.reload();
    await this.page.getByRole('gridcell').first().waitFor();
    await this.shows(column, key, text);
  }

  /** No serious fault of accessibility in what is to be seen now. */
  async isAccessible(state) {
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate(() => window.axe.run());
    const serious = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(
        ({ id, help, nodes }) =>
          `${state}: ${id}: ${help}: ${nodes.map(({ html }) => html).join('\n')}`,
      );
    assert.deepEqual(serious, []);
    await this.picture(state);
  }

  async picture(name) {
    if (pictures)
      await this.page.screenshot({ path: join(pictures, `${name.replaceAll(' ', '-')}.png`) });
  }

  async hasNoSidewaysScroll() {
    const [content, window] = await this.page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
  }
}

test('the page is served under a strict Content-Security-Policy', async () => {
  const policy = (await fetch(demo.url)).headers.get('content-security-policy');
  const parts = Object.fromEntries(
    policy.split(';').map((part) => [part.trim().split(' ')[0], part.trim()]),
  );
  assert.equal(parts['default-src'], "default-src 'none'");
  assert.equal(parts['script-src'], "script-src 'self'");
  assert.equal(parts['style-src'], "style-src 'self'");
  assert.equal(parts['frame-ancestors'], "frame-ancestors 'none'");
});

test('a wrong password is told, and the right one lets in', async (t) => {
  const editor = await Editor.open(t);
  const { page } = editor;
  assert.equal(await page.getByLabel('Database').inputValue(), demo.namespace);
  assert.equal(await page.getByLabel('User name').inputValue(), 'demo');
  assert.equal(await page.getByLabel('Host').count(), 0, 'SQLite has no host to ask for');

  await editor.logIn('not the password');
  await page.getByRole('alert').filter({ hasText: 'password is not right' }).waitFor();
  assert.ok(
    await page.getByLabel('Password').evaluate((field) => field === document.activeElement),
  );

  await page.getByLabel('Password').fill(editor.program.password);
  await editor.button('Test connection').click();
  await editor.sees('The connection works.');
  await editor.button('Connect').click();
  await editor.heading('Choose a table.');
  assert.match(await editor.text('Session ends in').first().innerText(), /Session ends in/);
  assert.doesNotMatch(page.url(), new RegExp(editor.program.password));
});

test('a reload goes straight back to the table, and a log-out to the form', async (t) => {
  const editor = await Editor.at(t, 'settings');
  await editor.page.reload();
  await editor.heading('main.settings');
  await editor.page.route('**/api/backend', (route) => route.abort(), { times: 1 });
  await editor.page.reload(); // also when nobody says what kind of database it is
  await editor.heading('main.settings');
  await editor.button('Disconnect').click();
  await editor.page.getByLabel('Password').waitFor();
  await editor.page.reload();
  await editor.page.getByLabel('Password').waitFor();
});

test('rows are paged, sorted and filtered', async (t) => {
  const editor = await Editor.at(t, 'visits');
  const { page } = editor;
  await editor.sees('1–100 of 100,000 rows');
  await editor.button('Next page').click();
  await editor.sees('101–200 of 100,000 rows');
  await editor.button('Last page').click();
  await editor.sees('99,901–100,000 of 100,000 rows');
  await page.getByLabel('Page', { exact: true }).fill('3');
  await editor.press('Enter');
  await editor.sees('201–300 of 100,000 rows');
  await page.getByLabel('Rows per page').selectOption('25 rows');
  await editor.sees('1–25 of 100,000 rows');

  const sorted = (direction) =>
    page
      .locator(`[role=columnheader][aria-sort=${direction}]`)
      .filter({ hasText: 'cost' })
      .waitFor();
  const costs = async () => (await editor.column('cost')).map(Number);
  await editor.header('cost').click();
  await sorted('ascending');
  await editor.header('cost').click();
  await sorted('descending');
  const descending = await costs();
  assert.deepEqual(
    descending,
    [...descending].sort((a, b) => b - a),
  );
  await editor.header('cost').click();
  await sorted('none');

  const [reason] = await editor.column('reason');
  await editor.button('Filter').click();
  await page.getByLabel('Column').selectOption('reason');
  await page.getByLabel('Is like').fill(`${reason.slice(0, 3).toUpperCase()}*`);
  await editor.press('Enter');
  await editor.sees(/[\d,]+ rows match$/);
  const prefix = reason.slice(0, 3).toLowerCase();
  for (const shown of await editor.column('reason')) {
    assert.ok(shown.toLowerCase().startsWith(prefix), `${shown} passed the filter`);
  }
  await editor.picture('filtered');

  await editor.button('Filter').click();
  await page.getByLabel('Column').selectOption('reason');
  await page.getByLabel('Is like').fill('no such reason');
  await editor.press('Enter');
  await editor.sees('No row matches the filters.');
  await editor.button('Remove the filter of reason').click();
  await editor.sees('1–25 of 100,000 rows');
});

test('text, numbers, dates, truth values and NULL are edited in place', async (t) => {
  const editor = await Editor.at(t, 'patients');
  const { page } = editor;

  await editor.change('name', 1, 'O\'Brien; DROP TABLE "patients" -- <b>ü</b> 漢字');
  await editor.shows('name', 1, 'O\'Brien; DROP TABLE "patients" -- <b>ü</b> 漢字');

  await editor.change('weight_kg', 1, '71.5');
  await editor.shows('weight_kg', 1, /^71\.50?$/); // SQLite keeps no trailing zeros
  await editor.change('weight_kg', 1, '72.25'); // the page knows how the database wrote 71.5
  await editor.shows('weight_kg', 1, '72.25');

  await (await editor.edit('born', 1)).fill('1999-02-31');
  await editor.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'Not a date.' }).waitFor();
  await editor.picture('not a date');
  await editor.field('born', 1).fill('1999-02-28');
  await editor.press('Enter');
  await editor.sees('Saved born.');

  const active = await editor.edit('active', 1);
  const opposite = (await active.inputValue()) === 'true' ? 'false' : 'true';
  await active.selectOption(opposite);
  await editor.press('Enter');
  await editor.sees('Saved active.');
  await editor.shows('active', 1, opposite);

  await editor.change('notes', 1, 'once');
  const notes = await editor.edit('notes', 1);
  await editor.press('Shift+Enter'); // replaces the selected text by a new line
  await notes.fill('first line\nsecond line');
  await editor.press('Enter');
  await editor.shows('notes', 1, 'first line ↵ second line');

  await editor.change('notes', 1, '');
  await editor.shows('notes', 1, 'empty');
  await editor.edit('notes', 1);
  await editor.press('Control+Backspace');
  await editor.picture('null');
  await editor.press('Enter');
  await editor.shows('notes', 1, 'NULL');
  const isNull = async () => (await editor.cell('notes', 1)).locator('.null').waitFor();
  await isNull();
  await (await editor.edit('notes', 1)).fill('NULL'); // the four letters are not the absence of a value
  await editor.press('Enter');
  await editor.edit('notes', 1); // before it is saved, perhaps
  await editor.button('NULL').click();
  await editor.button('Save').click();
  await isNull();

  await editor.edit('name', 1);
  await editor.type('never mind');
  await editor.press('Escape');
  await editor.shows('name', 1, 'O\'Brien; DROP TABLE "patients" -- <b>ü</b> 漢字');

  await editor.stores('weight_kg', 1, '72.25');
  await editor.shows('born', 1, '1999-02-28');
  await editor.shows('active', 1, opposite);
  await isNull();
});

test('a letter typed on a truth value chooses one, or nothing', async (t) => {
  await demo.execute(`
    CREATE TABLE flags (id INTEGER PRIMARY KEY, ready BOOLEAN);
    INSERT INTO flags VALUES (1, TRUE), (2, NULL)`);
  const editor = await Editor.at(t, 'flags');
  for (const [key, letter, shown] of [
    ['1', 'x', 'true'],
    ['1', 'f', 'false'],
    ['2', 'x', 'NULL'],
    ['2', 'T', 'true'],
  ]) {
    await (await editor.cell('ready', key)).click();
    await editor.type(letter);
    assert.equal(
      await editor.field('ready', key).inputValue(),
      shown === 'NULL' ? '' : shown,
      letter,
    );
    await editor.press('Enter');
    if (letter !== 'x') await editor.sees('Saved ready.');
    await editor.stores('ready', key, shown);
  }
});

test('what could not be saved is found again from another page', async (t) => {
  const editor = await Editor.at(t, 'visits');
  const [key] = await editor.column('id');
  await (await editor.edit('cost', key)).fill('dear');
  await editor.press('Enter');
  await editor.page.getByRole('alert').filter({ hasText: 'Not a decimal number.' }).waitFor();
  await editor.press('Escape');
  await editor.button('Next page').click();
  await editor.sees('101–200 of');
  await editor.button('Show').click();
  const field = editor.field('cost', key);
  assert.equal(await field.inputValue(), 'dear');
  const { x, y } = await field.boundingBox();
  const { width, height } = editor.page.viewportSize();
  assert.ok(x > 0 && x < width && y > 0 && y < height, `it is in sight, at ${x}, ${y}`);
  await field.fill('80.2500');
  await editor.press('Enter');
  await editor.sees('Saved cost.');
  await editor.button('Previous page').click();
  await editor.shows('cost', key, /^80\.25(00)?$/);
});

test('no digit of a large integer or a decimal is lost', async (t) => {
  const editor = await Editor.at(t, 'accounts');
  for (const ledger of await editor.column('ledger_number')) assert.match(ledger, /^(-?\d+|NULL)$/);
  await editor.change('ledger_number', 1, '9007199254740995');
  await editor.change('balance', 1, '98765432.1234');
  await editor.stores('ledger_number', 1, '9007199254740995');
  await editor.shows('balance', 1, '98765432.1234');
  await editor.change('ledger_number', 1, '-9223372036854775807');
  await editor.stores('ledger_number', 1, '-9223372036854775807');

  await (await editor.edit('ledger_number', 1)).fill('12.5');
  await editor.press('Enter');
  await editor.page.getByRole('alert').filter({ hasText: 'Not a whole number.' }).waitFor();
});

test('keys are locked, and a table without one says why it cannot be changed', async (t) => {
  const editor = await Editor.at(t, 'settings');
  await (
    await editor.cell('name', await editor.column('name').then(([first]) => first))
  )
    .first()
    .dblclick();
  await editor.sees('Cannot be edited: primary key.');
  await editor.press('Escape');
  await editor.openTable('main.measurements');
  await editor.sees('This table has no primary key');
  assert.ok(await editor.button('Insert row').isDisabled());
  await editor.picture('read-only table');
});

test('a binary value is looked at and downloaded', async (t) => {
  const editor = await Editor.at(t, 'attachments');
  const contents = await editor.column('content');
  const index = contents.findIndex((content) => content !== 'NULL');
  const [key] = (await editor.column('id')).slice(index);
  await (await editor.cell('content', key)).dblclick();
  await editor.dialog().waitFor();
  await editor.picture('binary value');
  const downloading = editor.page.waitForEvent('download');
  await editor.button('Download').click();
  const download = await downloading;
  const bytes = await readFile(await download.path());
  assert.ok(bytes.length > 0);
  const preview = await editor.dialog().locator('pre').innerText();
  const start = [...bytes.subarray(0, 4)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(' ');
  assert.ok(preview.includes(start), `${preview} begins with ${start}`);
});

test('a row is inserted, and deleted after a confirmation', async (t) => {
  const editor = await Editor.at(t, 'settings');
  const dialog = editor.dialog();
  const before = await editor.column('name');

  await editor.button('Insert row').click();
  await dialog.getByLabel(/^name /).fill('a new setting');
  await dialog.getByLabel('What value gets').selectOption('NULL');
  await editor.picture('new row');
  await editor.button('Insert row', dialog).click();
  await editor.sees('Inserted the row.');
  await editor.shows('value', 'a new setting', 'NULL');

  await editor.button('Insert row').click();
  await dialog.getByLabel(/^name /).fill('a new setting');
  await editor.button('Insert row', dialog).click();
  await dialog.getByRole('alert').filter({ hasText: /\w/ }).first().waitFor(); // there is one of that name
  await editor.picture('refused new row');
  await editor.button('Cancel', dialog).click();

  await (await editor.cell('value', 'a new setting')).click();
  await editor.button('Delete row').click();
  assert.match(await dialog.innerText(), /a new setting/);
  await editor.button('Cancel', dialog).click();
  await editor.page.locator('[role=gridcell]:focus').waitFor(); // it is given back once the dialog is gone
  await editor.press('Delete');
  await editor.picture('deletion');
  await editor.button('Delete row', dialog).click();
  await editor.sees('Deleted the row');
  assert.deepEqual(await editor.column('name'), before);
});

test('somebody else’s change is shown beside one’s own, which overwrites it or gives way', async (t) => {
  const mine = await Editor.at(t, 'patients');
  await mine.showFew();
  const theirs = await Editor.at(t, 'patients');

  await (await mine.edit('name', 2)).fill('Mine');
  await theirs.change('name', 2, 'Theirs');
  await mine.press('Enter');
  await mine.page
    .getByRole('alert')
    .filter({ hasText: 'Somebody else changed this value' })
    .waitFor();
  await mine.page.getByRole('definition').filter({ hasText: 'Theirs' }).waitFor();
  await mine.page.getByRole('definition').filter({ hasText: 'Mine' }).waitFor();
  await mine.isAccessible('conflict');
  await mine.button('Overwrite').click();
  await mine.sees('Saved name.');
  await mine.shows('name', 2, 'Mine');

  await (await theirs.edit('name', 2)).fill('Theirs again');
  await theirs.press('Enter');
  await theirs.button('Discard mine').click();
  await theirs.shows('name', 2, 'Mine');

  // A row that is gone keeps what was typed in sight.
  await theirs.button('Insert row').click();
  await theirs.dialog().getByLabel(/^id /).fill('1000001');
  await theirs
    .dialog()
    .getByLabel(/^name /)
    .fill('Short-lived');
  await theirs
    .dialog()
    .getByLabel(/^active /)
    .selectOption('true');
  await theirs.button('Insert row', theirs.dialog()).click();
  await theirs.sees('Inserted the row.');
  for (const editor of [mine, theirs]) {
    await editor.button('Filter').click();
    await editor.page.getByLabel('Column').selectOption('id');
    await editor.page.getByLabel('Is like').fill('1000001');
    await editor.press('Enter');
    await editor.sees('1 row matches');
  }
  await (await mine.edit('notes', 1000001)).fill('typed too late');
  await (await theirs.cell('name', 1000001)).click();
  await theirs.button('Delete row').click();
  await theirs.button('Delete row', theirs.dialog()).click();
  await theirs.sees('Deleted the row');
  await mine.press('Enter');
  await mine.page.getByRole('alert').filter({ hasText: 'somebody deleted it' }).waitFor();
  assert.equal(await mine.field('notes', 1000001).inputValue(), 'typed too late');
});

test('what somebody else stores right after one’s own change is not overwritten by the next', async (t) => {
  await demo.execute(`
    CREATE TABLE busy (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO busy VALUES (1, 'old'), (2, 'old')`);
  const editor = await Editor.at(t, 'busy');
  const nothing = async () => {};
  let [saving, looking, shown] = [nothing, nothing, nothing];
  await editor.page.routeWebSocket('**/ws', (near) => {
    const far = near.connectToServer();
    near.onMessage(async (text) => {
      const { command } = JSON.parse(text);
      if (command === 'saveCell') await saving();
      if (command === 'requestData') await looking(); // at what it has saved
      far.send(text);
    });
    far.onMessage((text) => {
      near.send(text);
      if (JSON.parse(text).event === 'tableData') shown();
    });
  });
  await editor.page.reload();
  await editor.page.getByRole('gridcell').first().waitFor();

  for (const [key, isTypedBefore] of [
    ['1', true],
    ['2', false],
  ]) {
    let release;
    const sent = new Promise((resolve) => {
      saving = () => {
        resolve();
        return new Promise((go) => (release = go));
      };
    });
    const looked = new Promise((resolve) => (shown = resolve));
    looking = () => demo.execute(`UPDATE busy SET word = 'theirs' WHERE id = ${key}`);
    await (await editor.edit('word', key)).fill('mine');
    await editor.press('Enter');
    await soon('change', sent, timeout);
    const field = await editor.edit('word', key); // goes on before it is saved
    if (isTypedBefore) await field.fill('mine again');
    release();
    await soon('row', looked, timeout);
    [saving, looking, shown] = [nothing, nothing, nothing];
    if (!isTypedBefore) await field.fill('mine again');
    await editor.press('Enter');
    await editor.page.getByRole('definition').filter({ hasText: 'theirs' }).waitFor();
    await editor.button('Discard mine').click();
    await editor.stores('word', key, 'theirs');
  }
});

/** Holds back what the page saves once it is loaded again, until release(). `saves` is what was sent. */
async function holdSaves(page) {
  let tell, go;
  const saves = [];
  const sent = new Promise((resolve) => (tell = resolve));
  const released = new Promise((resolve) => (go = resolve));
  await page.routeWebSocket('**/ws', (near) => {
    const far = near.connectToServer();
    near.onMessage(async (text) => {
      const { command, payload } = JSON.parse(text);
      if (command === 'saveCell') {
        saves.push(payload);
        tell();
        await released;
      }
      far.send(text);
    });
  });
  return { saves, sent: () => soon('change', sent, timeout), release: go };
}

test('a conflict is shown in an editor that was opened before it was known', async (t) => {
  await demo.execute(`
    CREATE TABLE reopened (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO reopened VALUES (1, 'old'), (2, 'old')`);
  const line = await CuttableLine.to(demo);
  t.after(() => line.stop());
  const editor = await Editor.at(t, 'reopened', { url: line.url });
  const isShown = async (key) => {
    await editor.page.getByRole('definition').filter({ hasText: 'theirs' }).waitFor();
    assert.equal(await editor.field('word', key).inputValue(), 'mine');
    await editor.button('Discard mine').click();
    await editor.shows('word', key, 'theirs');
  };

  // Without a line; saved when it is back.
  await (await editor.edit('word', '2')).fill('mine');
  line.cut();
  await editor.sees('The connection is lost.');
  await editor.press('Enter');
  await editor.sees('No connection: the change is kept');
  await editor.press('F2');
  await editor.sees('This is saved as soon as it is back.');
  await demo.execute("UPDATE reopened SET word = 'theirs' WHERE id = 2");
  line.mend();
  await isShown('2');

  const held = await holdSaves(editor.page);
  await editor.page.reload();
  await editor.page.getByRole('gridcell').first().waitFor();
  await (await editor.edit('word', '1')).fill('mine');
  await editor.press('Enter');
  await held.sent();
  await editor.edit('word', '1');
  await editor.sees('Being saved.');
  await demo.execute("UPDATE reopened SET word = 'theirs' WHERE id = 1");
  held.release();
  await isShown('1');
});

test('quick changes of one cell do not conflict with each other', async (t) => {
  await demo.execute(`
    CREATE TABLE quick (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO quick VALUES (1, 'old')`);
  const editor = await Editor.at(t, 'quick');
  const held = await holdSaves(editor.page);
  await editor.page.reload();
  await editor.page.getByRole('gridcell').first().waitFor();
  for (const word of ['first', 'second', 'third']) {
    await (await editor.edit('word', '1')).fill(word);
    await editor.press('Enter');
  }
  await held.sent();
  held.release();
  await soon('change', until(() => held.saves.length === 3), timeout);
  assert.deepEqual(
    held.saves.map(({ oldValue, newValue }) => [oldValue, newValue]),
    [
      ['old', 'first'],
      ['first', 'second'],
      ['second', 'third'],
    ],
  );
  await editor.text(', unsaved changes').waitFor({ state: 'detached' });
  await editor.stores('word', '1', 'third');
});

test('a table that is no longer as it was is said so, and selected again by a click', async (t) => {
  await demo.execute(`
    CREATE TABLE renamed (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO renamed VALUES (1, 'old')`);
  const editor = await Editor.at(t, 'renamed');
  const isSaid = (within) =>
    within.getByRole('alert').filter({ hasText: 'select the table again' }).waitFor();
  const selectAgain = () =>
    editor.page
      .getByRole('navigation', { name: 'Tables' })
      .getByRole('button', { name: 'main.renamed' })
      .click();

  await editor.header('id').click(); // sorted by a column that is about to go
  await editor.shows('word', '1', 'old');
  await (await editor.edit('word', '1')).fill('typed');
  await demo.execute('ALTER TABLE renamed RENAME COLUMN id TO number');
  await editor.press('Enter');
  await isSaid(editor.page);
  await editor.press('Escape');
  await editor.press('Delete');
  await editor.button('Delete row', editor.dialog()).click();
  await isSaid(editor.dialog());
  await editor.button('Cancel', editor.dialog()).click();
  await selectAgain();
  await editor.header('number').waitFor();
  await editor.shows('word', '1', 'old');
  await editor.sees('1 change is not saved');
  await editor.button('Discard').click();

  await (await editor.edit('word', '1')).fill('typed');
  await demo.execute('ALTER TABLE renamed RENAME COLUMN word TO term');
  await editor.press('Enter');
  await isSaid(editor.page);
  await editor.press('Escape');
  await selectAgain();
  await editor.shows('term', '1', 'old');
  await editor.sees('1 change is not saved');
  await editor.button('Discard').click();
});

test('a row is found again, whatever its key looks like', async (t) => {
  await demo.execute(`
    CREATE TABLE odd_keys (name TEXT PRIMARY KEY, value TEXT);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 449)
      INSERT INTO odd_keys SELECT printf('k%03d', i), 'one of many' FROM n;
    INSERT INTO odd_keys VALUES ('k???', 'the one'), ('K000', 'another one');
    CREATE TABLE readings (at REAL PRIMARY KEY, value TEXT);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
      INSERT INTO readings SELECT i + 0.5, 'one of many' FROM n;
    INSERT INTO readings VALUES (1e-7, 'the one'), (1e+21, 'the one'), (1e6, 'the one')`);
  for (const [table, column, key, literal] of [
    ['odd_keys', 'name', 'k???', "'k???'"],
    ['readings', 'at', '1e-7', '1e-7'],
    ['readings', 'at', '1e+21', '1e21'],
    ['readings', 'at', '1000000', '1e6'],
  ]) {
    const editor = await Editor.at(t, table);
    await editor.button('Filter').click();
    await editor.page.getByLabel('Column').selectOption('value');
    await editor.page.getByLabel('Is like').fill('the one');
    await editor.press('Enter');
    await editor.sees(/rows? match(es)?$/);
    await (await editor.edit('value', key)).fill('mine');
    await demo.execute(`UPDATE ${table} SET value = 'theirs' WHERE ${column} = ${literal}`);
    await editor.press('Enter');
    await editor.page.getByRole('definition').filter({ hasText: 'theirs' }).waitFor();
    await editor.button('Overwrite').click();
    await editor.sees('Saved value.');
    await editor.shows('value', key, 'mine');
    await editor.page.context().close();
  }
});

test('the text of a cell is copied, and pasted into another', async (t) => {
  const editor = await Editor.at(t, 'visits', {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const { page } = editor;
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const [first, second] = await editor.column('id');
  await editor.change('reason', first, 'to be copied\nas it is');
  await editor.press('Control+c'); // of the cell that has just been saved
  await editor.sees('Copied reason.');
  assert.equal(await clipboard(), 'to be copied\nas it is');
  await (await editor.edit('reason', second)).fill('');
  await editor.press('Control+v');
  await editor.press('Enter');
  await editor.shows('reason', second, 'to be copied ↵ as it is');

  await (await editor.cell('at', first)).click();
  await editor.press('Control+c');
  await editor.sees('Copied at.');
  assert.match(await clipboard(), /^\d{4}-\d\d-\d\d /);
  // A selection of one's own is not replaced by the cell.
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector('h1')));
  await editor.press('Control+c');
  await page.waitForFunction(async () => (await navigator.clipboard.readText()) === 'main.visits');
});

test('everything can be done from the keyboard', async (t) => {
  const editor = await Editor.at(t, 'visits');
  const { page } = editor;
  const focused = () => page.evaluate(() => document.activeElement.innerText.trim());
  const [first, second] = await editor.column('id');
  // From the table's tools, Tab goes into the grid, to one cell.
  await editor.button('Insert row').focus();
  await editor.press('Tab');
  assert.equal(await focused(), first);
  await editor.press('ArrowDown');
  assert.equal(await focused(), second);
  await editor.press('PageDown');
  await editor.sees('101–200 of 100,000 rows');
  await editor.press('PageUp');
  await editor.sees('1–100 of 100,000 rows');
  await editor.press('Control+Home');
  await editor.press('ArrowUp');
  await editor.press('End');
  await editor.press('Enter');
  await page
    .locator('[role=columnheader][aria-sort=ascending]')
    .filter({ hasText: 'cost' })
    .waitFor();
  await editor.press('ArrowDown');
  await editor.press('ArrowLeft');
  const [key] = await editor.column('id');
  const [old] = await editor.column('reason');
  await editor.press('F2');
  await editor.field('reason', key).waitFor();
  await editor.press('Control+a');
  await editor.type('by keyboard');
  await editor.press('Enter');
  await editor.sees('Saved reason.');
  assert.equal(await focused(), 'by keyboard');
  await editor.type(old); // typing replaces
  await editor.press('Enter');
  await editor.shows('reason', key, old);
  await editor.press('Delete');
  await editor.dialog().waitFor();
  await editor.press('Escape');
  await editor.dialog().waitFor({ state: 'detached' });
  assert.equal(await focused(), old);
  await editor.press('Insert');
  await editor.dialog().waitFor();
  await editor.press('Escape');
});

test('a dropped line comes back to the same place, and nothing typed is lost', async (t) => {
  const line = await CuttableLine.to(demo);
  t.after(() => line.stop());
  const editor = await Editor.at(t, 'visits', { url: line.url });
  const { page } = editor;
  await editor.header('id').click();
  await editor.header('id').click();
  await page.locator('[role=columnheader][aria-sort=descending]').waitFor();
  await editor.showFew();
  await editor.button('Next page').click();
  await editor.sees('26–50 of 100,000 rows');
  const [first, second] = await editor.column('id');

  await (await editor.edit('reason', first)).fill('typed before, saved after');
  line.cut();
  await editor.sees('The connection is lost.');
  const cell = await (await editor.cell('reason', first)).boundingBox();
  const field = await editor.field('reason', first).boundingBox();
  assert.ok(Math.abs(field.y - cell.y) < 10, 'the editor has moved with its cell');
  await editor.isAccessible('dropped line');
  await editor.press('Enter'); // without a line: it waits
  await editor.sees('No connection: the change is kept');
  await (await editor.edit('reason', second)).fill('still being typed');
  line.mend();
  await editor.sees('Saved reason.');
  await editor.text('The connection is lost.').waitFor({ state: 'hidden' });
  assert.equal(await editor.field('reason', second).inputValue(), 'still being typed');
  await editor.sees('26–50 of 100,000 rows');
  assert.equal(await page.locator('[role=columnheader][aria-sort=descending]').count(), 1);
  await editor.press('Enter');
  await editor.shows('reason', second, 'still being typed');
  await editor.shows('reason', first, 'typed before, saved after');

  // The same for a new row.
  await editor.button('Insert row').click();
  await editor
    .dialog()
    .getByLabel(/^reason /)
    .fill('a whole new visit');
  line.cut();
  await editor.button('Insert row', editor.dialog()).click();
  await editor.dialog().getByRole('alert').filter({ hasText: 'What you typed is kept' }).waitFor();
  assert.equal(
    await editor
      .dialog()
      .getByLabel(/^reason /)
      .inputValue(),
    'a whole new visit',
  );
  line.mend();
  await editor.button('Cancel', editor.dialog()).click();
  await editor.text('The connection is lost.').waitFor({ state: 'hidden' });
});

test('a change of a row is not stored when the table got another key, or none', async (t) => {
  const line = await CuttableLine.to(demo);
  t.after(() => line.stop());
  await demo.execute(`
    CREATE TABLE rekeyed (id INTEGER PRIMARY KEY, code INTEGER, word TEXT);
    INSERT INTO rekeyed VALUES (1, 2, 'old')`);
  const editor = await Editor.at(t, 'rekeyed', { url: line.url });
  const reconnect = async (sql) => {
    line.cut();
    await editor.sees('The connection is lost.');
    await editor.edit('word', '1');
    await editor.field('word', '1').fill('typed');
    await editor.press('Enter');
    await demo.execute(sql);
    line.mend();
    await editor.sees('id is no longer the primary key of this table.');
    await editor.text('The connection is lost.').waitFor({ state: 'hidden' });
  };
  await reconnect(`
    DROP TABLE rekeyed;
    CREATE TABLE rekeyed (id INTEGER, code INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO rekeyed VALUES (2, 1, 'old')`);
  assert.deepEqual(await editor.column('word'), ['old'], 'it is of another row');
  await editor.button('Show').click();
  assert.equal(await editor.field('word', '1').inputValue(), 'typed');
  await editor.press('Enter');
  await editor.page.getByRole('alert').filter({ hasText: 'no longer the primary key' }).waitFor();
  await editor.button('Discard').click();
  await editor.stores('word', '2', 'old');

  await demo.execute(`
    DROP TABLE rekeyed;
    CREATE TABLE rekeyed (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO rekeyed VALUES (1, 'old')`);
  await editor.page.reload();
  await editor.sees('1–1 of 1 row');
  await reconnect(`
    DROP TABLE rekeyed;
    CREATE TABLE rekeyed (id INTEGER, word TEXT);
    INSERT INTO rekeyed VALUES (1, 'old')`);
  await editor.button('Show').click();
  await editor.button('Discard').click();
  await editor.stores('word', '1', 'old');
});

test('a row is not deleted when the table got another key before it was confirmed', async (t) => {
  const line = await CuttableLine.to(demo);
  t.after(() => line.stop());
  await demo.execute(`
    CREATE TABLE confirmed (id INTEGER PRIMARY KEY, code INTEGER, word TEXT);
    INSERT INTO confirmed VALUES (1, 2, 'meant')`);
  const editor = await Editor.at(t, 'confirmed', { url: line.url });
  await (await editor.cell('word', '1')).click();
  await editor.press('Delete');
  await editor.dialog().waitFor();
  line.cut();
  await editor.sees('The connection is lost.');
  await demo.execute(`
    DROP TABLE confirmed;
    CREATE TABLE confirmed (id INTEGER, code INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO confirmed VALUES (3, 2, 'another'), (1, 4, 'meant')`);
  line.mend();
  await editor.sees('another');
  await editor.button('Delete row', editor.dialog()).click();
  await editor
    .dialog()
    .getByRole('alert')
    .filter({ hasText: 'id is no longer the primary key' })
    .waitFor();
  await editor.button('Cancel', editor.dialog()).click();
  await editor.stores('word', '2', 'another');
});

test('a change whose answer was lost is sent again without harm', async (t) => {
  const line = await CuttableLine.to(demo);
  t.after(() => line.stop());
  const editor = await Editor.at(t, 'accounts', { url: line.url });
  await (await editor.edit('owner', 2)).fill('stored once');
  const swallowed = line.swallowAnswers();
  await editor.press('Enter');
  await swallowed; // the server has stored it, but the page cannot know
  line.cut();
  await editor.sees('The connection is lost.');
  line.mend();
  await editor.sees('Saved owner.');
  await editor.stores('owner', 2, 'stored once');
});

test('the page waits for an answer for longer than the server waits for the database', async (t) => {
  const first = await Program.start();
  t.after(() => first.stop());
  await first.stop();
  const patient = await Program.serve(first, { database: { commandTimeoutMs: 60_000 } });
  t.after(() => patient.stop());
  await patient.execute('CREATE TABLE slow (id INTEGER PRIMARY KEY); INSERT INTO slow VALUES (1)');
  const line = await CuttableLine.to(patient);
  t.after(() => line.stop());
  const editor = await Editor.at(t, 'slow', { program: patient, url: line.url });
  await editor.page.clock.install();
  await editor.page.reload();
  await editor.page.getByRole('gridcell').first().waitFor();
  line.swallowAnswers();
  await editor.button('Refresh').click();
  const lost = editor.text('The connection is lost.');
  await editor.page.clock.fastForward('01:10');
  assert.equal(await lost.count(), 0);
  await editor.page.clock.fastForward('00:10');
  await lost.waitFor();
});

test('after a restart of the server one logs in again and finds what was typed', async (t) => {
  const first = await Program.start();
  t.after(() => first.stop());
  const line = await CuttableLine.to(first);
  t.after(() => line.stop());
  const editor = await Editor.at(t, 'patients', { url: line.url, program: first });
  await editor.showFew();
  await (await editor.edit('notes', 3)).fill('typed before the restart');
  await first.stop();
  editor.program = await Program.start('--port', first.port); // as a service would
  t.after(() => editor.program.stop());
  line.target = editor.program;
  await editor.sees('What you typed is kept: sign in again');
  await editor.picture('session ended');
  await editor.logIn();
  await editor.heading('main.patients');
  await editor.sees('1 change is not saved');
  await editor.isAccessible('unsaved changes');
  await editor.button('Save').click();
  await editor.sees('Saved notes.');
  await editor.stores('notes', 3, 'typed before the restart');
});

test('in close mode it is told as well that the session is gone', async (t) => {
  const first = await Program.start();
  t.after(() => first.stop());
  await first.stop();
  const serve = () => Program.serve(first, { session: { closeMode: true } });
  const before = await serve();
  t.after(() => before.stop());
  const editor = await Editor.open(t, { program: before });
  await editor.logIn();
  await editor.heading('Choose a table.');
  await before.stop();
  editor.program = await serve();
  t.after(() => editor.program.stop());
  await editor.sees('The server does not know this session. Sign in again.');
  await editor.logIn();
  await editor.heading('Choose a table.');
});

test('a page that nobody uses does not come back by itself, so that its session ends', async (t) => {
  const brief = await Program.start('--session-timeout', '4');
  t.after(() => brief.stop());
  const line = await CuttableLine.to(brief);
  t.after(() => line.stop());
  const editor = await Editor.at(t, 'settings', { program: brief, url: line.url });
  // Its own clock goes wrong, as when the computer sleeps: nothing but its reconnections is seen.
  await editor.page.evaluate(() => {
    const { now } = Date;
    Date.now = () => now() + 60_000;
  });
  line.cut();
  await editor.sees('Trying again when you are back');
  line.mend();
  const sessions = async () => (await (await fetch(new URL('/health', brief.url))).json()).sessions;
  await soon('end of the session', until(async () => (await sessions()) === 0), timeout);
  await editor.sees('Trying again when you are back');
  await editor.press('Shift');
  await editor.sees('Your session has ended.');
});

test('a session that ends in time is announced, prolonged, and leaves what was typed', async (t) => {
  const brief = await Program.start('--session-timeout', '8');
  t.after(() => brief.stop());
  const editor = await Editor.at(t, 'patients', { program: brief });
  await editor.sees('The session ends soon');
  await editor.picture('session ends soon');
  await editor.button('Stay signed in').click();
  await editor.text('The session ends soon').waitFor({ state: 'hidden' });
  await editor.shows('id', 3, '3');

  await (await editor.edit('notes', 4)).fill('typed too slowly');
  await editor.sees('Your session has ended. What you typed is kept');
  assert.equal(await editor.page.getByLabel('User name').inputValue(), 'demo');
  await editor.logIn();
  await editor.sees('1 change is not saved');
  await editor.button('Show').click();
  assert.equal(await editor.field('notes', 4).inputValue(), 'typed too slowly');
  await editor.press('Enter');
  await editor.sees('Saved notes.');

  await editor.button('Insert row').click();
  await editor
    .dialog()
    .getByLabel(/^name /)
    .fill('Half a row');
  await editor.sees('Your session has ended. What you typed is kept');
  await editor.logIn();
  await editor.dialog().waitFor();
  assert.equal(
    await editor
      .dialog()
      .getByLabel(/^name /)
      .inputValue(),
    'Half a row',
  );
});

test('whatever dialog is open when the session ends gives way to the log-in', async (t) => {
  const editor = await Editor.at(t, 'attachments');
  const index = (await editor.column('content')).findIndex((content) => content !== 'NULL');
  const [key] = (await editor.column('id')).slice(index);
  const endSession = () =>
    editor.page.evaluate(async () => {
      const { csrfToken } = await (await fetch('/api/csrf-token')).json();
      const headers = { 'X-CSRF-Token': csrfToken };
      await fetch('/api/disconnect', { method: 'POST', headers });
    });
  for (const open of [
    async () => (await editor.cell('content', key)).dblclick(),
    async () => {
      await (await editor.cell('content', key)).click();
      await editor.button('Delete row').click();
    },
    async () => {
      await editor.button('Insert row').click();
      await editor.dialog().getByLabel(/^id /).fill('7000');
    },
    async () => {
      await editor.press('Escape'); // the form comes back with what was typed
      await editor.button('Disconnect').click();
    },
  ]) {
    await open();
    await editor.dialog().waitFor();
    await endSession();
    await editor.sees('Your session has ended.');
    assert.equal(await editor.dialog().count(), 0);
    await editor.logIn();
    await editor.page.getByRole('gridcell').first().waitFor();
  }
});

for (const colorScheme of ['light', 'dark']) {
  test(`the page is accessible: ${colorScheme}`, async (t) => {
    const editor = await Editor.open(t, { colorScheme });
    await editor.page.getByLabel('Password').waitFor();
    await editor.isAccessible(`${colorScheme} connect`);
    await editor.logIn('not the password');
    await editor.sees('password is not right');
    await editor.isAccessible(`${colorScheme} wrong password`);
    await editor.logIn();
    await editor.heading('Choose a table.');
    await editor.isAccessible(`${colorScheme} start`);
    await editor.openTable('main.patients');
    await editor.showFew();
    await editor.isAccessible(`${colorScheme} table`);
    await editor.button('Filter').click();
    await editor.isAccessible(`${colorScheme} filter`);
    await editor.edit('notes', 5);
    await editor.isAccessible(`${colorScheme} editing`);
    await editor.press('Escape');
    await (await editor.edit('weight_kg', 5)).fill('heavy');
    await editor.press('Enter');
    await editor.sees('Not a decimal number.');
    await editor.isAccessible(`${colorScheme} refused`);
    await editor.press('Escape');
    await editor.sees('1 change is not saved');
    await editor.isAccessible(`${colorScheme} unsaved`);
    await editor.button('Discard').click();
    await editor.press('Delete');
    await editor.dialog().waitFor();
    await editor.isAccessible(`${colorScheme} deletion`);
    await editor.press('Escape');
    await editor.button('Insert row').click();
    await editor.dialog().waitFor();
    await editor.isAccessible(`${colorScheme} new row`);
    await editor.press('Escape');
    await editor.openTable('main.measurements');
    await editor.isAccessible(`${colorScheme} read-only`);
  });

  test(`it is usable at 360 pixels: ${colorScheme}`, async (t) => {
    const editor = await Editor.open(t, {
      colorScheme,
      viewport: { width: 360, height: 680 },
      hasTouch: true,
    });
    const { page } = editor;
    await page.getByLabel('Password').waitFor();
    await editor.hasNoSidewaysScroll();
    await editor.isAccessible(`${colorScheme} narrow connect`);
    await editor.logIn();
    await editor.button('Show the tables').tap();
    await editor.isAccessible(`${colorScheme} narrow drawer`);
    await page.getByRole('button', { name: 'main.patients' }).tap();
    await page.getByRole('gridcell').first().waitFor();
    await editor.showFew();
    await editor.hasNoSidewaysScroll();
    await editor.isAccessible(`${colorScheme} narrow table`);
    const cell = await editor.cell('born', 6);
    await cell.tap();
    await cell.tap();
    await editor.field('born', 6).fill(colorScheme === 'light' ? '2001-02-03' : '2001-02-04');
    await editor.picture(`${colorScheme} narrow editing`);
    await editor.button('Save').tap();
    await editor.sees('Saved born.');
    await editor.button('Insert row').tap();
    await editor.dialog().waitFor();
    await editor.isAccessible(`${colorScheme} narrow new row`);
    await editor.hasNoSidewaysScroll();
    await editor.press('Escape');
    await editor.button('Tables').tap();
    await editor.press('Escape');
    assert.ok(
      await editor.button('Tables').evaluate((button) => button === document.activeElement),
    );
  });
}

test('the theme can be chosen, and stays so', async (t) => {
  const editor = await Editor.open(t, { colorScheme: 'light' });
  const background = () =>
    editor.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await editor.button('Theme: as the system').click();
  await editor.button('Theme: light').click();
  await editor.button('Theme: dark').waitFor();
  const dark = await background();
  assert.notEqual(dark, light);
  await editor.page.reload();
  await editor.button('Theme: dark').waitFor();
  assert.equal(await background(), dark);
});
