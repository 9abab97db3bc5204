// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The form to connect with, as the database behind the server needs it.

import { h, icon, labelled } from '/shared/js/dom.js';
import { themeButton } from '/shared/js/theme.js';
import * as api from './api.js';
import { namesOf } from './backends.js';
import { problem } from './dialogs.js';

/** What is said instead of the server's words, which are for the log. */
const explanations = {
  0: 'The table editor’s server cannot be reached. Is it running?',
  401: 'The user name or the password is not right.',
  502: 'The database cannot be reached. Check the server, or try again in a moment.',
  504: 'The database did not answer in time. Try again in a moment.',
};

const split = (server) => {
  const colon = server.lastIndexOf(':');
  return {
    host: server.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(server.slice(colon + 1)),
  };
};

const input = (properties) =>
  h('input', { required: true, autocapitalize: 'off', spellcheck: 'false', ...properties });

/** The fields that say where the database is: none, a choice, or free; `more` are rarely needed. */
function serverFields({ type, servers }) {
  if (type === 'sqlite')
    return { elements: [], more: [], read: () => split(servers[0] ?? 'localhost:0') };
  const extra = type === 'iris' ? irisFields() : { elements: [], read: () => ({}) };
  if (servers.length > 0) {
    const choice = h(
      'select',
      {},
      servers.map((server) => h('option', {}, server)),
    );
    return {
      elements: [labelled('Server', choice)],
      more: extra.elements,
      read: () => ({ ...split(choice.value), ...extra.read() }),
    };
  }
  const host = input({ type: 'text', autocomplete: 'off', value: 'localhost' });
  const port = input({ type: 'number', min: 1, max: 65535, value: type === 'iris' ? 52773 : 5432 });
  return {
    elements: [
      h('div', { class: 'host-and-port' }, labelled('Host', host), labelled('Port', port)),
    ],
    more: extra.elements,
    read: () => ({ host: host.value.trim(), port: Number(port.value), ...extra.read() }),
  };
}

function irisFields() {
  const prefix = h('input', { type: 'text', autocomplete: 'off', spellcheck: 'false' });
  const https = h('input', { type: 'checkbox' });
  const more = h(
    'details',
    {},
    h('summary', {}, 'More'),
    labelled('Path prefix', prefix, 'Only if the database’s web server is reached under one.'),
    h('label', { class: 'check' }, https, 'Connect by HTTPS'),
  );
  return {
    elements: [more],
    read: () => ({
      ...(prefix.value.trim() ? { pathPrefix: prefix.value.trim() } : {}),
      useHTTPS: https.checked,
    }),
  };
}

/**
 * `message` says why the form is there again; `start` is `{namespace, username}` to begin with;
 * `connected(credentials)` is called after a log-in, with all but the password.
 */
export class ConnectView {
  element = h('main', { class: 'entry', id: 'main' });
  #form;
  #failure = problem();
  #server;
  #namespace = input({ type: 'text', autocomplete: 'off' });
  #username = input({ type: 'text', autocomplete: 'username' });
  #password = input({ type: 'password', autocomplete: 'current-password' });
  #options;

  constructor(options) {
    this.#options = options;
    this.#namespace.value = options.start.namespace ?? '';
    this.#username.value = options.start.username ?? '';
    this.element.append(h('div', { class: 'corner' }, themeButton()));
    this.#load();
  }

  /** What kind of form it is, the server must say first. */
  async #load() {
    let backend;
    try {
      backend = await api.backend();
    } catch {
      this.#sayUnreachable();
      return;
    }
    this.#build(backend);
  }

  #sayUnreachable() {
    const again = h(
      'button',
      {
        type: 'button',
        class: 'button primary',
        click: () => {
          box.remove();
          this.#load();
        },
      },
      'Try again',
    );
    const box = h(
      'div',
      { class: 'card' },
      h('h1', {}, 'Table editor'),
      h('p', { role: 'alert' }, explanations[0]),
      h('div', { class: 'actions' }, again),
    );
    this.element.append(box);
  }

  #build(backend) {
    const { product, namespace } = namesOf(backend.type);
    this.#server = serverFields(backend);
    const test = h(
      'button',
      { type: 'button', class: 'button', click: () => this.#test() },
      'Test connection',
    );
    this.#form = h(
      'form',
      {
        class: 'card',
        'aria-labelledby': 'connect-title',
        submit: (event) => {
          event.preventDefault();
          this.#connect();
        },
      },
      h('div', { class: 'brand' }, icon('database')),
      h('h1', { id: 'connect-title' }, 'Table editor'),
      h('p', { class: 'lead' }, `Sign in to ${product}.`),
      this.#options.message
        ? h(
            'p',
            { class: 'notice', role: 'alert' },
            icon('clock'),
            h('span', {}, this.#options.message),
          )
        : null,
      this.#server.elements,
      labelled(namespace, this.#namespace),
      labelled('User name', this.#username),
      labelled('Password', this.#password),
      this.#server.more,
      this.#failure.element,
      h(
        'div',
        { class: 'actions' },
        test,
        h('button', { type: 'submit', class: 'button primary' }, 'Connect'),
      ),
    );
    this.element.append(this.#form);
    [this.#namespace, this.#username, this.#password].find(({ value }) => value === '')?.focus();
  }

  #read() {
    return {
      ...this.#server.read(),
      namespace: this.#namespace.value.trim(),
      username: this.#username.value.trim(),
      password: this.#password.value,
    };
  }

  async #test() {
    if (!this.#form.reportValidity()) return;
    await this.#during(async () => {
      const { version } = await api.testConnection(this.#read());
      this.#say('check', `The connection works. ${version ?? ''}`.trim());
    });
  }

  async #connect() {
    await this.#during(async () => {
      const { password, ...rest } = this.#read();
      await api.connect({ ...rest, password });
      await this.#options.connected(rest);
    });
  }

  async #during(work) {
    this.#failure.clear();
    this.#form.setAttribute('aria-busy', 'true');
    const buttons = [...this.#form.querySelectorAll('button')];
    for (const button of buttons) button.disabled = true;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      this.#failure.say(explanations[error.status] ?? error.message);
      if (error.status === 401) {
        this.#password.focus();
        this.#password.select();
      }
    } finally {
      this.#form.removeAttribute('aria-busy');
      for (const button of buttons) button.disabled = false;
    }
  }

  #say(picture, text) {
    this.#failure.element.replaceChildren(h('span', { class: 'good' }, icon(picture), text));
  }
}
