// Text of LogsQL as the search page changes it: quoting, clauses put in and taken out, where filter and pipes part.
// The server alone decides what a query means; this reads just enough to put a clause in the right place.

/** Words that mean something where a value or a name could stand. */
const MEANING = new Set(['and', 'or', 'not', 'in', 'options', 'if', 'by', 'as', 'limit', 'offset', 'desc', 'asc', 'i', 'exact', 're', 'range', 'seq']);

/** A value that needs no quotes. */
const PLAIN = /^[\p{L}\p{N}_./+$][\p{L}\p{N}_./+$-]*$/u;

/** What must not stand in a query as it is: it would hide, or turn what stands beside it around. */
const HIDDEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text in quotes. */
const quoted = (text) => JSON.stringify(text).replace(HIDDEN, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A value or name as it stands in a query: quoted where it has to be. */
export function quote(text) {
  return PLAIN.test(text) && !MEANING.has(text.toLowerCase()) ? text : quoted(text);
}

/** The clause for rows where `field` is `value`, or is not. */
export function clause(field, value, isExcluded = false) {
  const is = value === '' ? `${quote(field)}:""` : `${quote(field)}:=${quote(value)}`;
  return isExcluded ? `-${is}` : is;
}

/**
 * The pieces of a query: `kind` is `word`, `string`, `space`, `comment` or the mark itself. Nothing is left out, so the texts
 * joined are the query again.
 * @returns {{kind: string, text: string, at: number}[]}
 */
export function pieces(query) {
  const rule = /(?<space>\s+)|(?<comment>#[^\n]*)|(?<string>"(?:\\.|[^"\\])*(?:"|$)|'(?:\\.|[^'\\])*(?:'|$)|`[^`]*(?:`|$))|(?<word>[\p{L}\p{N}_./+$*-]+)|(?<mark>.)/gsu;
  return [...query.matchAll(rule)].map((match) => {
    const kind = ['space', 'comment', 'string', 'word'].find((name) => match.groups[name] !== undefined) ?? match[0];
    return { kind, text: match[0], at: match.index };
  });
}

const OPENS = new Set(['(', '[', '{']);
const CLOSES = new Set([')', ']', '}']);

/** Calls `see` with each piece and how deep it stands in brackets. */
function walk(query, see) {
  let depth = 0;
  for (const piece of pieces(query)) {
    if (CLOSES.has(piece.kind)) depth = Math.max(0, depth - 1);
    see(piece, depth);
    if (OPENS.has(piece.kind)) depth += 1;
  }
}

/**
 * A query's filter and its pipes, each without blanks at its ends.
 * @returns {{filter: string, pipes: string[]}}
 */
export function parts(query) {
  const cuts = [];
  walk(query, (piece, depth) => {
    if (piece.kind === '|' && depth === 0) cuts.push(piece.at);
  });
  const ends = [...cuts, query.length];
  const texts = ends.map((end, n) => query.slice(n ? cuts[n - 1] + 1 : 0, end).trim());
  return { filter: texts[0], pipes: texts.slice(1) };
}

/** The query of this filter and these pipes. Behind a comment a pipe needs a line of its own. */
export const joined = (filter, pipes) => [filter || '*', ...pipes].reduce((query, pipe) => `${query}${query.includes('#') ? '\n' : ' '}| ${pipe}`);

/** Whether an `or` stands in the filter outside of brackets, so that it must be bracketed before something is put beside it. */
function hasOr(filter) {
  let found = false;
  walk(filter, (piece, depth) => { found ||= depth === 0 && piece.kind === 'word' && piece.text.toLowerCase() === 'or'; });
  return found;
}

/** The query with one more clause that all rows must meet. A clause that is there already is not put in twice. */
export function withClause(query, text) {
  const { filter, pipes } = parts(query);
  if (hasClause(query, text)) return query;
  const isAll = filter === '' || filter === '*';
  const before = isAll ? '' : `${hasOr(filter) ? `(${filter})` : filter}${filter.includes('#') ? '\n' : ' '}`;
  return joined(before + text, pipes);
}

/** Where the clause stands in the filter, whole and outside of brackets; -1 if it does not. */
function place(filter, text) {
  const starts = new Set();
  let isFree = true;
  walk(filter, (piece, depth) => {
    if (depth === 0 && isFree) starts.add(piece.at);
    isFree = piece.kind === 'space';
  });
  for (let at = filter.indexOf(text); at >= 0; at = filter.indexOf(text, at + 1)) {
    const behind = filter[at + text.length];
    if (starts.has(at) && (behind === undefined || /\s/.test(behind))) return at;
  }
  return -1;
}

/** Whether the query has this clause, as `withClause` writes it. */
export function hasClause(query, text) {
  const { filter } = parts(query);
  return !hasOr(filter) && place(filter, text) >= 0;
}

/** The query without this clause. */
export function withoutClause(query, text) {
  const { filter, pipes } = parts(query);
  const at = hasOr(filter) ? -1 : place(filter, text);
  if (at < 0) return query;
  const left = `${filter.slice(0, at).replace(/\s*(?:\band)?\s*$/i, '')} ${filter.slice(at + text.length).replace(/^\s*(?:and\b)?\s*/i, '')}`;
  return joined(left.trim(), pipes);
}

/** Puts the clause in where it is not, and takes it out where it is. The opposite clause goes. */
export function toggled(query, field, value, isExcluded) {
  const text = clause(field, value, isExcluded);
  if (hasClause(query, text)) return withoutClause(query, text);
  return withClause(withoutClause(query, clause(field, value, !isExcluded)), text);
}

/** What stands for what in a template of `collapse_nums prettify`. */
const SLOTS = {
  N: '[0-9a-fA-F]+',
  UUID: '[0-9a-fA-F-]+',
  IP4: '[0-9a-fA-F.]+',
  DATE: '[0-9a-fA-F/-]+',
  TIME: '[0-9a-fA-F:.,]+',
  DATETIME: '[0-9a-fA-F/:., TZ-]+',
};

/** The clause for values of `field` that have this template. */
export function templateClause(field, template) {
  const source = template.split(/(<(?:N|UUID|IP4|DATE|TIME|DATETIME)>)/).map((part, n) => (
    n % 2 ? SLOTS[part.slice(1, -1)] : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  )).join('');
  // Ends of the text, not of a line; and a dot is no line's end anywhere in it.
  const anchored = `^${source}$`;
  const text = anchored.includes('`') || /[\n\r]/.test(anchored) || anchored.search(HIDDEN) >= 0 ? quoted(anchored) : `\`${anchored}\``;
  return field === '_msg' ? `~${text}` : `${quote(field)}:~${text}`;
}

/** Pipes whose rows are no lines any more. */
const GATHERS = /^(?:stats|by|uniq|top|field_names|field_values|fields|keep|facets)\b/;

/** Whether what comes out are results rather than lines: those are shown as a table. */
export function isTable(query) {
  return parts(query).pipes.some((pipe) => GATHERS.test(pipe) || /^(?:count|sum|avg|min|max|quantile|median|rate|count_uniq)\w*\s*\(/.test(pipe));
}

/** Pipes after which lines come as the query says, not as the page would have them. */
const ORDERS = /^(?:sort|order|first|last|limit|head|offset|skip)\b/;

/** Whether the query says itself which lines come, and in which order. */
export const hasOrder = (query) => parts(query).pipes.some((pipe) => ORDERS.test(pipe));
