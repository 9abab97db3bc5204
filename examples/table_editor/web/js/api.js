// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The server's HTTP interface: sessions, and what kind of database is behind it.

export class ApiError extends Error {
  /** `status` is HTTP's, 0 when the server could not be reached at all. */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Milliseconds until an answer is given up: longer than the server waits for the database. */
export const patience = { request: 40_000, command: 45_000 };

const listeners = new Set();
/** Every answered request keeps the session alive; whoever shows its time wants to know. */
export const onAnswer = (listener) => listeners.add(listener);

async function call(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'same-origin',
      signal: AbortSignal.timeout(patience.request),
    });
  } catch {
    throw new ApiError(0, 'UNREACHABLE', 'The server cannot be reached.');
  }
  for (const listener of listeners) listener();
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new ApiError(response.status, answer.code, answer.error ?? `HTTP ${response.status}`);
  }
  return answer;
}

const get = (path) => call('GET', path);

// Bound to a cookie of the server's; undefined until first needed.
let csrf;

async function post(path, body = {}) {
  for (let again = false; ; again = true) {
    // A server that is set up without tokens has no such route: then none is sent.
    csrf ??= await get('/api/csrf-token').then(
      ({ csrfToken }) => csrfToken ?? '',
      (error) => (error.status === 404 ? '' : Promise.reject(error)),
    );
    try {
      return await call('POST', path, body, csrf === '' ? {} : { 'X-CSRF-Token': csrf });
    } catch (error) {
      if (error.status !== 403 || again) throw error;
      csrf = undefined; // too old, or of another server: one more try with a fresh one
    }
  }
}

export async function backend() {
  const answer = await get('/api/backend');
  const { connectTimeoutMs = 0, commandTimeoutMs = 0 } = answer;
  patience.request = Math.max(patience.request, connectTimeoutMs + 30_000);
  patience.command = Math.max(patience.command, commandTimeoutMs + 15_000);
  return answer;
}

export const session = () => get('/api/session');
export const connect = (credentials) => post('/api/connect', credentials);
export const testConnection = (credentials) => post('/api/test-connection', credentials);
export const disconnect = () => post('/api/disconnect');
