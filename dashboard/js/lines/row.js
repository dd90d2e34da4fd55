// One line as elements. Made by hand and not by Preact: a tail makes thousands in a second. What comes from an app goes in as text nodes.

import { clock, count, dayClock, plural, stamp } from '../format.js';
import { codeOf, hue, said, shortId } from '../line.js';
import { link } from '../router.js';
import { oneLine, shown } from '../text.js';

/** Most characters of a message in a row of one line, and in one that is wrapped. */
const MOST_CHARS = 700;
const MOST_WRAPPED = 1_500;
/** Most fields that a row shows behind its sentence. */
const MOST_PAIRS = 24;

/**
 * @typedef {object} Look  how rows are shown
 * @property {boolean} wrap
 * @property {boolean} dates      the day stands before the time
 * @property {boolean} apps       there is a column for the app
 * @property {boolean} instances  there is one for the instance
 * @property {RegExp | null} mark   what is marked in messages
 */

/** The row of a line. `isNext`: it goes on with the line above. @param {import('../line.js').Line} line @param {Look} look */
export function makeRow(line, look, isNext) {
  if (line.gap) return gapRow(line, look);
  const row = element('div', `row l-${line.level}${isNext ? ' next' : ''}`);
  row.setAttribute('role', 'article');
  row.tabIndex = -1;
  const head = element('div', 'row-head');
  const toggle = element('button', 'row-toggle');
  toggle.type = 'button';
  toggle.tabIndex = -1;
  toggle.setAttribute('aria-expanded', 'false');
  toggle.setAttribute('aria-label', 'Details of the line');
  const time = element('time', 'row-time', look.dates ? dayClock(line.ms) : clock(line.ms));
  time.title = `${stamp(line.ms)} (${line.time})`;
  head.append(toggle, time);
  if (look.apps) head.append(element('span', 'row-app', line.app));
  if (look.instances) {
    const instance = element('span', `row-instance h${hue(line.instance)}`, shortId(line.instance));
    instance.title = `${line.instance} in ${line.region}`;
    head.append(instance);
  }
  head.append(element('span', 'row-level', line.level), message(line, look, isNext));
  row.append(head);
  return row;
}

/** What the line says: its sentence, and dimmer the fields beside it. */
function message(line, look, isNext) {
  const box = element('span', 'row-message');
  const about = codeOf(line);
  if (about) {
    const code = element('button', 'code row-code', about);
    code.type = 'button';
    code.tabIndex = -1;
    code.dataset.code = about;
    code.setAttribute('aria-label', `What ${about} means`);
    box.append(code, ' ');
  }
  // The line that it goes on with says it already.
  if (line.stream === 'stderr' && !isNext) {
    const mark = element('span', 'row-stderr', 'stderr');
    mark.title = 'Written to the standard error output, which says nothing about how grave it is';
    box.append(mark, ' ');
  }
  if (line.provider && line.provider !== 'app' && line.provider !== 'import') {
    box.append(element('span', 'row-provider', line.provider), ' ');
  }
  const most = look.wrap ? MOST_WRAPPED : MOST_CHARS;
  const fit = (text) => (look.wrap ? shown(text, most) : oneLine(shown(text, most)));
  const inside = said(line);
  // The button says the code already.
  const text = element('bdi', 'row-text');
  text.dir = 'auto';
  marked(text, fit(inside ? inside.text : about ? line.message.replace(`[${about}] `, '') : line.message), look.mark);
  if (!inside || inside.text) box.append(text);
  if (inside) pairs(box, inside.pairs, look, fit);
  return box;
}

function pairs(box, all, look, fit) {
  // Where there is no sentence, the fields are what is said.
  if (!box.querySelector('.row-text')) box.classList.add('only-pairs');
  for (const [name, value] of all.slice(0, MOST_PAIRS)) {
    const pair = element('span', 'row-pair');
    const text = element('bdi', 'row-value');
    text.dir = 'auto';
    marked(text, fit(value), look.mark);
    pair.append(element('span', 'row-name', `${shown(name, 128)}=`), text);
    if (box.lastChild) box.append(' ');
    box.append(pair);
  }
  if (all.length > MOST_PAIRS) box.append(' ', element('span', 'row-more', `and ${count(all.length - MOST_PAIRS)} more`));
}

/** Lines that are missing, as a rule across the list. */
function gapRow(line, look) {
  const row = element('div', 'row gap');
  row.setAttribute('role', 'article');
  row.tabIndex = -1;
  const box = element('span', 'gap-text');
  const time = element('time', 'row-time', look.dates ? dayClock(line.ms) : clock(line.ms));
  // The record says it in a sentence; its number is grouped here.
  const why = (/^[\d,]+ lines? lost: (.*)$/s.exec(line.message)?.[1] ?? line.message).replace(` (${line.code})`, '');
  const text = element('span', 'gap-why');
  if (line.span) text.append(element('b', '', `${plural(line.span, 'line')} lost`), `: ${shown(why, 300)}`);
  else text.append(shown(why, 300));
  box.append(text);
  if (line.code) {
    const code = element('a', 'code', line.code);
    code.href = link('codes', line.code);
    code.tabIndex = -1;
    box.append(code);
  }
  const head = element('div', 'row-head');
  head.append(time, box);
  row.append(head);
  return row;
}

/** Puts text in, with marks around what `mark` finds. */
function marked(box, text, mark) {
  if (!mark) {
    box.textContent = text;
    return;
  }
  let from = 0;
  for (const found of text.matchAll(mark)) {
    if (!found[0]) continue;
    box.append(text.slice(from, found.index), element('mark', '', found[0]));
    from = found.index + found[0].length;
  }
  box.append(text.slice(from));
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
