// The address says all of what is shown: `#/app/web?level=warn` is a page, its parts, and its arguments.

import { signal } from '../vendor/signals.js';

/**
 * @typedef {object} Route
 * @property {string} page   the first part; `apps` when there is none
 * @property {string[]} parts  the parts behind it, decoded
 * @property {Record<string, string>} args  what stands behind `?`
 */

/** Where we are. @type {import('../vendor/signals.js').Signal<Route>} */
export const route = signal(parse(location.hash));

/** Reads the part of an address behind `#`. @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path, query = ''] = split(hash.replace(/^#\/?/, ''), '?');
  const [page = '', ...parts] = path.split('/').filter(Boolean).map(decode);
  return { page: page || 'apps', parts, args: Object.fromEntries(new URLSearchParams(query)) };
}

/** Writes an address. Arguments that are empty are left out. */
export function link(page, parts = [], args = {}) {
  const path = [page, ...[parts].flat()].map(encodeURIComponent).join('/');
  const kept = Object.entries(args).filter(([, value]) => value !== '' && value !== undefined && value !== null);
  const query = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
  return `#/${path}${query ? `?${query}` : ''}`;
}

/** Goes to an address as [`link`] writes it. `replace`: the one before is not kept for the way back. */
export function go(hash, { replace = false } = {}) {
  if (hash === location.hash) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', hash);
  route.value = parse(hash);
}

/** Changes arguments of the page that is shown; an empty value takes one away. */
export function setArgs(changes, { replace = true } = {}) {
  const { page, parts, args } = route.value;
  go(link(page, parts, { ...args, ...changes }), { replace });
}

/** Follows the browser: links that are clicked, back and forth. `first` may change the address before it is read. */
export function follow(first) {
  const read = () => {
    first();
    route.value = parse(location.hash);
  };
  read();
  addEventListener('hashchange', read);
  addEventListener('popstate', read);
}

function split(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
