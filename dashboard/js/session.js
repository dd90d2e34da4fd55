// Who is signed in: a token, and what it may do. It is kept for the tab, or in this browser if one asks for it.

import { signal } from '../vendor/signals.js';

const KEY = 'logway.token';
/** The token of this tab from before a link brought another one. */
let before = '';

/**
 * @typedef {object} Who  what GET /api/v1/whoami says
 * @property {{slug: string}} org
 * @property {string[]} actions  of read, write, ship, admin
 * @property {string[] | null} apps  the only ones that may be seen; null: all
 * @property {string[] | null} [regions]
 * @property {string[] | null} [instances]
 * @property {string | null} expires
 */

/** The token; empty when nobody is signed in. */
export const token = signal('');
/** Whose it is, as soon as that is known. @type {import('../vendor/signals.js').Signal<Who | null>} */
export const who = signal(null);
/** Why nobody is signed in any more, for the page to sign in. */
export const reason = signal('');

/** Takes the token that was kept. */
export function start() {
  token.value = kept(sessionStorage) || kept(localStorage);
}

/** Signs in with the token of the address, if it has one. */
export function takeLinked() {
  const linked = fromAddress();
  if (!linked) return;
  // In this tab alone: somebody else's link must not replace what the browser keeps.
  if (linked !== token.value) before = kept(sessionStorage);
  keep(sessionStorage, linked);
  reason.value = '';
  who.value = null;
  token.value = linked;
}

/** Signs in. `stay`: for the next visits too. @param {string} text @param {Who | null} found */
export function signIn(text, found, stay) {
  keep(stay ? localStorage : sessionStorage, text);
  if (stay) forget(sessionStorage);
  reason.value = '';
  who.value = found;
  token.value = text;
}

/** Signs out; `why` is shown where one signs in again. */
export function signOut(why = '') {
  before = '';
  forget(sessionStorage);
  forget(localStorage);
  reason.value = why;
  who.value = null;
  token.value = '';
}

/**
 * The token in use is good no more. Whoever was signed in with another one before is so again: a link that is over ends
 * nobody else's visit. Gives whether there is one.
 */
export function refused(why) {
  const bad = token.value;
  for (const storage of [sessionStorage, localStorage]) if (kept(storage) === bad) forget(storage);
  if (before && before !== bad) keep(sessionStorage, before);
  before = '';
  const left = kept(sessionStorage) || kept(localStorage);
  reason.value = left ? '' : why;
  who.value = null;
  token.value = left;
  return Boolean(left);
}

/** Whether the token may do `action` (read, write, ship, admin). */
export function may(action) {
  const actions = who.value?.actions;
  return !actions || actions.includes(action) || actions.includes('admin');
}

/** The token in `#token=…` or `#/page?…&token=…`, which is taken out of the address and of the history. */
function fromAddress() {
  const found = /[#?&]token=([^&]*)/.exec(location.hash);
  if (!found) return '';
  const rest = location.hash.replace(/([#?&])token=[^&]*&?/, '$1').replace(/[?&#]$/, '');
  history.replaceState(null, '', rest || '#/apps');
  try {
    return decodeURIComponent(found[1]).trim();
  } catch {
    // A link that was cut within an escape is no link.
    return '';
  }
}

// A browser may be set to keep nothing; then a reload signs out.
function keep(storage, text) {
  try {
    storage.setItem(KEY, text);
  } catch { /* as said above */ }
}

function kept(storage) {
  try {
    return storage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

function forget(storage) {
  try {
    storage.removeItem(KEY);
  } catch { /* as said above */ }
}
