// Searches that somebody gave a name to: kept in this browser, for each org its own.

import { signal } from '../../vendor/signals.js';

/** @typedef {{name: string, state: import('./state.js').State}} Saved */

const key = (org) => `logway.searches.${org || 'me'}`;

/** Most that are kept: a browser gives a page a few MB. */
const MOST = 200;

/** Told when the list of any org changed here or in another tab. */
const changes = signal(0);
addEventListener('storage', () => { changes.value += 1; });

/** The saved searches of an org, by name.  @returns {Saved[]} */
export function saved(org) {
  changes.value;
  try {
    const list = JSON.parse(localStorage.getItem(key(org)) ?? '[]');
    return list.filter((one) => typeof one?.name === 'string' && typeof one?.state === 'object');
  } catch {
    // A browser that keeps nothing, or something that is not ours.
    return [];
  }
}

/** Keeps the list. False when the browser refuses. */
function keep(org, list) {
  try {
    localStorage.setItem(key(org), JSON.stringify(list.toSorted((a, b) => a.name.localeCompare(b.name)).slice(0, MOST)));
    changes.value += 1;
    return true;
  } catch {
    return false;
  }
}

/** Saves a search under a name, in place of what had it. */
export const save = (org, name, state) => keep(org, [...saved(org).filter((one) => one.name !== name), { name, state: { ...state, at: '', around: '' } }]);

/** Gives a search another name. */
export function rename(org, name, to) {
  const list = saved(org).filter((one) => one.name !== to || one.name === name);
  return keep(org, list.map((one) => (one.name === name ? { ...one, name: to } : one)));
}

/** Forgets a search. */
export const forget = (org, name) => keep(org, saved(org).filter((one) => one.name !== name));
