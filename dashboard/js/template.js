// What a line is like: its text with each number as `<N>`, as `collapse_nums prettify` of LogsQL makes it (crates/query/src/pipe/collapse_nums.rs).

import { said } from './line.js';

/** A run of digits and hexadecimal letters that does not stand inside a word; some letters may stand before it, and others behind. */
const RUN = /(?<![A-SUWYZa-suwyz0-9\u0080-\uffff])[0-9a-fA-F]+/g;
const BEHIND = /^(?:$|[TZsmhun_kKMGB]|[^\w\u0080-\uffff])/;

/** It is decimal, or has a digit and at least four places, of an even number. */
const isNumber = (run) => /^\d+$/.test(run) || (/\d/.test(run) && run.length >= 4 && run.length % 2 === 0);

/** What compounds of numbers are called, the longest first. */
const COMPOUNDS = [
  ['<N>-<N>-<N>-<N>-<N>', '<UUID>'], ['<N>.<N>.<N>.<N>', '<IP4>'], ['<N>-<N>-<N>', '<DATE>'], ['<N>/<N>/<N>', '<DATE>'],
  ['<N>:<N>:<N>.<N>', '<TIME>'], ['<N>:<N>:<N>,<N>', '<TIME>'], ['<N>:<N>:<N>', '<TIME>'],
  ['<DATE>T<TIME>Z', '<DATETIME>'], ['<DATE>T<TIME>', '<DATETIME>'], ['<DATE> <TIME>Z', '<DATETIME>'], ['<DATE> <TIME>', '<DATETIME>'],
];

/** The template of a text. @param {string} text */
export function templateOf(text) {
  const collapsed = text.replace(RUN, (run, at) => (isNumber(run) && BEHIND.test(text.slice(at + run.length, at + run.length + 1)) ? '<N>' : run));
  return COMPOUNDS.reduce((now, [compound, name]) => now.replaceAll(compound, name), collapsed);
}

/** The longest template that lines are told by. */
const LONGEST = 2_000;

/**
 * The field and the template that say which lines are like this one: of the sentence, where there is one, as in the patterns of a search.
 * @param {import('./line.js').Line} line @returns {[string, string] | null} null: it is too long to be told by it
 */
export function kindOf(line) {
  if (line.gap) return null;
  const pairs = new Map([...(said(line)?.all ?? []), ...Object.entries(line.own ?? {})]);
  const field = ['msg', 'message'].find((name) => pairs.get(name)) ?? '_msg';
  const template = templateOf(field === '_msg' ? line.message : String(pairs.get(field)));
  return template && template.length <= LONGEST ? [field, template] : null;
}
