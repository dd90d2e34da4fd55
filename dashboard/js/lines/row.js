// One line as elements. Made by hand and not by Preact: a tail makes thousands in a second. What comes from an app goes in as text nodes.

import { clock, count, dayClock, plural, stamp } from '../format.js';
import { codeOf, hue, said, shortId, valueOf } from '../line.js';
import { link } from '../router.js';
import { oneLine, shown, visible } from '../text.js';

/** Most characters of a message in a row of one line, and in one that is wrapped. */
const MOST_CHARS = 700;
const MOST_WRAPPED = 1_500;
/** Most of a value in a column of its own. */
const MOST_CELL = 120;
/** Most fields that a row shows behind its sentence. */
const MOST_PAIRS = 24;

/**
 * @typedef {object} Look  how rows are shown
 * @property {boolean} wrap
 * @property {boolean} fold       equal lines are shown once
 * @property {boolean} dates      the day stands before the time
 * @property {boolean} times      there is a column for the time
 * @property {boolean} apps       there is one for the app
 * @property {boolean} instances  for the instance
 * @property {boolean} regions
 * @property {boolean} providers  for who wrote it
 * @property {boolean} levels
 * @property {string[]} fields    columns for these fields
 * @property {RegExp | null} mark   what is marked in messages
 */

/**
 * The row of a line. `isNext`: it goes on with the line above. `id`: what the ids of its parts begin with.
 * @param {import('../line.js').Line} line @param {Look} look
 */
export function makeRow(line, look, isNext, id) {
  if (line.gap) return gapRow(line, look, id);
  const row = article(`row l-${line.level}${isNext ? ' next' : ''}`);
  const head = element('div', 'row-head');
  const toggle = button('row-toggle', 'Details of the line');
  toggle.setAttribute('aria-expanded', 'false');
  head.append(toggle, ...columns(line, look), message(line, look, isNext));
  const wrap = button('row-wrap', look.wrap ? 'Cut this line' : 'Wrap this line');
  wrap.title = `${wrap.ariaLabel} (W)`;
  head.append(wrap);
  named(row, head.querySelectorAll('.row-level, .row-time, .row-message'), id);
  row.append(head);
  return row;
}

/** What stands before the message. */
function columns(line, look) {
  const cells = [];
  if (look.times) {
    const time = element('time', 'row-time', look.dates ? dayClock(line.ms) : clock(line.ms));
    time.title = `${stamp(line.ms)} (${line.time})`;
    cells.push(time);
  }
  if (look.apps) cells.push(element('span', 'row-app', line.app));
  if (look.instances) {
    const instance = element('span', `row-instance h${hue(line.instance)}`, shortId(line.instance));
    instance.title = `${line.instance} in ${line.region}`;
    cells.push(instance);
  }
  if (look.regions) cells.push(element('span', 'row-region', line.region));
  if (look.providers) cells.push(element('span', 'row-writer', line.provider));
  if (look.levels) cells.push(element('span', 'row-level', line.level));
  look.fields.forEach((name, at) => {
    const cell = element('span', `row-field f${at}`);
    const value = oneLine(shown(valueOf(line, name), MOST_CELL));
    const text = element('bdi', '', value);
    text.dir = 'auto';
    cell.title = visible(`${name}: ${value || '(nothing)'}`);
    cell.append(element('span', 'offscreen', `${shown(name, 128)} `), text);
    cells.push(cell);
  });
  return cells;
}

/** The names above columns; none where all of them say themselves what they are. @param {Look} look */
export function headsOf(look) {
  if (!look.fields.length) return [];
  const names = [
    [look.times, look.dates ? 'row-time dated' : 'row-time', 'Time'], [look.apps, 'row-app', 'App'], [look.instances, 'row-instance', 'Machine'], [look.regions, 'row-region', 'Region'],
    [look.providers, 'row-writer', 'Writer'], [look.levels, 'row-level', 'Level'], ...look.fields.map((name, at) => [true, `row-field f${at}`, shown(name, 128)]), [true, 'row-message', 'Message'],
  ];
  return names.filter(([is]) => is).map(([, name, text]) => element('span', name, text));
}

/** Says on a row how many equal lines it stands for; null: for itself alone. @param {HTMLElement} row @param {import('./fold.js').Group | null} group */
export function setTimes(row, group) {
  let times = row.querySelector('.row-times');
  if (!group) return void times?.remove();
  if (!times) {
    times = button('row-times', '');
    row.querySelector('.row-message')?.before(times);
  }
  times.textContent = `×${count(group.count)}`;
  times.setAttribute('aria-expanded', String(group.isOpen));
  times.ariaLabel = group.isOpen ? `Show the ${count(group.count)} equal lines as one` : `Show each of the ${count(group.count)} equal lines`;
  times.title = `${times.ariaLabel}: the last one is of ${clock(group.last.ms)}`;
}

/** What the line says: its sentence, and dimmer the fields beside it. */
function message(line, look, isNext) {
  const box = element('span', 'row-message');
  const about = codeOf(line);
  if (about) {
    const code = button('code row-code', `What ${about} means`);
    code.textContent = about;
    code.dataset.code = about;
    box.append(code, ' ');
  }
  // The line that it goes on with says it already.
  if (line.stream === 'stderr' && !isNext) {
    const mark = element('span', 'row-stderr', 'stderr');
    mark.title = 'Written to the standard error output, which says nothing about how grave it is';
    box.append(mark, ' ');
  }
  if (!look.providers && line.provider && line.provider !== 'app' && line.provider !== 'import') {
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
  // What has a column of its own is said there.
  if (inside) pairs(box, inside.pairs.filter(([name]) => !look.fields.includes(name)), look, fit);
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
function gapRow(line, look, id) {
  const row = article('row gap');
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
  named(row, [time, text], id);
  row.append(head);
  return row;
}

/** A row is an article of the feed, which can be gone to. */
function article(className) {
  const row = element('div', className);
  row.setAttribute('role', 'article');
  row.tabIndex = -1;
  return row;
}

/** An article is called by what it says: whoever goes to it hears that, and not the buttons in it. */
function named(row, parts, id) {
  if (!id) return;
  const ids = [...parts].map((part, at) => {
    part.id = `${id}-${at}`;
    return part.id;
  });
  row.setAttribute('aria-labelledby', ids.join(' '));
}

/** A button in a row: keys that work on lines do the same, so that Tab leads past it. */
function button(className, label) {
  const made = element('button', className);
  made.type = 'button';
  made.tabIndex = -1;
  made.ariaLabel = label;
  return made;
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
