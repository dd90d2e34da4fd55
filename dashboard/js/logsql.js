// LogsQL as text: conditions that cannot be anything but what they were meant to be, whatever stands in a value.

/** A value as a string of LogsQL. */
export const quoted = (text) => JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A field's name: bare if it can be nothing else. */
export const named = (field) => (/^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$/.test(field) && !WORDS.has(field.toLowerCase()) ? field : quoted(field));

const WORDS = new Set(['and', 'or', 'not', 'in', 'by', 'if', 'as']);

/** The field has this very value; an empty one means that it is missing or empty. */
export const is = (field, value) => `${named(field)}:=${quoted(value)}`;

/** The field has another value, or none. */
export const isNot = (field, value) => `!${is(field, value)}`;

/** The text stands in the message, wherever, in whatever case. */
export const says = (text) => `_msg:~${quoted(`(?i)${text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}`)}`;

/** The level, or a graver one. */
export const atLeast = (level) => {
  const all = ['debug', 'info', 'warn', 'error'];
  const from = all.indexOf(level);
  return from <= 0 ? '' : `level:in(${all.slice(from).join(', ')})`;
};

/** All of these at once. Empty ones are left out; none is every line. */
export const all = (...conditions) => conditions.flat().filter(Boolean).map((one) => (/\b(or|OR)\b|\|/.test(one) ? `(${one})` : one)).join(' ') || '*';

/** The lines of one boot around a line. @param {import('./line.js').Line} line */
export const around = (line, before, after) => all(
  line.app && is('app', line.app), is('instance', line.instance), is('boot', line.boot), `seq:range[${Math.max(1, line.seq - before)}, ${line.seq + after}]`,
);
