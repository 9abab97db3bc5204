// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Runs before the page is painted, so that a chosen theme never flashes the other one first.
try {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme will do.
}
