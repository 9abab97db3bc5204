// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Waiting for what is expected to happen, and no longer.

/** What a promise comes to, if it does so within `timeout` milliseconds. */
export async function soon(what, promise, timeout) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${timeout} ms`)), timeout);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
