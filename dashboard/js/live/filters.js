// What of an app's lines is shown: kept in the address, sent to the server as arguments and LogsQL.

import { all, atLeast, is, isNot, says } from '../logsql.js';

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
 */

/** The filters in the arguments of an address. @returns {Filters} */
export function fromArgs(args) {
  const { region = '', instance = '', provider = '', level = '', text = '' } = args;
  return { region, instance, provider, level: LEVELS[level] ? level : '', text, fields: conditions(args.f) };
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

/** Whether everything is shown. */
export const isAny = (filters) => !filters.fields.length && !['region', 'instance', 'provider', 'level', 'text'].some((name) => filters[name]);

const fieldConditions = (filters) => filters.fields.map(([field, value, isNotIt]) => (isNotIt ? isNot : is)(field, value));

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
