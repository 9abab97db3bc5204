// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The page: who is logged in decides between the form to connect with and the workspace.

import * as api from './api.js';
import { announcer } from './announce.js';
import { ConnectView } from './connect_view.js';
import { Drafts } from './drafts.js';
import { SessionClock } from './session_clock.js';
import { Line } from './socket.js';
import { Workspace } from './workspace.js';

const line = new Line();
const clock = new SessionClock(line);
const drafts = new Drafts();
const views = new Map(); // by table, see Workspace
const page = document.querySelector('#page');

let workspace = null;
let inserting = false; // whether the form for a new row was open when the session ended
let server = sessionStorage.getItem('server') ?? ''; // which one, for the owner of drafts

/** `#namespace=demo&username=demo&table=main.patients`: what to begin with, never a password. */
function readFragment() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const { namespace, username, table } = Object.fromEntries(parameters);
  return { namespace, username, table };
}

function writeFragment({ namespace, username, table }) {
  const parameters = new URLSearchParams({ namespace, username, ...(table ? { table } : {}) });
  history.replaceState(null, '', `#${parameters}`);
}

function showConnect(message) {
  clock.stop();
  document.title = 'Table editor';
  const view = new ConnectView({
    message,
    start: readFragment(),
    connected: async ({ host, port }) => {
      server = `${host}:${port}`;
      sessionStorage.setItem('server', server);
      const session = await api.session();
      if (session.status === 'connected') showWorkspace(session);
      else
        showConnect('The browser did not keep the session’s cookie. Allow cookies for this page.');
    },
  });
  page.replaceChildren(view.element);
}

function showWorkspace(session) {
  const { namespace, username } = session.server;
  if (drafts.adopt(JSON.stringify([server, username]))) views.clear();
  const fragment = readFragment();
  const table = fragment.namespace === namespace ? fragment.table : undefined;
  writeFragment({ namespace, username, table });
  workspace = new Workspace({
    line,
    clock,
    drafts,
    views,
    session,
    start: { table, inserting },
    remember: (place) => writeFragment({ username, ...place }),
    leave,
  });
  page.replaceChildren(workspace.element);
  clock.start(session.timeoutRemaining);
  line.open();
}

function closeWorkspace() {
  ({ inserting } = workspace.close());
  workspace = null;
}

async function leave() {
  drafts.clear();
  views.clear();
  line.close();
  closeWorkspace();
  inserting = false;
  showConnect(
    await api.disconnect().then(
      () => undefined,
      () => 'The server could not be told; the session ends by itself.',
    ),
  );
}

line.addEventListener('lost', ({ detail: { expired } }) => {
  if (workspace === null) return;
  closeWorkspace();
  drafts.keep();
  const ended = expired ? 'Your session has ended.' : 'The server does not know this session.';
  const kept =
    drafts.size > 0
      ? ' What you typed is kept: sign in again to go on with it.'
      : ' Sign in again.';
  showConnect(ended + kept);
});

// A page that nobody uses must not keep the session alive by coming back again and again.
let lastUsed = Date.now();
for (const type of ['keydown', 'pointerdown']) {
  const used = () => {
    lastUsed = Date.now();
    line.wake();
  };
  addEventListener(type, used, { capture: true, passive: true });
}
line.mayReturn = () => Date.now() - lastUsed < clock.timeout;

addEventListener('beforeunload', (event) => {
  if (drafts.size > 0) event.preventDefault();
});

// After the page, and outside of what is replaced, so that what is said is not cut off.
document.body.append(announcer());

try {
  // How long to wait for the database is to be known before anything is asked of it; else as usual.
  const [session] = await Promise.all([api.session(), api.backend().catch(() => {})]);
  if (session.status === 'connected') showWorkspace(session);
  else showConnect();
} catch {
  showConnect();
}
