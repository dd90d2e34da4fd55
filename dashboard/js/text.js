// Text of apps, made harmless to look at: what would act or hide is shown as a symbol.

/** Colours of terminals: they say nothing about the text, so a row leaves them out. The detail of a line shows them. */
const COLOURS = /\u001b\[[0-9;:]*m/g;

/** Control characters but tab and line feed; marks that turn text around or have no width; separators of lines. */
const ALWAYS = '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]';
/** What a joiner (U+200D) or a non-joiner (U+200C) belongs between: letters of scripts that are written with them, and emoji. */
const JOINED = '(?![\\p{sc=Latin}\\p{sc=Greek}\\p{sc=Cyrillic}])[\\p{L}\\p{M}\\p{ExtPict}\\p{EMod}]';
const HIDDEN = new RegExp(`${ALWAYS}|(?<!${JOINED})[\\u200c\\u200d]|[\\u200c\\u200d](?!${JOINED})`, 'gu');
const HAS_HIDDEN = new RegExp(HIDDEN.source, 'u');

/** A character that is not to be seen: `\x1b` for escape, as the command line has it, and `[U+202E]` for one that turns text around. */
function symbol(letter) {
  const code = letter.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `[U+${code.toUpperCase().padStart(4, '0')}]`;
}

/** All of a text, with what is hidden made visible. */
export const visible = (text) => (HAS_HIDDEN.test(text) ? text.replace(HIDDEN, symbol) : text);

/** A text for a row: without colours, with what is hidden made visible, and at most `most` characters. */
export function shown(text, most) {
  // Colours do not count, up to a bound on the work.
  const plain = text.includes('\u001b') ? text.slice(0, most * 4).replace(COLOURS, '') : text;
  if (plain.length <= most && (plain === text || text.length <= most * 4)) return visible(plain);
  // Not within a character of two halves.
  const end = /[\ud800-\udbff]/.test(plain[most - 1] ?? '') ? most - 1 : most;
  return `${visible(plain.slice(0, end))}…`;
}

/** A text for one line: line ends become a mark. */
export const oneLine = (text) => (text.includes('\n') ? text.replace(/\n+$/, '').replace(/\n/g, ' ↵ ') : text);
