// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// A channel to see: who speaks, the button to talk, and who is there.

import { h, icon, newId, setText } from '/shared/js/dom.js';
import { announce, announceNow } from './announce.js';
import { TalkButton } from './talk_button.js';
import { running, since } from './time.js';

const quietest = -60; // dBFS; the meter's left end

const faces = {
  offline: ['Not connected', 'It comes back by itself'],
  joining: ['Joining …', ''],
  refused: ['Not joined', ''],
  idle: ['Hold to talk', 'or hold the space bar'],
  asking: ['One moment …', 'Keep holding'],
  talking: ['You are on air', 'Let go to stop'],
};

/** `leave`, `changed` (of volume) and `touched` (it is this channel that the user is at) are called. */
export class ChannelView {
  channel;
  #talk;
  #parts;
  #me;
  #microphone;
  #saidSpeaker = null;
  #isOnAir = false;

  constructor({ channel, me, microphone, leave, changed, touched }) {
    this.channel = channel;
    this.#me = me;
    this.#microphone = microphone;
    this.#talk = new TalkButton({
      name: channel.id,
      press: () => channel.press(),
      release: () => channel.release(),
    });
    this.#build({ leave, changed, touched });
    channel.addEventListener('change', () => this.show());
    channel.addEventListener('denied', ({ detail }) =>
      announceNow(`${detail.message}, in ${channel.id}`),
    );
    this.show();
  }

  get talkButton() {
    return this.#talk;
  }

  #build({ leave, changed, touched }) {
    const { channel } = this;
    const heading = newId('channel');
    const speaker = newId('speaker');
    this.#parts = {
      count: h('span', { class: 'count' }),
      countText: h('span'),
      speaker: h('span', { class: 'speaker-text', id: speaker }),
      time: h('span', { class: 'speaker-time', 'aria-hidden': 'true' }),
      trouble: h('p', { class: 'trouble', role: 'alert', hidden: true }),
      again: h(
        'button',
        { type: 'button', class: 'button small', click: () => channel.rejoin() },
        'Try again',
      ),
      members: h('ul', { class: 'members' }),
      mute: h('button', {
        type: 'button',
        class: 'button quiet icon-only',
        click: () => {
          channel.setVolume(channel.volume, !channel.isMuted);
          changed();
        },
      }),
      volume: h('input', {
        type: 'range',
        min: 0,
        max: 100,
        step: 5,
        value: Math.round(channel.volume * 100),
        'aria-label': `Volume of ${channel.id}`,
        input: (event) => {
          channel.setVolume(event.target.value / 100, false);
          changed();
        },
      }),
      sound: h('div', { class: 'sound' }),
    };
    const parts = this.#parts;
    parts.count.append(icon('people'), parts.countText);
    parts.sound.append(parts.mute, parts.volume);
    this.#talk.element.setAttribute('aria-describedby', speaker);
    this.element = h(
      'article',
      {
        class: 'channel',
        'data-channel': channel.id,
        'aria-labelledby': heading,
        pointerdown: touched,
        focusin: touched,
      },
      h(
        'header',
        { class: 'channel-head' },
        h('h2', { id: heading }, channel.id),
        parts.count,
        h(
          'button',
          {
            type: 'button',
            class: 'button quiet small',
            'aria-label': `Leave ${channel.id}`,
            click: leave,
          },
          'Leave',
        ),
      ),
      h('p', { class: 'speaker' }, parts.speaker, parts.time),
      this.#talk.element,
      h('div', { class: 'meter', 'aria-hidden': 'true' }, h('span', { class: 'meter-bar' })),
      parts.trouble,
      parts.sound,
      parts.members,
    );
  }

  show() {
    const { channel, element } = this;
    const { state, speaker } = channel;
    element.dataset.state = state;
    element.dataset.speaking = speaker?.userName ?? '';
    element.dataset.audio = channel.audio;
    this.#showTalk();
    this.#showSpeaker();
    this.#showTrouble();
    this.#showSound();
    this.#showMembers();
    if (state !== 'listening' && state !== 'talking' && state !== 'denied') this.showLevel(null);
  }

  #showTalk() {
    const { channel } = this;
    const [label, hint] = this.#face();
    this.#talk.show({
      label,
      hint,
      isHeld: channel.state === 'asking' || channel.state === 'talking',
      isUsable: channel.canTalk,
    });
  }

  /** What the button says. */
  #face() {
    const { channel } = this;
    if (channel.isIn && channel.audio === 'starting') return ['One moment …', 'Setting up sound'];
    if (channel.state === 'asking' && this.#microphone.state === 'asking') {
      return ['Allow the microphone', 'The browser asks for it'];
    }
    if (channel.state === 'listening') {
      return [`${this.#nameOf(channel.speaker)} speaking`, 'Wait until the channel is free'];
    }
    if (channel.state === 'denied') return [channel.denial, 'Not sent: try again in a moment'];
    return faces[channel.state];
  }

  /** "You are", "Alice is". */
  #nameOf({ userId, userName }) {
    return userId === this.#me.userId ? 'You are' : `${userName} is`;
  }

  #showSpeaker() {
    const { channel } = this;
    const { speaker } = channel;
    let text = 'Nobody is speaking';
    if (!channel.isIn) text = '';
    else if (channel.state === 'talking') text = 'You are speaking';
    else if (speaker?.userId === this.#me.userId) text = 'You are speaking, on another connection';
    else if (speaker) text = `${speaker.userName} is speaking`;
    setText(this.#parts.speaker, text);
    this.showTime();
    // The button is held from the asking on: that it is heard now is only to be seen.
    const isOnAir = channel.state === 'talking';
    if (isOnAir && !this.#isOnAir) announceNow(`You are on air, in ${channel.id}`);
    this.#isOnAir = isOnAir;
    if (speaker?.userId !== this.#saidSpeaker) {
      this.#saidSpeaker = speaker?.userId ?? null;
      if (speaker && speaker.userId !== this.#me.userId) announce(`${text}, in ${channel.id}`);
    }
  }

  /** To be called every second. */
  showTime() {
    const { isIn, speaker, last } = this.channel;
    let text = '';
    if (isIn && speaker) text = running(speaker.at);
    else if (isIn && last) {
      const name = last.userId === this.#me.userId ? 'you' : last.userName;
      text = `${name}, ${since(last.at)} ago`;
    }
    setText(this.#parts.time, text);
  }

  #showTrouble() {
    const { channel } = this;
    const { trouble, again } = this.#parts;
    const isSoundLost = channel.audio === 'off' && channel.audioTrouble !== '';
    const text = isSoundLost
      ? `Signalling only: no audio in this channel. The reason: ${channel.audioTrouble}`
      : channel.trouble;
    const mayTryAgain = isSoundLost || channel.state === 'refused';
    const key = `${mayTryAgain} ${text}`;
    if (trouble.dataset.key === key) return;
    trouble.dataset.key = key;
    if (trouble.contains(document.activeElement)) this.#talk.element.focus();
    trouble.hidden = text === '';
    trouble.replaceChildren(h('span', {}, text), ...(mayTryAgain ? [again] : []));
  }

  #showSound() {
    const { channel } = this;
    const { mute } = this.#parts;
    const key = String(channel.isMuted);
    if (mute.dataset.key === key) return;
    mute.dataset.key = key;
    mute.replaceChildren(icon(channel.isMuted ? 'muted' : 'sound'));
    mute.setAttribute('aria-pressed', key);
    mute.setAttribute('aria-label', `Mute ${channel.id}`);
    mute.title = channel.isMuted ? 'Sound is off' : 'Sound is on';
  }

  #showMembers() {
    const { channel } = this;
    const { count, countText, members } = this.#parts;
    count.hidden = !channel.isIn;
    setText(countText, `${channel.userCount} here`);
    const speaking = channel.speaker?.userId;
    const list = [[this.#me.userId, 'You'], ...channel.members];
    const unknown = channel.userCount - list.length;
    const key = JSON.stringify([channel.isIn, list, unknown, speaking]);
    if (members.dataset.key === key) return;
    members.dataset.key = key;
    members.hidden = !channel.isIn;
    members.replaceChildren(
      ...list.map(([id, name]) =>
        h('li', { class: id === speaking ? 'member speaks' : 'member' }, name),
      ),
      // The server names others only when they come, go or speak.
      ...(unknown > 0 ? [h('li', { class: 'member unknown' }, `${unknown} more`)] : []),
    );
  }

  /** `{level, frequency}` of what is heard or said, or null. */
  showLevel(measured) {
    const { dataset, style } = this.element;
    const level = measured?.level ?? -100;
    dataset.level = level.toFixed(1);
    dataset.frequency = (measured?.frequency ?? 0).toFixed(1);
    style.setProperty('--level', Math.min(1, Math.max(0, 1 - level / quietest)).toFixed(3));
  }
}
