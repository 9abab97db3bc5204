// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The pages of the programs, file by file: whatever a page names, its program serves, wherever it runs
// from. Run with `node --test`; TABLE_EDITOR and VOICE_SIGNALING are the paths of the programs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Program as TableEditor } from './table_editor.mjs';
import { Program as VoiceSignaling } from './voice_signaling.mjs';

const types = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' };
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** What a file names: a page's scripts and style sheets, a module's imports. */
function namedIn(path, text) {
  const pattern = path === '/' ? /\b(?:href|src)="([^"]+)"/g : /\bfrom '([^']+)';$/gm;
  return path === '/' || path.startsWith('/js/') || path.startsWith('/shared/js/')
    ? [...text.matchAll(pattern)].map(([, name]) => name)
    : [];
}

/** The paths of the page and of all that it needs, each of which is served as what it is. */
async function filesOf(url) {
  const found = ['/'];
  for (const path of found) {
    const answer = await fetch(new URL(path, url));
    assert.equal(answer.status, 200, path);
    // An unknown path gives the page itself.
    const type = path === '/' ? 'text/html' : types[path.split('.').at(-1)];
    assert.equal(answer.headers.get('Content-Type').split(';')[0], type, path);
    assert.equal(answer.headers.get('Content-Security-Policy'), policy, path);
    for (const name of namedIn(path, await answer.text())) {
      const { pathname } = new URL(name, new URL(path, url));
      if (!found.includes(pathname)) found.push(pathname);
    }
  }
  return found;
}

for (const [name, program] of Object.entries({ TableEditor, VoiceSignaling })) {
  test(`${name} serves all that its page names, with what the pages share`, async (t) => {
    const demo = await program.start();
    t.after(() => demo.stop());
    const files = await filesOf(demo.url);
    for (const file of ['/js/main.js', '/css/controls.css', '/icon.svg']) {
      assert.ok(files.includes(file), file);
    }
    const shared = files.filter((file) => file.startsWith('/shared/')).sort();
    assert.deepEqual(shared, [
      '/shared/css/base.css',
      '/shared/css/frame.css',
      '/shared/css/tokens.css',
      '/shared/js/dom.js',
      '/shared/js/theme.js',
      '/shared/js/theme_boot.js',
    ]);
  });
}
