// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The form to begin with: a name where the server is a demo, else a token.

import { h, icon, labelled } from '/shared/js/dom.js';
import { themeButton } from '/shared/js/theme.js';
import * as api from './api.js';
import { wake, audioContext } from './sound.js';
import { holderOf } from './token.js';

/**
 * `message` says why the form is there again, `tryAgain()` perhaps does what failed once more, `userName`
 * is what to begin with; `signedIn({token, demoName})` is called.
 */
export class SignIn {
  element = h('main', { class: 'entry' });
  #problem = h('p', { class: 'problem', role: 'alert' });
  #signedIn;
  #message;
  #tryAgain;
  #userName;

  constructor({ message = '', userName = '', tryAgain = null, signedIn }) {
    this.#signedIn = signedIn;
    this.#message = message;
    this.#tryAgain = tryAgain;
    this.#userName = userName;
    this.element.append(h('div', { class: 'corner' }, themeButton()));
    this.#load();
  }

  /** What kind of form it is, the server must say first. */
  async #load() {
    try {
      this.#build((await api.demo()) !== null);
    } catch {
      this.#sayUnreachable();
    }
  }

  #card(lead, ...content) {
    this.card?.remove();
    this.card = h(
      'form',
      { class: 'card', 'aria-labelledby': 'title', novalidate: true },
      h('div', { class: 'brand' }, icon('microphone')),
      h('h1', { id: 'title' }, 'Voice'),
      h('p', { class: 'lead' }, lead),
      this.#message
        ? h(
            'p',
            { class: 'notice warning', role: 'alert' },
            icon('alert'),
            h('span', {}, this.#message),
            this.#tryAgain &&
              h(
                'button',
                { type: 'button', class: 'button small', click: this.#tryAgain },
                'Try again',
              ),
          )
        : null,
      ...content,
    );
    this.element.append(this.card);
  }

  #sayUnreachable() {
    this.#card(
      'The server cannot be reached. Is it running?',
      h(
        'button',
        { type: 'button', class: 'button primary', click: () => this.#load() },
        'Try again',
      ),
    );
  }

  #build(isDemo) {
    const name = h('input', {
      type: 'text',
      autocomplete: 'nickname',
      maxlength: 60,
      value: this.#userName,
    });
    const token = h('input', { type: 'password', autocomplete: 'off', spellcheck: 'false' });
    const tokenField = labelled('Token', token, 'Whoever runs this server gives it to you.');
    const submit = h('button', { type: 'submit', class: 'button primary' }, 'Connect');
    if (isDemo) {
      const more = h('details', {}, h('summary', {}, 'Use a token instead'), tokenField);
      this.#card(
        'Hold a button to talk, let go to listen.',
        labelled('Your name', name),
        this.#problem,
        submit,
        more,
      );
    } else {
      this.#card('Hold a button to talk, let go to listen.', tokenField, this.#problem, submit);
    }
    this.card.addEventListener('submit', async (event) => {
      event.preventDefault();
      audioContext();
      wake(); // while this counts as the user's gesture
      submit.disabled = true;
      await this.#submit(isDemo && token.value.trim() === '' ? { name } : { token });
      submit.disabled = false;
    });
    (isDemo ? name : token).focus();
  }

  async #submit({ name, token }) {
    this.#problem.replaceChildren();
    if (token) {
      const text = token.value.trim().replace(/^Bearer /, '');
      if (holderOf(text) !== null) this.#signedIn({ token: text });
      else
        this.#complain(
          token,
          text === ''
            ? 'A token is needed.'
            : 'This is no token: one has three parts with dots between them.',
        );
      return;
    }
    const userName = name.value.trim();
    if (userName === '') {
      this.#complain(name, 'A name is needed: the others see it when you speak.');
      return;
    }
    try {
      this.#signedIn({ token: await api.demoToken(userName), demoName: userName });
    } catch (error) {
      this.#complain(name, `The server gave no token: ${error.message}.`);
    }
  }

  #complain(field, text) {
    this.#problem.replaceChildren(icon('alert'), text);
    field.focus();
  }
}
