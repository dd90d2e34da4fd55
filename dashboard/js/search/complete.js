// What may stand at the caret of a query: names of fields, their values, pipes, functions, filters.

import { get } from '../api.js';
import { token } from '../session.js';
import { pieces, quote } from './logsql.js';

/**
 * @typedef {object} Offer
 * @property {string} text    what is shown
 * @property {string} insert  what is put in the place of what was typed
 * @property {string} kind    field, value, pipe, function or filter
 * @property {string} detail  how many rows, or what it does
 */

/** Pipes, and what each does. Those that docs/logsql.md lists. */
export const PIPES = {
  stats: 'count, sum, quantile … by fields or time', filter: 'keep rows that match', sort: 'by fields', limit: 'the first N rows', top: 'the most frequent values',
  uniq: 'different values', fields: 'keep these fields only', delete: 'take fields away', copy: 'a field under another name too', rename: 'another name',
  extract: 'fields out of text by a pattern', extract_regexp: 'fields out of text by a regular expression', unpack_json: 'fields of a JSON text', unpack_logfmt: 'fields of a logfmt text',
  format: 'a new text out of fields', math: 'calculate with fields', replace: 'other text in a field', replace_regexp: 'the same by a regular expression',
  collapse_nums: 'numbers become <N>', first: 'the first rows by fields', last: 'the last rows by fields', len: 'length of a field', offset: 'leave out N rows',
  pack_json: 'fields as one JSON text', pack_logfmt: 'fields as one logfmt text', field_names: 'which fields rows have', field_values: 'which values a field has',
  drop_empty_fields: 'leave out what is empty', decolorize: 'take colours out',
};

/** Functions of `stats`. */
export const FUNCTIONS = {
  count: 'rows', count_uniq: 'different values', sum: 'of numbers', avg: 'mean', min: 'smallest', max: 'largest', median: 'half are below', quantile: 'quantile(0.99, field)',
  rate: 'rows in a second', rate_sum: 'sum in a second', uniq_values: 'list of values', values: 'all values', sum_len: 'bytes', count_empty: 'rows without a value',
  row_any: 'one row', row_min: 'the row with the smallest', row_max: 'the row with the largest', histogram: 'ranges of numbers', count_uniq_hash: 'different values, cheaper',
};

/** Filters that begin with a word. */
const FILTERS = {
  'and ': 'both', 'or ': 'one of them', 'not ': 'not the next', '_time:': '_time:5m, _time:[from, to)', 'i(': 'in any case', '~"': 'regular expression', 'seq(': 'phrases in this order',
};

/** Filters that may stand behind `field:`. */
const VALUE_FILTERS = { 'in(': 'one of these', '~"': 'regular expression', 'i(': 'in any case', 'range[': 'numbers between', '*': 'any value', '""': 'empty' };

/** The stream's own names, for `{…}`. */
const STREAM = ['app', 'instance', 'region'];

/**
 * What is being typed at `caret`: the piece, from where it is replaced, and what kind of thing it is.
 * @returns {{kind: 'pipe'|'function'|'field'|'value'|'stream'|'any'|'none', field?: string, typed: string, from: number, to: number}}
 */
export function context(query, caret) {
  const before = pieces(query.slice(0, caret));
  const last = before.at(-1);
  const none = { kind: 'none', typed: '', from: caret, to: caret };
  if (last?.kind === 'comment') return none;
  const isText = last && (last.kind === 'word' || last.kind === 'string');
  const from = isText ? last.at : caret;
  const typed = isText ? unquoted(last) : '';
  const rest = /^[\p{L}\p{N}_./+$*-]*/u.exec(query.slice(caret))[0].length;
  const at = { typed, from, to: last?.kind === 'string' ? caret : caret + rest };
  const left = (isText ? before.slice(0, -1) : before).filter((piece) => piece.kind !== 'space' && piece.kind !== 'comment');
  const open = opened(left);
  const [mark, name] = [left.at(-1)?.kind, left.at(-2)];
  if (open?.kind === '{') {
    if (mark === '"' || mark === '=') return { ...at, kind: 'value', field: nameOf(left.slice(0, -1).findLast((piece) => piece.kind === 'word')) };
    return { ...at, kind: 'stream' };
  }
  if (mark === ':' && name) return { ...at, kind: 'value', field: nameOf(name) };
  if (mark === '=' || mark === '!') {
    const colon = left.findLastIndex((piece) => piece.kind === ':');
    if (colon > 0 && left.length - colon <= 3) return { ...at, kind: 'value', field: nameOf(left[colon - 1]) };
    return none;
  }
  if (last?.kind === 'string') return none;
  if (mark === '|') return { ...at, kind: 'pipe' };
  return { ...at, ...inPipe(left, open) };
}

/** What is expected in a pipe, or in the filter. */
function inPipe(left, open) {
  const begin = left.findLastIndex((piece, n) => piece.kind === '|' && !opened(left.slice(0, n)));
  if (begin < 0) return { kind: open && open.call === 'in' ? 'none' : 'any' };
  const [pipe, ...inside] = left.slice(begin + 1);
  if (['filter', 'where'].includes(pipe?.text)) return { kind: 'any' };
  if (pipe?.text === 'stats' && !open && ['stats', ')', ','].includes(inside.at(-1)?.text ?? 'stats')) return { kind: 'function' };
  return { kind: 'field' };
}

/** The bracket that is open at the end, and the word before it. */
function opened(list) {
  const stack = [];
  list.forEach((piece, n) => {
    if ('([{'.includes(piece.kind)) stack.push({ kind: piece.kind, call: list[n - 1]?.text });
    if (')]}'.includes(piece.kind)) stack.pop();
  });
  return stack.at(-1);
}

const unquoted = (piece) => (piece.kind === 'string' ? piece.text.slice(1).replace(/\\(.)/g, '$1') : piece.text);

function nameOf(piece) {
  if (!piece) return '';
  return piece.kind === 'string' ? unquoted({ ...piece, text: piece.text.replace(/["'`]$/, '') }) : piece.text.replace(/^-/, '');
}

const isLike = (text, typed) => text.toLowerCase().includes(typed.toLowerCase());
const byBegin = (typed) => (a, b) => Number(b.text.toLowerCase().startsWith(typed.toLowerCase())) - Number(a.text.toLowerCase().startsWith(typed.toLowerCase()));
const listed = (table, kind, end = '') => Object.entries(table).map(([text, detail]) => ({ text: text.trim(), insert: text + end, kind, detail }));

/** How many offers are shown. */
const MOST = 60;

/** Fields and values are asked for once in this long, in ms. */
const FRESH = 60_000;
const known = new Map();
/** With whose token that was asked. */
let owner = '';

async function values(path, args, signal) {
  const asked = token.peek();
  if (owner !== asked) known.clear();
  owner = asked;
  const key = `${path} ${JSON.stringify(args)}`;
  const kept = known.get(key);
  if (kept && performance.now() - kept.at < FRESH) return kept.values;
  const { values: found } = await get(path, { form: { ...args, allow_partial_response: 1 }, signal });
  if (known.size > 200) known.clear();
  if (owner === asked) known.set(key, { at: performance.now(), values: found });
  return found;
}

/** The names of the fields that the rows of a query have, and how many rows have each. */
export const fieldNames = (query, bounds, signal) => values('/select/logsql/field_names', { query: query || '*', ...bounds }, signal);

/** The values of a field with the most rows. */
export const fieldValues = (query, field, bounds, limit, filter, signal) => (
  values('/select/logsql/field_values', { query: query || '*', field, limit, filter, ...bounds }, signal)
);

/**
 * What can be put at the caret, the best first.
 * @param {{start: string, end: string}} bounds  the time that is searched
 * @returns {Promise<{from: number, to: number, offers: Offer[]}>}
 */
export async function complete(query, caret, bounds, signal) {
  const at = context(query, caret);
  const offers = (await offersFor(at, bounds, signal)).filter(({ text, insert }) => isLike(text, at.typed) && insert !== at.typed);
  return { from: at.from, to: at.to, offers: offers.sort(byBegin(at.typed)).slice(0, MOST) };
}

async function offersFor(at, bounds, signal) {
  const fields = async (end) => (await fieldNames('*', bounds, signal)).map(({ value, hits }) => ({
    text: value, insert: quote(value) + end, kind: 'field', detail: hits,
  }));
  switch (at.kind) {
    case 'pipe': return listed(PIPES, 'pipe', ' ');
    case 'function': return [...listed(FUNCTIONS, 'function', '('), { text: 'by', insert: 'by (', kind: 'pipe', detail: 'for each value of these fields' }];
    case 'field': return fields('');
    case 'stream': return STREAM.map((text) => ({ text, insert: `${text}="`, kind: 'field', detail: 'of the stream' }));
    case 'any': return [...await fields(':'), ...listed(FILTERS, 'filter')];
    case 'value': {
      if (['_time', '_msg', '_stream'].includes(at.field)) return [];
      const found = await fieldValues('*', at.field, bounds, MOST, at.typed, signal);
      const exact = found.filter(({ value }) => value.length <= 200).map(({ value, hits }) => ({ text: value || '(empty)', insert: quote(value), kind: 'value', detail: hits }));
      return [...exact, ...listed(VALUE_FILTERS, 'filter')];
    }
    default: return [];
  }
}

