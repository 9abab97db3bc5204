// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// How long ago, and for how long.

/** `5 s`, `3 min`, `2 h`, since a moment of performance.now(). */
export function since(moment) {
  const seconds = Math.max(0, Math.floor((performance.now() - moment) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

/** `0:07`, as a clock that runs. */
export function running(moment) {
  const seconds = Math.max(0, Math.floor((performance.now() - moment) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
