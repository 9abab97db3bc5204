// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The radio: the line to the server, the channels, and what is to be known about both.

import { h, icon, newId, setText } from '/shared/js/dom.js';
import { themeButton } from '/shared/js/theme.js';
import * as api from './api.js';
import { Channel } from './channel.js';
import { ChannelView } from './channel_view.js';
import { Line } from './line.js';
import { recall, remember } from './memory.js';
import { Microphone } from './microphone.js';
import { Notices } from './notices.js';
import { Meter, audioContext, isAsleep, onSleepChange, wake } from './sound.js';
import { since } from './time.js';

const levelInterval = 80; // milliseconds
const firstWorkersDelay = 2_000;
const longestWorkersDelay = 30_000;
const isTyping = (target) =>
  target.closest('input:not([type=range]), textarea, select, summary, button:not(.talk), a') !==
  null;

/**
 * `signOut(message, {isTokenKept})` is called when the user wants to, the token has expired, or the server
 * refuses it, perhaps not for good.
 */
export class Radio {
  #me;
  #signOut;
  #line;
  #microphone = new Microphone();
  #myMeter = null;
  #views = new Map(); // by channel
  #active = null; // the channel that the space bar is for
  #offered = { token: [], demo: [] }; // channels that may be joined
  #mayJoinAny = true;
  #workers = null; // of the media server; null: not known
  #connection = { state: 'trying', since: performance.now(), reason: '' };
  #isDown = false; // until the line is open again, however often it is tried
  #workersTimer = null; // while there are none
  #timers = [];
  #isClosed = false;
  #stops = new AbortController(); // of listeners outside of the element
  #notices = new Notices(() =>
    (this.#active?.talkButton.element ?? this.#parts.name).focus({ preventScroll: true }),
  );
  #parts = {};

  constructor({ token, me, signOut }) {
    this.#me = me;
    this.#signOut = signOut;
    this.#line = new Line(token);
    this.#build();
    this.#listen();
    this.#start();
  }

  async #start() {
    const channels = recall().channels ?? [];
    await this.#askServer();
    if (this.#isClosed) return;
    for (const saved of channels) if (!this.#views.has(saved.id)) this.#add(saved);
    this.#line.open();
  }

  /** What the server has to offer, before it is needed. */
  async #askServer() {
    const [health, demo] = await Promise.all([
      api.health().catch(() => null),
      api.demo().catch(() => null),
    ]);
    if (this.#isClosed) return;
    this.#offered.demo = demo?.channels ?? [];
    this.#showOffered();
    this.#workers = health?.workers ?? null;
    this.#showNotices();
    this.#watchWorkers(firstWorkersDelay);
  }

  /** A server without workers may have some later: those that died are replaced. */
  #watchWorkers(delay) {
    clearTimeout(this.#workersTimer);
    if (this.#hasMedia) return;
    this.#workersTimer = setTimeout(async () => {
      const health = await api.health().catch(() => null);
      if (this.#isClosed || this.#hasMedia) return;
      if (health?.workers > 0) this.#gainMedia(health.workers);
      else this.#watchWorkers(Math.min(2 * delay, longestWorkersDelay));
    }, delay);
  }

  #gainMedia(workers) {
    this.#workers = workers;
    clearTimeout(this.#workersTimer);
    this.#showNotices();
    this.#microphone.openIfAllowed();
    for (const { channel } of this.#views.values()) channel.restartMedia();
  }

  get #hasMedia() {
    return this.#workers !== 0;
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#workersTimer);
    for (const timer of this.#timers) clearInterval(timer);
    this.#stops.abort();
    for (const { channel } of this.#views.values()) channel.drop();
    this.#line.close();
    this.#microphone.close();
  }

  // ---- What is to be seen ----------------------------------------------------------------------

  #build() {
    const parts = this.#parts;
    parts.connection = h('span', { class: 'connection', role: 'status' });
    parts.connectionTime = h('span', { class: 'connection-time', 'aria-hidden': 'true' });
    parts.offered = h('div', { class: 'offered' });
    parts.channels = h('div', { class: 'channels' });
    parts.empty = h('p', { class: 'empty' }, 'Join a channel to hear it, and to talk in it.');
    parts.name = h('input', {
      type: 'text',
      id: newId('field'),
      autocomplete: 'off',
      spellcheck: 'false',
      maxlength: 128,
    });
    parts.byName = h(
      'form',
      {
        class: 'by-name',
        submit: (event) => {
          event.preventDefault();
          const name = parts.name.value.trim();
          if (name !== '') this.#join(name);
          parts.name.value = '';
        },
      },
      h('label', { for: parts.name.id, class: 'for-readers' }, 'Channel by name'),
      parts.name,
      h('button', { type: 'submit', class: 'button' }, 'Join'),
    );
    parts.name.placeholder = 'Another channel';
    this.element = h(
      'div',
      { class: 'radio', 'data-connection': 'trying' },
      h(
        'header',
        { class: 'topbar' },
        h('span', { class: 'brand' }, icon('microphone'), 'Voice'),
        h(
          'span',
          { class: 'line-state' },
          h('span', { class: 'dot' }),
          parts.connection,
          parts.connectionTime,
        ),
        h('span', { class: 'spacer' }),
        h('span', { class: 'user' }, this.#me.userName),
        themeButton(),
        h(
          'button',
          {
            type: 'button',
            class: 'button quiet icon-only',
            'aria-label': 'Sign out',
            title: 'Sign out',
            click: () => this.#signOut(''),
          },
          icon('leave'),
        ),
      ),
      h(
        'main',
        {},
        h('h1', { class: 'for-readers' }, 'Channels'),
        this.#notices.element,
        parts.empty,
        parts.channels,
        h(
          'section',
          { class: 'joining', 'aria-label': 'Join channels' },
          parts.offered,
          parts.byName,
        ),
      ),
    );
    this.#showConnection();
  }

  #become(state, reason = '') {
    if (this.#connection.state !== state) {
      // Waiting and trying are one state to a user.
      const isSame = state !== 'open' && this.#connection.state !== 'open';
      this.#connection = {
        state,
        since: isSame ? this.#connection.since : performance.now(),
        reason,
      };
    }
    this.#connection.reason = reason || this.#connection.reason;
    this.#showConnection();
    this.#showNotices();
  }

  #showConnection() {
    const { state } = this.#connection;
    this.element.dataset.connection = state;
    const isNew = this.element.dataset.wasConnected === undefined;
    setText(
      this.#parts.connection,
      state === 'open' ? 'Connected' : isNew ? 'Connecting …' : 'Reconnecting …',
    );
    if (state === 'open') this.element.dataset.wasConnected = '';
    this.#showTimes();
  }

  #showTimes() {
    setText(this.#parts.connectionTime, since(this.#connection.since));
    for (const view of this.#views.values()) view.showTime();
  }

  #showOffered() {
    const { offered, byName } = this.#parts;
    const { token, demo } = this.#offered;
    const all = (token.length > 0 ? token : demo).filter((id) => !this.#views.has(id));
    offered.replaceChildren(
      ...all.map((id) =>
        h(
          'button',
          {
            type: 'button',
            class: 'button',
            'aria-label': `Join ${id}`,
            click: () => this.#join(id),
          },
          icon('add'),
          id,
        ),
      ),
    );
    byName.hidden = !this.#mayJoinAny;
    this.#parts.empty.hidden = this.#views.size > 0;
  }

  #showNotices() {
    const { state, reason } = this.#connection;
    if (state !== 'trying') this.#isDown = state === 'waiting';
    this.#notices.show(
      'offline',
      this.#isDown && {
        picture: 'offline',
        tone: 'warning',
        text: `${reason || 'The connection to the server is lost.'} It is tried again by itself.`,
        action: { name: 'Try now', run: () => this.#line.retry() },
      },
    );
    this.#notices.show(
      'media',
      !this.#hasMedia && {
        picture: 'muted',
        text: 'Signalling only: no audio on this server. The talk button works, but nothing is heard.',
      },
    );
    this.#notices.show(
      'sound',
      isAsleep() &&
        this.#hasMedia && {
          picture: 'sound',
          text: 'The browser keeps this page silent until you touch it.',
          action: { name: 'Turn on sound', run: wake },
        },
    );
    this.#showMicrophone();
  }

  #showMicrophone() {
    const { state, trouble } = this.#microphone;
    const ask = () => this.#microphone.open().catch(() => {});
    const isNeeded = [...this.#views.values()].some(
      ({ channel }) => channel.isIn && channel.audio !== 'off',
    );
    this.#notices.show(
      'microphone',
      isNeeded &&
        state !== 'ready' && {
          picture: 'microphone',
          tone: state === 'failed' ? 'danger' : 'plain',
          text: {
            unasked: 'To talk, allow the microphone. It is only sent while you hold the button.',
            asking: 'The browser asks whether this page may use the microphone: allow it.',
            failed: `${trouble} You can listen meanwhile.`,
          }[state],
          action:
            state === 'asking'
              ? null
              : { name: state === 'failed' ? 'Try again' : 'Allow microphone', run: ask },
        },
    );
  }

  // ---- Channels --------------------------------------------------------------------------------

  #join(id) {
    if (!this.#views.has(id)) this.#add({ id });
    this.#views.get(id).talkButton.element.focus();
  }

  #add(saved) {
    const channel = new Channel({
      ...saved,
      line: this.#line,
      me: this.#me,
      microphone: this.#microphone,
      hasMedia: () => this.#hasMedia,
    });
    const view = new ChannelView({
      channel,
      me: this.#me,
      microphone: this.#microphone,
      leave: () => this.#leave(channel),
      changed: () => this.#save(),
      touched: () => this.#activate(view),
    });
    channel.addEventListener('change', () => this.#showMicrophone());
    this.#views.set(channel.id, view);
    this.#parts.channels.append(view.element);
    if (this.#active === null) this.#activate(view);
    if (this.#line.isOpen) channel.join();
    if (this.#hasMedia) audioContext();
    this.#changedChannels();
  }

  #leave(channel) {
    const view = this.#views.get(channel.id);
    this.#views.delete(channel.id);
    view.element.remove();
    if (this.#active === view) this.#activate(this.#views.values().next().value ?? null);
    channel.leave();
    this.#changedChannels();
    (this.#parts.offered.querySelector('button') ?? this.#parts.name).focus();
  }

  #activate(view) {
    this.#active?.element.removeAttribute('data-active');
    this.#active = view;
    view?.element.setAttribute('data-active', '');
  }

  #changedChannels() {
    this.#save();
    this.#showOffered();
    this.#showNotices();
    if (this.#hasMedia && this.#microphone.state === 'unasked') this.#microphone.openIfAllowed();
  }

  #save() {
    const channels = [...this.#views.values()].map(({ channel: { id, volume, isMuted } }) => ({
      id,
      volume,
      isMuted,
    }));
    remember({ channels });
  }

  // ---- What happens ----------------------------------------------------------------------------

  #listen() {
    const line = this.#line;
    line.addEventListener('trying', () => this.#become('trying'));
    line.addEventListener('open', () => this.#onOpen());
    line.addEventListener('waiting', ({ detail }) => {
      if (this.#me.expires <= Date.now()) this.#signOut('Your token has expired.');
      else this.#become('waiting', detail.reason);
    });
    line.addEventListener('dropped', () => {
      for (const { channel } of this.#views.values()) channel.drop();
    });
    line.addEventListener('refused', () => {
      this.#signOut(
        'The server did not accept this token: it may have expired, or be another server’s. After too many attempts, wait a minute.',
        { isTokenKept: true },
      );
    });
    line.addEventListener('push', ({ detail }) => this.#onPush(detail));
    this.#microphone.addEventListener('change', () => this.#onMicrophone());
    onSleepChange(() => this.#showNotices(), this.#stops.signal);
    this.#listenToKeys();
    this.#timers.push(setInterval(() => this.#showTimes(), 1000));
    this.#timers.push(setInterval(() => this.#showLevels(), levelInterval));
  }

  #listenToKeys() {
    const { signal } = this.#stops;
    const onSpace = (event) =>
      event.code === 'Space' && !isTyping(event.target) && this.#active !== null;
    addEventListener(
      'keydown',
      (event) => {
        if (!onSpace(event)) return;
        event.preventDefault(); // no scrolling, and no click
        if (!event.repeat && !event.ctrlKey && !event.altKey && !event.metaKey)
          this.#active.talkButton.keyDown();
      },
      { signal },
    );
    addEventListener(
      'keyup',
      (event) => {
        if (event.code !== 'Space') return;
        if (onSpace(event)) event.preventDefault();
        for (const view of this.#views.values()) view.talkButton.keyUp();
      },
      { signal },
    );
    // Whoever looks elsewhere does not see that the microphone is on.
    const letGo = () => {
      for (const view of this.#views.values()) view.talkButton.letGo();
    };
    addEventListener('blur', letGo, { signal });
    addEventListener('pagehide', letGo, { signal });
    document.addEventListener('visibilitychange', () => document.hidden && letGo(), { signal });
  }

  async #onOpen() {
    this.#connection.reason = '';
    this.#become('open');
    const before = this.#workers;
    await this.#askServer(); // it may be another server now
    if (this.#isClosed) return;
    if (before === 0 && this.#workers !== 0) this.#microphone.openIfAllowed();
    for (const { channel } of this.#views.values()) if (!channel.isIn) channel.join();
  }

  #onPush({ type, data }) {
    if (type === 'channel-list') this.#onChannelList(data);
    else if (data?.action === 'media-restarted' && !this.#hasMedia) this.#gainMedia(null);
    else this.#views.get(data?.channelId)?.channel.receive(type, data);
  }

  #onChannelList({ channels, globalRole }) {
    // A token that names none may join any.
    this.#mayJoinAny = channels.length === 0 || globalRole === 'ADMIN';
    this.#offered.token = channels;
    this.#showOffered();
    if (channels.length === 1 && recall().channels === undefined) this.#join(channels[0]);
  }

  #onMicrophone() {
    const { stream, state } = this.#microphone;
    this.#myMeter = null;
    if (state === 'ready') {
      this.#myMeter = new Meter();
      new MediaStreamAudioSourceNode(audioContext(), { mediaStream: stream }).connect(
        this.#myMeter.node,
      );
    }
    for (const view of this.#views.values()) view.show();
    this.#showNotices();
  }

  #showLevels() {
    for (const view of this.#views.values()) {
      const { channel } = view;
      const measured = channel.state === 'talking' ? this.#myMeter?.measure() : channel.measure();
      if (measured) view.showLevel(measured);
    }
  }
}
