// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The table editor's wire protocol, as an independent client speaks it: `fetch` for HTTP, `ws` for
// the WebSocket, on the demo database. Run with `node --test`; TABLE_EDITOR is the path of the
// program. Builds nothing.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { PostgresqlServer } from './postgresql_server.mjs';
import { soon as inTime } from './soon.mjs';
import { Program } from './table_editor.mjs';

const timeout = 15_000; // milliseconds, for anything that is expected to happen

const soon = (what, promise) => inTime(what, promise, timeout);

/** One browser's worth of cookies. */
class Browser {
  constructor(of) {
    this.program = of;
    this.cookies = new Map();
  }

  async fetch(method, path, { body, headers = {} } = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, this.program.url), {
      method,
      headers: { ...(cookie && { cookie }), ...headers },
      body: body && (typeof body === 'string' ? body : JSON.stringify(body)),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      assert.match(line, /; HttpOnly; SameSite=Strict; Path=\//);
      if (value) this.cookies.set(name, value);
      else this.cookies.delete(name);
    }
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
  }

  async post(path, body = {}) {
    const { csrfToken } = (await this.fetch('GET', '/api/csrf-token')).json();
    return this.fetch('POST', path, { body, headers: { 'X-CSRF-Token': csrfToken } });
  }

  credentials(changes = {}) {
    const { namespace, username, password } = this.program;
    const { host, port } = this.program.database ?? this.program; // where the database is
    return { host, port, namespace, username, password, ...changes };
  }

  async logIn() {
    const answer = await this.post('/api/connect', this.credentials());
    assert.deepEqual([answer.status, answer.json()], [200, { status: 'connected' }]);
    return this;
  }

  /** A WebSocket with this browser's cookies, or what its upgrade was refused with. */
  async connect(headers = {}) {
    const socket = new WebSocket(`ws://${this.program.host}:${this.program.port}/ws`, {
      headers: { cookie: `iris_session=${this.cookies.get('iris_session') ?? ''}`, ...headers },
    });
    const line = new Line(socket);
    await soon('answer to the upgrade', line.answered);
    return line;
  }
}

/** A WebSocket and the events that have come, in order. */
class Line {
  #events = [];
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    this.answered = new Promise((settle) => {
      socket.on('open', settle);
      socket.on('unexpected-response', (_, response) => {
        this.refusedWith = response.statusCode;
        response.destroy();
        settle();
      });
    });
    this.closed = new Promise((settle) => {
      socket.on('close', (code, reason) => settle({ code, reason: String(reason) }));
    });
    socket.on('error', () => {});
    socket.on('message', (data) => {
      this.#events.push(JSON.parse(data));
      this.#waiting.shift()?.();
    });
  }

  send(command, payload) {
    this.socket.send(JSON.stringify({ command, payload }));
  }

  async next() {
    if (this.#events.length === 0) {
      await soon('event', new Promise((settle) => this.#waiting.push(settle)));
    }
    return this.#events.shift();
  }

  /** The payload of the one event that answers a command. */
  async ask(command, payload, event) {
    this.send(command, payload);
    const answer = await this.next();
    assert.equal(answer.event, event, JSON.stringify(answer));
    return answer.payload;
  }

  async select(table, namespace = 'demo.db') {
    this.send('selectTable', { namespace, tableName: table });
    const events = [];
    for (let i = 0; i < 4; ++i) events.push(await this.next());
    assert.deepEqual(
      events.map(({ event }) => event),
      ['tableSelected', 'tableSchema', 'tableLoading', 'tableData'],
      JSON.stringify(events),
    );
    return { columns: events[1].payload.columns, data: events[3].payload };
  }
}

let demo;
before(async () => {
  demo = await Program.start();
});
after(async () => {
  assert.equal(await demo.stop(), 0);
});

/** A line of a user who has just logged in. */
async function logIn(of = demo) {
  return (await new Browser(of).logIn()).connect();
}

test('a session begins with the right password and ends when it is told to', async () => {
  const browser = new Browser(demo);
  assert.deepEqual((await browser.fetch('GET', '/api/session')).json(), { status: 'disconnected' });
  assert.equal((await browser.connect()).refusedWith, 401);

  const wrong = await browser.post('/api/connect', browser.credentials({ password: 'wrong' }));
  assert.equal(wrong.status, 401);
  assert.equal(wrong.json().code, 'WRONG_CREDENTIALS');
  assert.doesNotMatch(wrong.text, /127\.0\.0\.1|sqlite/i);
  const partial = await browser.post('/api/connect', { host: 'x' });
  assert.equal(partial.status, 400);

  const tried = await browser.post('/api/test-connection', browser.credentials());
  assert.equal(tried.json().status, 'success');
  assert.equal((await browser.fetch('GET', '/api/session')).json().status, 'disconnected');

  await browser.logIn();
  const session = (await browser.fetch('GET', '/api/session')).json();
  assert.deepEqual(session.server, { namespace: 'demo.db', username: 'demo' });
  assert.ok(session.timeoutRemaining > 1_790_000 && session.timeoutRemaining <= 1_800_000);
  assert.ok(Math.abs(Date.now() - Date.parse(session.createdAt)) < 60_000);

  const line = await browser.connect();
  assert.deepEqual((await browser.post('/api/disconnect')).json(), { status: 'disconnected' });
  assert.deepEqual(await line.next(), { event: 'sessionExpired', payload: {} });
  assert.deepEqual(await soon('close', line.closed), { code: 4002, reason: 'Session Expired' });
});

test('a POST without the token of this browser is refused', async () => {
  const browser = new Browser(demo);
  const other = new Browser(demo);
  const { csrfToken } = (await other.fetch('GET', '/api/csrf-token')).json();
  await browser.fetch('GET', '/api/csrf-token');
  for (const headers of [{}, { 'X-CSRF-Token': 'x' }, { 'X-CSRF-Token': csrfToken }]) {
    const answer = await browser.fetch('POST', '/api/connect', {
      body: browser.credentials(),
      headers,
    });
    assert.equal(answer.status, 403);
    assert.deepEqual(answer.json(), { error: 'Invalid or missing CSRF token' });
  }
});

test('a page of another origin cannot open the WebSocket', async () => {
  const browser = await new Browser(demo).logIn();
  assert.equal((await browser.connect({ origin: 'http://evil.example' })).refusedWith, 403);
  const own = new URL(demo.url).origin;
  assert.equal((await browser.connect({ origin: own })).refusedWith, undefined);
});

test('the page and its parts are served under a strict policy', async () => {
  const browser = new Browser(demo);
  for (const path of ['/', '/some/deep/link', '/../../etc/passwd']) {
    const page = await browser.fetch('GET', path);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type'), /^text\/html/);
    assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
    assert.doesNotMatch(page.headers.get('content-security-policy'), /unsafe/);
  }
  assert.equal((await browser.fetch('GET', '/api/nothing')).status, 404);
  const { status, sessions, uptime } = (await browser.fetch('GET', '/health')).json();
  assert.equal(status, 'ok');
  assert.ok(sessions >= 0 && uptime >= 0);
});

test('an unknown path is 404 in JSON under /api/, and the page elsewhere', async () => {
  const browser = new Browser(demo);
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const answer = await browser.fetch(method, '/api/nothing');
    assert.equal(answer.status, 404, method);
    assert.deepEqual(answer.json(), { error: 'nothing is served here', code: 'NOT_FOUND' });
  }
  const wrong = await browser.fetch('GET', '/api/connect');
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST']);
  assert.match((await browser.fetch('GET', '/nothing')).text, /<html/);
});

test('namespaces, tables and columns are listed', async () => {
  const line = await logIn();
  const { namespaces } = await line.ask('getNamespaces', {}, 'namespaceList');
  assert.deepEqual(namespaces, ['demo.db']);
  const list = await line.ask('getTables', { namespace: 'demo.db' }, 'tableList');
  assert.deepEqual(
    list.tables,
    ['accounts', 'attachments', 'measurements', 'patients', 'settings', 'visits'].map(
      (name) => `main.${name}`,
    ),
  );
  const { columns } = await line.select('main.patients');
  assert.deepEqual(
    columns.map(({ name }) => name),
    ['id', 'name', 'born', 'weight_kg', 'active', 'notes'],
  );
  assert.equal(columns[0].isPrimaryKey, true);
  assert.equal(columns[1].nullable, false);
  assert.deepEqual([columns[3].precision, columns[3].scale], [6, 2]);
});

test('a hundred thousand rows are paged, sorted and filtered', async () => {
  const line = await logIn();
  const { data } = await line.select('main.visits');
  assert.deepEqual([data.totalRows, data.page, data.pageSize, data.rows.length], [100_000, 0, 100, 100]);
  const last = await line.ask('requestData', { page: 999 }, 'tableData');
  assert.equal(last.rows.at(-1).id, 100_000);
  const sorted = await line.ask(
    'requestData',
    { pageSize: 10, sortColumn: 'id', sortDirection: 'desc' },
    'tableData',
  );
  assert.equal(sorted.rows[0].id, 100_000);
  const next = await line.ask(
    'paginate',
    { direction: 'next', currentPage: 0, pageSize: 10, sortColumn: 'id', sortDirection: 'desc' },
    'tableData',
  );
  assert.deepEqual([next.page, next.rows[0].id], [1, 99_990]);
  const filtered = await line.ask(
    'refreshData',
    { filters: [{ column: 'reason', value: 'CHECK*' }, { column: 'patient_id', value: '' }] },
    'tableData',
  );
  assert.equal(filtered.totalRows, 20_000);
  assert.ok(filtered.rows.every(({ reason }) => reason === 'check-up'));
});

test('no digit is lost, and NULL is not the empty text', async () => {
  const line = await logIn();
  const { data } = await line.select('main.accounts');
  assert.deepEqual(data.rows[0], {
    id: 1,
    owner: 'Clinic',
    balance: '1234567890123456.7891',
    ledger_number: '9223372036854775807',
  });
  assert.equal(data.rows[1].ledger_number, '9007199254740993');
  assert.equal(data.rows[3].ledger_number, null);
});

test('a cell is saved if it is still as it was seen', async () => {
  const [one, two] = [await logIn(), await logIn()];
  const row = (await one.select('main.settings')).data.rows.find(({ name }) => name === 'fax');
  await two.select('main.settings');
  const change = (oldValue, newValue) => ({
    rowIndex: 0,
    colIndex: 1,
    columnName: 'value',
    oldValue,
    newValue,
    primaryKeyColumn: 'name',
    primaryKeyValue: 'fax',
  });
  const saved = await one.ask('saveCell', change(row.value, 'none'), 'saveCellResult');
  assert.deepEqual(saved, { success: true, ...change(null, 'none') });
  const late = await two.ask('saveCell', change(null, 'mine'), 'saveCellResult');
  assert.equal(late.success, false);
  assert.equal(late.error.code, 'CONFLICT');
  const gone = await two.ask(
    'saveCell',
    { ...change(null, 'x'), primaryKeyValue: 'no such setting' },
    'saveCellResult',
  );
  assert.equal(gone.error.code, 'NOT_FOUND');
  const data = await two.ask('refreshData', {}, 'tableData');
  assert.equal(data.rows.find(({ name }) => name === 'fax').value, 'none');
});

test('rows are inserted and deleted, and the rules of the table hold', async () => {
  const line = await logIn();
  await line.select('main.patients');
  const row = { newRowIndex: 0, columns: ['id', 'name', 'notes'], values: [9001, "O'Neil; --", null] };
  assert.deepEqual(await line.ask('insertRow', row, 'insertRowResult'), {
    success: true,
    newRowIndex: 0,
  });
  const again = await line.ask('insertRow', row, 'insertRowResult');
  assert.equal(again.error.code, 'CONSTRAINT_VIOLATED');
  const found = await line.ask('refreshData', { filters: [{ column: 'id', value: '9001' }] }, 'tableData');
  assert.equal(found.rows[0].name, "O'Neil; --");
  const key = { rowIndex: 0, primaryKeyColumn: 'id', primaryKeyValue: 9001 };
  assert.equal((await line.ask('deleteRow', key, 'deleteRowResult')).success, true);
  assert.equal((await line.ask('deleteRow', key, 'deleteRowResult')).error.code, 'NOT_FOUND');
});

test('what is no command is an error, and the connection stays', async () => {
  const line = await logIn();
  for (const [text, code] of [
    ['not JSON', 'INVALID_JSON'],
    ['{"command":1}', 'INVALID_MESSAGE'],
    ['{"command":"dropTable"}', 'UNKNOWN_COMMAND'],
    ['{"command":"requestData"}', 'INVALID_INPUT'],
    ['{"command":"selectTable","payload":{"namespace":"../secret.db","tableName":"main.x"}}', 'NOT_FOUND'],
  ]) {
    line.socket.send(text);
    const { event, payload } = await line.next();
    assert.equal(event, 'error');
    assert.equal(payload.code, code, text);
    assert.equal(payload.recoverable, true);
  }
  const status = await line.ask('getServerList', {}, 'serverList');
  assert.deepEqual(status.servers, [`${demo.host}:${demo.port}`]);
});

test('a session that is not used expires on time', async (t) => {
  const short = await Program.start('--session-timeout', '1');
  t.after(() => short.stop());
  const line = await logIn(short);
  const before = Date.now();
  assert.deepEqual(await line.next(), { event: 'sessionExpired', payload: {} });
  assert.equal((await soon('close', line.closed)).code, 4002);
  assert.ok(Date.now() - before >= 900);
});

const skip = PostgresqlServer.isInstalled ? false : 'PostgreSQL is not installed';
test('tables of a PostgreSQL server are edited with its own users’ rights', { skip }, async (t) => {
  const database = await PostgresqlServer.start();
  t.after(() => database.remove());
  await database.execute('CREATE DATABASE clinic');
  const execute = (sql) => database.execute(sql, 'clinic');
  await execute(`
    CREATE ROLE ada LOGIN PASSWORD 'pass word';
    CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL, weight numeric(6,2));
    INSERT INTO people SELECT i, 'Person ' || i, i + 0.50 FROM generate_series(1, 250) i;
    CREATE TABLE prices (id integer PRIMARY KEY, price money);
    INSERT INTO prices VALUES (1, 2);
    GRANT SELECT, INSERT, UPDATE, DELETE ON people TO ada;
    GRANT SELECT ON prices TO ada`);
  const { host, port } = database;
  const editor = await Program.serveOthers({
    type: 'postgresql',
    servers: [`${host}:${port}`],
    sslMode: 'disable',
  });
  t.after(() => editor.stop());
  Object.assign(editor, { database, namespace: 'clinic', username: 'ada', password: 'pass word' });

  const browser = new Browser(editor);
  assert.deepEqual((await browser.fetch('GET', '/api/backend')).json(), {
    type: 'postgresql',
    servers: [`${host}:${port}`],
    connectTimeoutMs: 10_000,
    commandTimeoutMs: 30_000,
  });
  for (const [wrong, status, code] of [
    [{ password: 'wrong' }, 401, 'WRONG_CREDENTIALS'],
    [{ namespace: 'nowhere' }, 400, 'INVALID_INPUT'],
    [{ port: port + 1 }, 400, 'INVALID_INPUT'],
  ]) {
    const answer = await browser.post('/api/connect', browser.credentials(wrong));
    assert.deepEqual([answer.status, answer.json().code], [status, code], answer.text);
    assert.doesNotMatch(answer.text, /127\.0\.0\.1|FATAL/);
  }

  const line = await logIn(editor);
  const { namespaces } = await line.ask('getNamespaces', {}, 'namespaceList');
  assert.ok(namespaces.includes('clinic'));
  const { tables } = await line.ask('getTables', { namespace: 'clinic' }, 'tableList');
  assert.deepEqual(tables, ['public.people', 'public.prices']);
  const { columns, data } = await line.select('public.people', 'clinic');
  assert.deepEqual(
    columns.map(({ name, dataType }) => [name, dataType]),
    [['id', 'bigint'], ['name', 'text'], ['weight', 'numeric(6,2)']],
  );
  assert.deepEqual([data.totalRows, data.rows.length], [250, 100]);
  assert.deepEqual(data.rows[0], { id: 1, name: 'Person 1', weight: '1.50' });
  const last = await line.ask(
    'requestData',
    { page: 24, pageSize: 10, sortColumn: 'weight', sortDirection: 'desc' },
    'tableData',
  );
  assert.equal(last.rows.at(-1).id, 1);
  const filters = [{ column: 'name', value: 'PERSON 2??' }];
  assert.equal((await line.ask('refreshData', { filters }, 'tableData')).totalRows, 51);

  const change = (columnName, oldValue, newValue) => {
    const row = { rowIndex: 0, colIndex: 0, primaryKeyColumn: 'id', primaryKeyValue: 1 };
    return line.ask('saveCell', { ...row, columnName, oldValue, newValue }, 'saveCellResult');
  };
  assert.equal((await change('weight', '1.5', '2.25')).success, true);
  assert.equal((await change('weight', '1.5', '3')).error.code, 'CONFLICT');
  assert.equal((await change('name', 'Person 1', null)).error.code, 'CONSTRAINT_VIOLATED');
  assert.equal((await change('name', 'Person 1', "O'Neil; --")).success, true);
  const row = { newRowIndex: 0, columns: ['id', 'name'], values: ['9007199254740993', 'New'] };
  assert.equal((await line.ask('insertRow', row, 'insertRowResult')).success, true);
  const key = { rowIndex: 0, primaryKeyColumn: 'id', primaryKeyValue: 2 };
  assert.equal((await line.ask('deleteRow', key, 'deleteRowResult')).success, true);
  assert.equal(
    await execute("SELECT string_agg(p::text, ' ' ORDER BY id) FROM people p WHERE id < 3 OR id > 250"),
    `(1,"O'Neil; --",2.25) (9007199254740993,New,)`,
  );
  await line.select('public.prices', 'clinic');
  assert.equal((await change('price', '$2.00', '$1.00')).error.code, 'PERMISSION_DENIED');

  await database.stop();
  const { code } = await line.ask('getNamespaces', {}, 'error');
  assert.equal(code, 'UNREACHABLE');
  await database.resume();
  assert.equal((await line.select('public.people', 'clinic')).data.totalRows, 250);
});

test('a configuration with a server that no login could name is refused', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'table-editor-'));
  t.after(() => rm(directory, { recursive: true }));
  const config = join(directory, 'table-editor.json');
  await writeFile(config, JSON.stringify({ database: { type: 'postgresql', servers: ['db.test'] } }));
  const { status, stderr } = spawnSync(process.env.TABLE_EDITOR, ['serve', '--config', config], {
    encoding: 'utf8',
    timeout,
  });
  assert.equal(status, 2, stderr);
  assert.match(stderr, /database\.servers: expected "host:port".* found "db\.test"/);
});
