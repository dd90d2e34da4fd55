// What of an app's lines is shown: kept in the address, sent to the server as arguments and LogsQL.

import { all, atLeast, is, isNot, says } from '../logsql.js';
import { templateClause } from '../search/logsql.js';

/** Fields of a line that have an argument of their own. */
const OWN = ['region', 'instance'];
/** Kinds of writers. */
export const PROVIDERS = { app: 'The app', runner: 'Logway and the Machine', proxy: 'The proxy', import: 'Imported' };
export const LEVELS = { debug: 'debug and above', info: 'info and above', warn: 'warn and error', error: 'error only' };

/**
 * @typedef {object} Filters
 * @property {string} region
 * @property {string} instance
 * @property {string} provider
 * @property {string} level      this one and graver
 * @property {string} text       stands in the message, in whatever case
 * @property {[string, string, number][]} fields  field, value, and 1 if it must not be that
 * @property {[string, string][]} hidden  field and template of lines that are not shown, as `kindOf` says them
 */

/** What takes all filters away from an address. */
export const NOTHING = { region: '', instance: '', provider: '', level: '', text: '', f: '', hide: '' };

/** Most kinds of lines that are hidden. */
export const MOST_HIDDEN = 20;
/** Most letters of a tail's arguments, as an address has them: proxies take addresses of 8 KiB. */
const MOST_LETTERS = 6 * 1024;

/** The filters in the arguments of an address. @returns {Filters} */
export function fromArgs(args) {
  const { region = '', instance = '', provider = '', level = '', text = '' } = args;
  return { region, instance, provider, level: LEVELS[level] ? level : '', text, fields: conditions(args.f), hidden: conditions(args.hide).slice(0, MOST_HIDDEN) };
}

/** Whoever typed nonsense into the address gets no filter of it. */
function conditions(text) {
  try {
    const found = JSON.parse(text || '[]');
    return found.filter((one) => Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'string');
  } catch {
    return [];
  }
}

/** The change to the address that adds a condition; one that says the opposite goes. @param {Filters} filters */
export function withField(filters, field, value, isNotIt) {
  if (!isNotIt && OWN.includes(field)) return { [field]: value };
  if (!isNotIt && field === 'provider') return { provider: value };
  const kept = filters.fields.filter(([name, found]) => name !== field || found !== value);
  return { f: JSON.stringify([...kept, [field, value, isNotIt ? 1 : 0]]) };
}

export const withoutField = (filters, index) => {
  const kept = filters.fields.filter((_, at) => at !== index);
  return { f: kept.length ? JSON.stringify(kept) : '' };
};

/** The change to the address that hides lines of a kind. @param {Filters} filters @param {[string, string]} kind */
export function withHidden(filters, [field, template]) {
  const others = filters.hidden.filter(([name, text]) => name !== field || text !== template);
  return { hide: JSON.stringify([...others, [field, template]].slice(-MOST_HIDDEN)) };
}

/** Whether the question without lines of this kind too fits into an address. @param {Filters} filters @param {[string, string]} kind */
export const fitsWith = (filters, kind) => new URLSearchParams(tailArgs({ ...filters, hidden: [...filters.hidden, kind] })).toString().length <= MOST_LETTERS;

/** The one that shows them again. */
export const withoutHidden = (filters, index) => {
  const kept = filters.hidden.filter((_, at) => at !== index);
  return { hide: kept.length ? JSON.stringify(kept) : '' };
};

/** Whether everything is shown. */
export const isAny = (filters) => !filters.fields.length && !filters.hidden.length && !['region', 'instance', 'provider', 'level', 'text'].some((name) => filters[name]);

const fieldConditions = (filters) => [
  ...filters.fields.map(([field, value, isNotIt]) => (isNotIt ? isNot : is)(field, value)),
  ...filters.hidden.map(([field, template]) => `-${templateClause(field, template)}`),
];

/** The arguments of a tail. @param {Filters} filters */
export function tailArgs(filters) {
  const query = all(filters.provider && is('provider', filters.provider), filters.text && says(filters.text), fieldConditions(filters));
  return { region: filters.region, instance: filters.instance, level: filters.level && `>=${filters.level}`, query: query === '*' ? '' : query };
}

/** The same as LogsQL, for what is stored. @param {string} app @param {Filters} filters */
export function logsql(app, filters) {
  return all(placeOf(app, filters), contentOf(filters));
}

/** The same with the records of lost lines, which a tail gives whatever the lines have to say. @param {string} app @param {Filters} filters */
export function logsqlWithGaps(app, filters) {
  const content = contentOf(filters);
  return all(placeOf(app, filters), content.length > 0 && `gap.reason:* or (${all(content)})`);
}

const placeOf = (app, { region, instance }) => [is('app', app), region && is('region', region), instance && is('instance', instance)];

const contentOf = (filters) => [
  atLeast(filters.level), filters.provider && is('provider', filters.provider), filters.text && says(filters.text), fieldConditions(filters),
].flat().filter(Boolean);

/** What is marked in messages. */
export const markOf = (filters) => (filters.text ? new RegExp(filters.text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'gi') : null);
