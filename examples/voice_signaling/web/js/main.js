// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The page: whoever has a token gets the radio, everybody else the form.

import { announcer } from './announce.js';
import * as api from './api.js';
import { forget, recall, remember } from './memory.js';
import { Radio } from './radio.js';
import { SignIn } from './sign_in.js';
import { holderOf } from './token.js';

const page = document.querySelector('#page');
let radio = null;

/** `#token=…`: not a part of any request. Taken out of the address at once, where others may see it. */
function tokenInAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return null;
  history.replaceState(null, '', location.pathname + location.search);
  remember({ token, demoName: undefined });
  return token;
}

function showSignIn(message) {
  const { demoName, token } = recall();
  const tryAgain = token && message ? () => showRadio({ token, demoName }) : null;
  const form = new SignIn({ message, userName: demoName, tryAgain, signedIn: showRadio });
  page.replaceChildren(form.element);
}

function showRadio({ token, demoName }) {
  remember({ token, demoName });
  radio = new Radio({
    token,
    me: holderOf(token),
    signOut: (message, { isTokenKept = false } = {}) => {
      radio.close();
      radio = null;
      const { channels } = recall();
      forget();
      // Whoever was refused comes back to the channels.
      remember(message ? { demoName, channels } : { demoName });
      if (isTokenKept) remember({ token });
      showSignIn(message);
    },
  });
  page.replaceChildren(radio.element);
}

async function begin() {
  tokenInAddress();
  const { token, demoName } = recall();
  const holder = token ? holderOf(token) : null;
  if (holder && holder.expires > Date.now()) {
    showRadio({ token, demoName });
  } else if (token && demoName) {
    // The demo gives a new token for the old name.
    await api.demoToken(demoName).then(
      (fresh) => showRadio({ token: fresh, demoName }),
      () => showSignIn(''),
    );
  } else {
    remember({ token: undefined });
    showSignIn(
      token
        ? holder
          ? 'Your token has expired.'
          : 'The address brought something that is no token.'
        : '',
    );
  }
}

addEventListener('hashchange', () => {
  if (tokenInAddress() === null) return;
  radio?.close();
  radio = null;
  begin();
});

// After the page, and outside of what is replaced, so that what is said is not cut off.
document.body.append(...announcer());
begin();
