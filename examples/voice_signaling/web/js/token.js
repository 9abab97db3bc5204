// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What a token says of its holder. Only the server can tell whether it is genuine.

function payloadOf(token) {
  const parts = token.split('.');
  if (parts.length !== 3 || !parts.every((part) => /^[\w-]+$/.test(part))) return null;
  try {
    const bytes = atob(parts[1].replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))));
  } catch {
    return null;
  }
}

/** `{userId, userName, expires}` (milliseconds since 1970, or Infinity), or null if it is no token. */
export function holderOf(token) {
  const { userId, userName, exp } = payloadOf(token) ?? {};
  if (typeof userId !== 'string' || typeof userName !== 'string') return null;
  return { userId, userName, expires: typeof exp === 'number' ? exp * 1000 : Infinity };
}
