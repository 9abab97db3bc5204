// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Everything but the form to connect with: the bar at the top, the sidebar, and the chosen table. Brings
// all of it back after the line was down.

import { count, h, icon } from '/shared/js/dom.js';
import { themeButton } from '/shared/js/theme.js';
import * as api from './api.js';
import { announce } from './announce.js';
import { namesOf } from './backends.js';
import { closeDialogs, confirm } from './dialogs.js';
import { Drafts } from './drafts.js';
import { Sidebar } from './sidebar.js';
import { CommandError, LineDropped } from './socket.js';
import { Table } from './table.js';
import { TableView } from './table_view.js';

function minutes(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

export class Workspace {
  #context;
  #namespace;
  #tables = [];
  #view = null;
  #table = null;
  #sidebar;
  #main = h('main', { id: 'main', tabindex: -1 });
  #banner = h('div', { class: 'banner', role: 'status', hidden: true });
  #warning = h('div', { class: 'banner', role: 'alert', hidden: true });
  #time = h('span', { class: 'time' });
  #timeText = h('span', { class: 'time-text' });
  #ending = new AbortController(); // ends what it listens to
  #reopenInsert;

  /**
   * `context`: `{line, clock, drafts, views, session, start, remember, leave}`. `start` is what to open,
   * `{table, inserting}`; `remember({namespace, table})` is called as that changes; `leave()` when the
   * user logs out. `views` remembers by table which page of it was shown, and how.
   */
  constructor(context) {
    this.#context = context;
    this.#namespace = context.session.server.namespace;
    this.#reopenInsert = context.start.inserting;
    this.#sidebar = new Sidebar({
      isDrafted: (name) => context.drafts.has(Drafts.tableKey(this.#namespace, name)),
    });
    this.element = h(
      'div',
      { class: 'workspace' },
      h(
        'a',
        { class: 'skip', href: '#main', click: (event) => this.#skip(event) },
        'Skip to the rows',
      ),
      this.#topbar(),
      this.#banner,
      this.#warning,
      this.#sidebar.element,
      this.#sidebar.scrim,
      this.#main,
    );
    this.#showEmpty('Choose a table.');
    this.#listen();
    api.backend().then(
      ({ type }) => this.#sidebar.nameNamespace(namesOf(type).namespace),
      () => {}, // the general word stays
    );
  }

  /** Takes it off the page. Gives whether the form for a new row was open. */
  close() {
    const inserting = this.#view?.isInserting ?? false;
    closeDialogs(); // nothing may lie over the form to log in with
    this.#leaveTable();
    this.#ending.abort();
    this.element.remove();
    return { inserting };
  }

  #topbar() {
    const { username } = this.#context.session.server;
    this.#time.append(icon('clock'), this.#timeText);
    this.#time.title = 'Until the session ends, unless you do something';
    return h(
      'header',
      { class: 'topbar' },
      this.#sidebar.toggle,
      h(
        'span',
        { class: 'brand' },
        icon('database'),
        h('span', { class: 'brand-name' }, 'Table editor'),
      ),
      h('span', { class: 'spacer' }),
      this.#time,
      h('span', { class: 'user', title: 'User' }, username),
      themeButton(),
      h(
        'button',
        {
          type: 'button',
          class: 'button quiet',
          'aria-label': 'Disconnect',
          click: () => this.#disconnect(),
        },
        icon('leave'),
        h('span', { class: 'button-text' }, 'Disconnect'),
      ),
    );
  }

  #listen() {
    const { line, clock, drafts } = this.#context;
    const { signal } = this.#ending;
    line.addEventListener('open', () => this.#lineIsOpen(), { signal });
    line.addEventListener('waiting', ({ detail }) => this.#lineIsDown(detail.seconds), { signal });
    line.addEventListener('trying', () => this.#lineIsTried(), { signal });
    clock.addEventListener('tick', () => this.#showTime(), { signal });
    drafts.addEventListener('change', () => this.#sidebar.refresh(), { signal });
    this.#sidebar.addEventListener('table', ({ detail }) => this.#open(detail));
    this.#sidebar.addEventListener('namespace', ({ detail }) => this.#enter(detail));
    addEventListener('keydown', (event) => this.#shortcut(event), { signal });
  }

  #shortcut(event) {
    if (event.key === 'Escape') this.#sidebar.close();
  }

  async #lineIsOpen() {
    if (!this.#banner.hidden) announce('Connected again.');
    this.#banner.hidden = true;
    this.#table?.open(); // in the same place as before, and first: the user is looking at it
    await this.#load();
  }

  #lineIsDown(seconds) {
    const { line, drafts } = this.#context;
    const kept = drafts.size > 0 ? ' What you typed is kept.' : '';
    const moment = seconds < 2 ? 'in a moment' : `in ${Math.ceil(seconds)} seconds`;
    this.#showBanner(
      `The connection is lost.${kept} Trying again ${seconds === undefined ? 'when you are back' : moment}.`,
      h('button', { type: 'button', class: 'button small', click: () => line.retry() }, 'Try now'),
    );
  }

  #lineIsTried() {
    if (!this.#banner.hidden) this.#showBanner('The connection is lost. Connecting …');
  }

  #showBanner(text, ...buttons) {
    this.#banner.hidden = false;
    this.#banner.replaceChildren(icon('bolt'), h('span', {}, text), ...buttons);
  }

  async #load() {
    await this.#ask('getNamespaces', {}, ({ namespaceList }) => {
      this.#sidebar.showNamespaces(namespaceList.namespaces, this.#namespace);
    });
    await this.#loadTables();
  }

  async #loadTables() {
    const namespace = this.#namespace;
    await this.#ask('getTables', { namespace }, ({ tableList }) => {
      if (namespace !== this.#namespace) return; // chosen meanwhile: another
      this.#tables = tableList.tables;
      this.#sidebar.showTables(this.#tables);
      if (this.#table !== null) return;
      const { start } = this.#context;
      if (this.#tables.includes(start.table)) this.#open(start.table, false);
      start.table = undefined;
    });
  }

  /** A command of the sidebar. Without a line nothing is shown; #lineIsOpen() comes back to it. */
  async #ask(command, payload, show) {
    try {
      show(await this.#context.line.request(command, payload));
    } catch (error) {
      if (error instanceof CommandError) announce(error.message);
      else if (!(error instanceof LineDropped)) throw error;
    }
  }

  #open(name, focus = true) {
    if (name === this.#table?.name) {
      this.#view.focus();
      if (this.#context.line.isOpen) this.#table.open(); // it may no longer be as it was
      return;
    }
    const { line, drafts, views, remember } = this.#context;
    this.#leaveTable();
    const key = Drafts.tableKey(this.#namespace, name);
    const reopenInsert = this.#reopenInsert;
    this.#reopenInsert = false;
    this.#table = new Table({
      line,
      drafts,
      namespace: this.#namespace,
      name,
      view: views.get(key),
    });
    this.#view = new TableView({ table: this.#table, drafts, line, reopenInsert });
    this.#main.replaceChildren(this.#view.element);
    this.#sidebar.select(name);
    document.title = `${name} – Table editor`;
    if (focus) this.#view.focus();
    remember({ namespace: this.#namespace, table: name });
  }

  #leaveTable() {
    if (this.#table === null) return;
    this.#context.views.set(this.#table.key, this.#table.view);
    this.#view.close();
    this.#view = null;
    this.#table = null;
  }

  async #enter(namespace) {
    this.#leaveTable();
    this.#namespace = namespace;
    this.#tables = [];
    this.#sidebar.select(null);
    this.#sidebar.showTables([]);
    this.#showEmpty('Choose a table.');
    document.title = 'Table editor';
    this.#context.remember({ namespace });
    await this.#loadTables();
  }

  #showEmpty(text) {
    const open = h(
      'button',
      { type: 'button', class: 'button drawer-only', click: () => this.#sidebar.open() },
      'Show the tables',
    );
    this.#main.replaceChildren(
      h('div', { class: 'empty' }, icon('table'), h('h1', {}, text), open),
    );
  }

  #showTime() {
    const { clock } = this.#context;
    this.#timeText.replaceChildren(
      h('span', { class: 'for-readers' }, 'Session ends in '),
      minutes(clock.left),
    );
    this.#time.classList.toggle('short', clock.isShort);
    if (clock.isShort === !this.#warning.hidden) return;
    this.#warning.hidden = !clock.isShort;
    this.#warning.replaceChildren(
      icon('clock'),
      h('span', {}, 'The session ends soon, because nothing was done for a while.'),
      h(
        'button',
        { type: 'button', class: 'button small', click: () => this.#stay() },
        'Stay signed in',
      ),
    );
  }

  async #stay() {
    await api.session().catch(() => announce('The server cannot be reached just now.'));
  }

  #skip(event) {
    event.preventDefault(); // the fragment of the address has another meaning here
    this.#main.focus();
  }

  async #disconnect() {
    const { drafts, leave } = this.#context;
    const { size } = drafts;
    const sure =
      size === 0 ||
      (await confirm({
        title: 'Disconnect and lose what is not saved?',
        text: `${count(size, 'change', 'changes')} will be lost.`,
        label: 'Disconnect',
      }));
    if (sure) leave();
  }
}
