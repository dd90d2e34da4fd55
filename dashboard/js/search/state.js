// All that a search is, in the address: whoever opens it sees the same.

import { now as clock } from '../clock.js';

/**
 * @typedef {object} State
 * @property {string} q      LogsQL
 * @property {string} from   `-1h`, or RFC 3339
 * @property {string} to     `now`, `-5m`, or RFC 3339
 * @property {'desc'|'asc'} order
 * @property {'lines'|'patterns'} view
 * @property {string} at     the line that is looked at, `instance:boot:seq`
 * @property {string} around the line whose neighbours are shown, the same
 */

/** What an address without arguments means.  @type {State} */
export const DEFAULT = Object.freeze({ q: '', from: '-1h', to: 'now', order: 'desc', view: 'lines', at: '', around: '' });

/** The state in the arguments of the address (`route.args`). What is no value of it is its default.  @returns {State} */
export function read(args) {
  const get = (name) => args[name] ?? DEFAULT[name];
  return {
    q: get('q'),
    from: instantOf(get('from')) ? get('from') : DEFAULT.from,
    to: instantOf(get('to')) ? get('to') : DEFAULT.to,
    order: get('order') === 'asc' ? 'asc' : 'desc',
    view: get('view') === 'patterns' ? 'patterns' : 'lines',
    at: get('at'),
    around: get('around'),
  };
}

/** The address of a state: what is the default is left out. */
export function hash(state) {
  const args = new URLSearchParams();
  for (const [name, value] of Object.entries(DEFAULT)) {
    if (state[name] !== undefined && state[name] !== value) args.set(name, state[name]);
  }
  const text = args.toString();
  return text ? `#/search?${text}` : '#/search';
}

const UNITS = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** What a relative time says, in ms: `-1h30m` is 5400000. `null` if it is none. */
function back(text) {
  if (!/^-(?:\d+(?:\.\d+)?[smhdw])+$/.test(text)) return null;
  return [...text.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g)].reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit], 0);
}

/**
 * The moment that a bound means, in ms of Unix time; `null` if it is none. A time without a zone is UTC, as in LogsQL.
 * @param {string} text `now`, `-15m`, `now-15m`, or RFC 3339 and its beginnings
 */
export function instantOf(text, now = clock()) {
  const word = text.trim();
  if (word === 'now') return now;
  const behind = back(word.replace(/^now(?=-)/, ''));
  if (behind !== null) return now - behind;
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:[.,]\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/i.exec(word);
  if (!match) return null;
  const [, day, minute = '00:00', second = ':00', zone = 'Z'] = match;
  const at = Date.parse(`${day}T${minute}${second.replace(',', '.').replace(/(\.\d{3})\d+/, '$1')}${zone}`);
  return Number.isNaN(at) ? null : at;
}

/** The span of a state as two moments, the second one behind the first.  @returns {[number, number]} */
export function span(state, now = clock()) {
  const to = instantOf(state.to, now) ?? now;
  const from = instantOf(state.from, now) ?? to - UNITS.h;
  return from < to ? [from, to] : [to - 1, to];
}

/** A moment as it stands in the address and in questions. */
export const iso = (at) => new Date(at).toISOString();

/** The state with another span, given as moments. */
export const zoomed = (state, from, to) => ({ ...state, from: iso(Math.floor(from)), to: iso(Math.ceil(Math.max(to, from + 1))), at: '', around: '' });

/** The state with twice the span around the same middle, not beyond now. */
export function zoomedOut(state, now = clock()) {
  const [from, to] = span(state, now);
  const more = (to - from) / 2;
  const end = Math.min(to + more, Math.max(now, to));
  return zoomed(state, end - 2 * (to - from), end);
}

/** The state moved by `share` of its span: -1 is the span before. */
export function moved(state, share, now = clock()) {
  const [from, to] = span(state, now);
  const by = Math.min((to - from) * share, Math.max(0, now - to));
  const step = share < 0 ? (to - from) * share : by;
  return zoomed(state, from + step, to + step);
}

/** Spans to choose from: the bound, and its name. */
export const PRESETS = [
  ['-5m', '5 minutes'], ['-15m', '15 minutes'], ['-1h', '1 hour'], ['-6h', '6 hours'],
  ['-24h', '24 hours'], ['-3d', '3 days'], ['-7d', '7 days'], ['-30d', '30 days'],
];

const pad = (number) => String(number).padStart(2, '0');

/** A moment in local or UTC time, short: the day only when `withDay`. */
export function shortTime(at, { isUtc = false, withDay = true } = {}) {
  const time = new Date(at);
  const get = (name) => time[`get${isUtc ? 'UTC' : ''}${name}`]();
  const clock = `${pad(get('Hours'))}:${pad(get('Minutes'))}:${pad(get('Seconds'))}`;
  return withDay ? `${get('FullYear')}-${pad(get('Month') + 1)}-${pad(get('Date'))} ${clock}` : clock;
}

/** What the button for the span says. */
export function spanText(state) {
  const preset = PRESETS.find(([from]) => from === state.from);
  if (preset && state.to === 'now') return `Last ${preset[1]}`;
  if (/^-\S+$/.test(state.from) && state.to === 'now') return `Last ${state.from.slice(1)}`;
  const [from, to] = [state.from, state.to].map((text) => (/^\d/.test(text) ? instantOf(text) : null));
  const relative = (text) => text.replace(/^(?:now)?-/, 'now − ');
  const [begin, end] = [from === null ? relative(state.from) : brief(from), to === null ? relative(state.to) : brief(to)];
  const isOneDay = from !== null && to !== null && shortTime(from).slice(0, 10) === shortTime(to).slice(0, 10);
  return `${begin} → ${isOneDay ? shortTime(to, { withDay: false }) : end}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `26 Nov 14:00:00`, with the year if it is another one. */
function brief(at, now = clock()) {
  const time = new Date(at);
  const year = time.getFullYear() === new Date(now).getFullYear() ? '' : ` ${time.getFullYear()}`;
  return `${time.getDate()} ${MONTHS[time.getMonth()]}${year} ${shortTime(at, { withDay: false })}`;
}

/** Steps of a histogram: what a bar may span, in ms. */
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 6048e5];

/** The step that makes about `bars` bars of the span, in ms. */
export function stepOf(from, to, bars = 100) {
  return STEPS.find((step) => (to - from) / step <= bars) ?? STEPS.at(-1);
}
