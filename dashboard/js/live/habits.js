// How somebody likes lines to be shown: kept in this browser.

const KEY = 'logway.look';
/** Most apps whose columns are kept: those that were changed last. */
const MOST_APPS = 50;
/** Most columns for fields. */
export const MOST_FIELDS = 8;

/** What is shown of each line, and what it is called. */
export const COLUMNS = { times: 'Time', instances: 'Machine', regions: 'Region', providers: 'Written by', levels: 'Level' };

/**
 * @typedef {object} Habits
 * @property {boolean} wrap  long lines are wrapped
 * @property {boolean} fold  equal lines behind each other are shown once
 * @property {Record<keyof typeof COLUMNS, boolean>} columns
 * @property {Record<string, string[]>} fields  by app: which fields are columns
 */

/** @type {Habits} */
const DEFAULT = { wrap: false, fold: true, columns: { times: true, instances: true, regions: false, providers: false, levels: true }, fields: {} };

/** What was kept; what is no habit of today is the default. @returns {Habits} */
export function habits() {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') ?? {};
  } catch {
    // Nothing is kept, or nonsense.
  }
  const columns = Object.fromEntries(Object.entries(DEFAULT.columns).map(([name, is]) => [name, Boolean(kept.columns?.[name] ?? is)]));
  const fields = Object.entries(kept.fields ?? {}).filter(([, names]) => Array.isArray(names) && names.every((name) => typeof name === 'string'));
  return { wrap: Boolean(kept.wrap ?? DEFAULT.wrap), fold: Boolean(kept.fold ?? DEFAULT.fold), columns, fields: Object.fromEntries(fields) };
}

/** The columns of an app's fields. @param {Habits} all @param {string} app */
export const fieldsOf = (all, app) => (Object.hasOwn(all.fields, app) ? all.fields[app].slice(0, MOST_FIELDS) : []);

/** The habits with other columns for an app's fields. @param {Habits} all @returns {Habits} */
export function withFields(all, app, names) {
  const others = Object.entries(all.fields).filter(([name]) => name !== app).slice(-(MOST_APPS - 1));
  return { ...all, fields: Object.fromEntries([...others, ...(names.length ? [[app, names.slice(0, MOST_FIELDS)]] : [])]) };
}

/** @param {Habits} all */
export function keep(all) {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // It holds for this page then.
  }
}
