// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The server's HTTP interface: its health, and the demo's tokens.

const timeout = 10_000; // milliseconds

async function call(path, options = {}) {
  const response = await fetch(path, {
    cache: 'no-store',
    signal: AbortSignal.timeout(timeout),
    ...options,
  });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  return response.json();
}

export const health = () => call('/health');

/** `{channels, audio}`, or null when the server is no demo. */
export const demo = () => call('/api/demo');

export async function demoToken(userName) {
  const answer = await call('/api/demo/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userName }),
  });
  if (answer === null) throw new Error('the server gives no tokens');
  return answer.token;
}
