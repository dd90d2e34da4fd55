// What the pages do with text, without a browser: clauses of LogsQL, what is completed, times, templates, columns.
import { expect, test } from '@playwright/test';
import { hasClause, hasOrder, isTable, parts, templateClause, toggled, withClause, withoutClause, clause, pieces } from '../js/search/logsql.js';
import { hash, instantOf, moved, read, span, spanText, stepOf, zoomedOut } from '../js/search/state.js';
import { timeLabelsOf } from '../js/search/times.js';

const each = (name, table, check) => test(name, () => table.forEach((row) => check(...row)));

each('the pieces of a query are all of it', [
  'a and "b | c" | stats by (x) count()', "app:='it''s' #end | no\n| x", '`raw\\` y', '"open', '', 'шум ☃ {app="a|b"}',
].map((query) => [query]), (query) => {
  expect(pieces(query).map(({ text }) => text).join('')).toBe(query);
});

each('filter and pipes', [
  ['', '', []],
  ['error', 'error', []],
  ['a | b', 'a', ['b']],
  ['"a | b" (c | d) | stats by (x) count() | limit 3', '"a | b" (c | d)', ['stats by (x) count()', 'limit 3']],
  ['{app="a|b"} #x | y\n| z', '{app="a|b"} #x | y', ['z']],
], (query, filter, pipes) => expect(parts(query)).toEqual({ filter, pipes }));

each('clauses', [
  ['level', 'error', false, 'level:=error'],
  ['level', '', false, 'level:""'],
  ['level', 'a b', true, '-level:="a b"'],
  ['log level', 'x"y', false, '"log level":="x\\"y"'],
  ['and', 'or', false, '"and":="or"'],
  ['user', '-x', false, 'user:="-x"'],
  ['t', 'a\u2028b\u202e', false, 't:="a\\u2028b\\u202e"'],
], (field, value, isExcluded, wanted) => expect(clause(field, value, isExcluded)).toBe(wanted));

each('a clause goes in once and comes out again', [
  ['', 'level:=error', 'level:=error'],
  ['*', 'level:=error', 'level:=error'],
  ['web', 'level:=error', 'web level:=error'],
  ['a or b', 'level:=error', '(a or b) level:=error'],
  ['(a or b)', 'level:=error', '(a or b) level:=error'],
  ['web | stats count()', 'level:=error', 'web level:=error | stats count()'],
  ['web level:=error', 'level:=error', 'web level:=error'],
  ['web #why', 'level:=error', 'web #why\nlevel:=error'],
  ['web #why\n| limit 3', 'level:=error', 'web #why\nlevel:=error\n| limit 3'],
], (query, text, wanted) => {
  expect(withClause(query, text)).toBe(wanted);
  expect(hasClause(wanted, text)).toBe(true);
  expect(withClause(wanted, text)).toBe(wanted);
});

each('taking out', [
  ['web level:=error', 'level:=error', 'web'],
  ['level:=error', 'level:=error', '*'],
  ['level:=errors', 'level:=error', 'level:=errors'],
  ['-level:=error', 'level:=error', '-level:=error'],
  ['a level:=error b | limit 1', 'level:=error', 'a b | limit 1'],
  ['a and level:=error and b', 'level:=error', 'a b'],
  ['"level:=error"', 'level:=error', '"level:=error"'],
  ['(level:=error)', 'level:=error', '(level:=error)'],
  ['a or level:=error', 'level:=error', 'a or level:=error'],
], (query, text, wanted) => expect(withoutClause(query, text)).toBe(wanted));

test('a value is kept to, excluded, and let go', () => {
  const kept = toggled('web', 'level', 'error', false);
  expect(kept).toBe('web level:=error');
  const excluded = toggled(kept, 'level', 'error', true);
  expect(excluded).toBe('web -level:=error');
  expect(toggled(excluded, 'level', 'error', true)).toBe('web');
});

each('templates', [
  ['_msg', 'took <N>ms (a.b)', '~`^took [0-9a-fA-F]+ms \\(a\\.b\\)$`'],
  ['msg', 'a`<UUID>', 'msg:~"^a`[0-9a-fA-F-]+$"'],
  ['_msg', '<user>', '~`^<user>$`'],
], (field, template, wanted) => expect(templateClause(field, template)).toBe(wanted));

each('what is a table', [
  ['error', false], ['a | sort by (_time)', false], ['a | filter b', false], ['a | stats count()', true], ['a | count()', true], ['a | top 5 by (x)', true],
  ['"| stats count()"', false], ['a | fields x', true], ['a | by (x) count()', true],
], (query, wanted) => expect(isTable(query), query).toBe(wanted));

each('who orders lines', [['error', false], ['a | sort by (took desc) | limit 3', true], ['"| limit 3"', false], ['a | head 5', true], ['a | filter limit', false]], (query, wanted) => expect(hasOrder(query), query).toBe(wanted));

const NOW = Date.parse('2026-11-26T12:00:00Z');
each('moments', [
  ['now', 0], ['-1h', -36e5], ['now-15m', -9e5], ['-1h30m', -54e5], ['2026-11-26', -432e5], ['2026-11-26 11:00', -36e5], ['2026-11-26T11:00:30.5Z', -35695e2],
  ['2026-11-26 13:00+01:00', 0], ['yesterday', null], ['-1', null], ['2026-13-99', null], ['', null],
], (text, wanted) => expect(instantOf(text, NOW), text).toBe(wanted === null ? null : NOW + wanted));

test('the address is the state', () => {
  const state = { q: 'a & b="c" | d', from: '-3h', to: 'now-5m', order: 'asc', view: 'patterns', at: 'i:0:1', around: '' };
  const args = Object.fromEntries(new URLSearchParams(hash(state).split('?')[1]));
  expect(read(args)).toEqual(state);
  expect(hash(read({}))).toBe('#/search');
  expect(read({ from: 'rubbish', to: 'x', order: '?', view: '?' })).toEqual(read({}));
});

test('spans move and grow', () => {
  const hour = { ...read({}), from: '-1h', to: 'now' };
  expect(span(hour, NOW)).toEqual([NOW - 36e5, NOW]);
  expect(span({ ...hour, from: 'now', to: '-1h' }, NOW)[0]).toBeLessThan(span({ ...hour, from: 'now', to: '-1h' }, NOW)[1]);
  expect(span(moved(hour, -1, NOW), NOW)).toEqual([NOW - 72e5, NOW - 36e5]);
  expect(span(moved(moved(hour, -1, NOW), 1, NOW), NOW)).toEqual([NOW - 36e5, NOW]);
  expect(span(zoomedOut(hour, NOW), NOW)).toEqual([NOW - 72e5, NOW]);
  expect(spanText(hour)).toBe('Last 1 hour');
});

each('steps', [[36e5, 6e4], [3 * 36e5, 12e4], [24 * 36e5, 9e5], [30 * 864e5, 432e5], [100, 1]], (length, wanted) => expect(stepOf(0, length)).toBe(wanted));

test('marks of time say the day once', () => {
  const labels = timeLabelsOf([0, 43_200, 86_400].map((at) => at + NOW / 1000));
  expect(labels[0]).toMatch(/^\d\d-\d\d$/);
  expect(timeLabelsOf([NOW / 1000, NOW / 1000 + 600])[1]).toMatch(/^\d\d:\d\d$/);
});
