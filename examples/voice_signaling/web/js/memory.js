// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What outlives a reload, in this tab only: the token, the channels and their volumes.

const key = 'voice';

/** `{token, demoName, channels: [{id, volume, isMuted}]}`, each perhaps missing. */
export function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

export function remember(changes) {
  try {
    sessionStorage.setItem(key, JSON.stringify({ ...recall(), ...changes }));
  } catch {
    // Storage may be forbidden; it holds until the next reload, then.
  }
}

export function forget() {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // There was none.
  }
}
