// Live logs of an app, or of one of its Machines: filters, the list, and what can be done with it.

import { download, fileName, held as ofHeld, sliced } from '../download.js';
import { html, useEffect, useMemo, useRef, useState } from '../ui.js';
import { now } from '../clock.js';
import { clock, count, plural } from '../format.js';
import { Icon } from '../icons.js';
import { useKeys } from '../keys.js';
import { LineView, linkOfLine, useLines } from '../lines/view.js';
import { say } from '../notice.js';
import { link, setArgs } from '../router.js';
import { kindOf } from '../template.js';
import { Menu } from '../menu.js';
import { fieldsOf, habits, keep, MOST_FIELDS, withFields } from './habits.js';
import { Feed } from './feed.js';
import { FilterBar } from './filterbar.js';
import { fitsWith, fromArgs, isAny, logsql, logsqlWithGaps, markOf, MOST_HIDDEN, NOTHING, withField, withHidden } from './filters.js';
import { isLive, State } from './state.js';
import { View } from './view.js';

/** How long somebody has stopped typing before the filter is sent: milliseconds. */
const PAUSE = 250;

/**
 * @param {{app: string, args: Record<string, string>, instance?: string, title: any, children?: any}} props
 *   `instance`: of this Machine alone, whatever the address says; `children` stand below the title
 */
export function Live({ app, args, instance, title, children }) {
  const filters = useMemo(() => ({ ...fromArgs(args), ...(instance ? { instance } : {}) }), [JSON.stringify(args), instance]);
  const [state, setState] = useState({ name: 'connecting', why: '' });
  const [view, setView] = useState({ following: true, fresh: 0 });
  const [held, setHeld] = useState({ length: 0, gone: 0 });
  const [habit, setHabit] = useState(habits);
  const [isViewOpen, setIsViewOpen] = useState(false);
  const feed = useRef(/** @type {Feed | null} */ (null));
  const text = useRef(null);

  const lines = useLines({
    label: `Lines of ${instance ?? app}`,
    look: lookOf(habit, app, instance),
    onState: (now) => {
      setView(now);
      if (now.following) feed.current?.release();
    },
    onOlder: () => feed.current?.older().catch((error) => say(error.message)),
    onFilter: (field, value, isNot) => setArgs(withField(filters, field, value, isNot)),
    onHide: (line) => hide(line, filters),
    onColumn: (name) => change(withColumn(habit, app, name)),
    linkOf: linkOfLine,
    contextOf: linkOfLine,
  });
  const { list } = lines;

  // The time of day says enough as long as all is of today.
  const dates = Boolean(held.first) && new Date(held.first).toDateString() !== new Date().toDateString();

  useFeed(list, app, filters, feed, setState);
  useCounts(list, setHeld);
  useEffect(() => list.setLook({ ...lookOf(habit, app, instance), dates, mark: markOf(filters) }), [habit, app, instance, dates, filters.text]);
  const change = (next) => {
    setHabit(next);
    keep(next);
  };
  const { wrap } = habit;
  const setWrap = (is) => change({ ...habit, wrap: is });

  const follow = (is) => list.follow(is);
  useKeys('Live logs', [
    { keys: '/', does: 'Filter by text', act: () => text.current?.focus() },
    { keys: ' ', does: 'Pause or follow', act: () => follow(!list.following) },
    { keys: 'w', does: 'Wrap long lines, or cut them', act: () => setWrap(!wrap) },
    { keys: 'x', does: 'Take all filters away', act: () => setArgs(NOTHING) },
    { keys: 'f', does: 'Show equal lines once, or each', act: () => change({ ...habit, fold: !habit.fold }) },
    { keys: 'v', does: 'Choose columns', act: () => setIsViewOpen(true) },
  ]);

  return html`<div class="live">
    <div class="live-head">
      <h1>${title}</h1>
      <${State} state=${state} isFollowing=${view.following} isEmpty=${held.length === 0} />
      <div class="live-acts">
        <button class="button" onClick=${() => follow(!view.following)} title="Pause or follow (Space)">
          <${Icon} name=${view.following ? 'pause' : 'play'} /><span class="word">${view.following ? 'Pause' : 'Follow'}</span></button>
        <button class="button" onClick=${() => setIsViewOpen(true)} title="Columns, and how lines are shown (v)" aria-label="View"><${Icon} name="columns" /></button>
        <button class="button" aria-pressed=${wrap} onClick=${() => setWrap(!wrap)} title="Wrap long lines (w)" aria-label="Wrap long lines"><${Icon} name="wrap" /></button>
        <${Download} app=${app} filters=${filters} list=${list} />
        <a class="button not-phone" href=${link('search', [], { q: logsql(app, filters) })}><${Icon} name="search" />Search</a>
      </div>
    </div>
    ${children}
    <${FilterBar} app=${app} filters=${filters} isFixed=${Boolean(instance)} textRef=${text} pause=${PAUSE} />
    ${isViewOpen && html`<${View} app=${app} isOne=${Boolean(instance)} habit=${habit} set=${change} lines=${list.held.lines} close=${() => setIsViewOpen(false)} />`}
    <${LineView} lines=${lines}>
      ${held.length === 0 && html`<${Idle} app=${app} state=${state} isAny=${isAny({ ...filters, instance: instance ? '' : filters.instance })} />`}
      ${!view.following && html`<button class="button strong to-end" onClick=${() => follow(true)}>
        <${Icon} name="down" />${view.fresh > 0 ? `${count(view.fresh)} new` : 'To the end'}</button>`}
    <//>
    <div class="live-foot num">
      <span>${plural(held.length, 'line')} here${held.gone > 0 ? `, ${count(held.gone)} older ones let go: scroll up for them` : ''}</span>
      <span class="not-phone">${held.first ? `since ${clock(held.first)}` : ''}</span>
    </div>
  </div>`;
}

/** What the list is told of somebody's habits. A page of one Machine needs no column for it. */
const lookOf = (habit, app, instance) => ({
  wrap: habit.wrap, fold: habit.fold, ...habit.columns, instances: habit.columns.instances && !instance, fields: fieldsOf(habit, app),
});

/** The habits with a column for a field, or without it if there is one. */
function withColumn(habit, app, name) {
  const now = fieldsOf(habit, app);
  if (!now.includes(name) && now.length >= MOST_FIELDS) say(`There are ${MOST_FIELDS} columns for fields already: take one away first`);
  return withFields(habit, app, now.includes(name) ? now.filter((one) => one !== name) : [...now, name]);
}

/** Hides lines like this one. The address before stays on the way back. */
function hide(line, filters) {
  const kind = kindOf(line);
  if (!kind) return say('This line is too long, or too odd, to tell others like it');
  if (filters.hidden.length >= MOST_HIDDEN) return say(`${MOST_HIDDEN} kinds of lines are hidden already: show some of them first`);
  if (!fitsWith(filters, kind)) return say('The filters would be too long for an address: show some hidden lines first, or hide lines of a shorter text');
  setArgs(withHidden(filters, kind), { replace: false });
  return say('Lines like this are hidden', { name: 'Undo', act: () => setArgs({ hide: filters.hidden.length ? JSON.stringify(filters.hidden) : '' }, { replace: false }) });
}

/** A feed for the filters; another one when they change. */
function useFeed(list, app, filters, ref, setState) {
  const key = JSON.stringify([app, filters]);
  useEffect(() => {
    list.clear();
    list.follow(true);
    const feed = new Feed(list, app, filters, setState);
    ref.current = feed;
    feed.start();
    return () => feed.stop();
  }, [key]);
}

/** How many lines there are, looked at a few times in a second rather than with each line. */
function useCounts(list, set) {
  useEffect(() => {
    const look = () => set((before) => {
      const now = { length: list.length, gone: list.held.gone, first: list.held.at(0)?.ms ?? 0 };
      return now.length === before.length && now.gone === before.gone && now.first === before.first ? before : now;
    });
    const timer = setInterval(look, 200);
    return () => clearInterval(timer);
  }, [list]);
}

/** What stands where lines would be. */
function Idle({ app, state, isAny: hasNone }) {
  if (state.name === 'ended') return html`<div class="idle"><strong>The tail has ended</strong><p>${state.why}</p></div>`;
  if (!isLive(state) && state.name !== 'store-away') return null;
  if (!hasNone) {
    return html`<div class="idle"><strong>Nothing matches yet</strong><p>Connected. A line that matches is shown when it comes.</p>
      <button class="button" onClick=${() => setArgs(NOTHING)}>Take all filters away</button></div>`;
  }
  return html`<div class="idle"><strong>Connected, no logs yet</strong><p>There is no line of ${app} that is still kept. New ones are shown the moment they come:</p>
    <pre>logway run --app ${app} -- ./your-server</pre></div>`;
}

function Download({ app, filters, list }) {
  const make = (pieces) => download(fileName(app), pieces).catch((error) => say(`The download failed: ${error.message}`));
  const stored = (minutes) => make(sliced(logsqlWithGaps(app, filters), now() - minutes * 60_000, now()));
  return html`<${Menu} label="Download" icon="down" items=${[
    [`The ${plural(list.length, 'line')} shown here`, () => make(ofHeld(list.held.lines))],
    ['The last 15 minutes', () => stored(15)],
    ['The last hour', () => stored(60)],
    ['The last 24 hours', () => stored(24 * 60)],
    ['The last 7 days', () => stored(7 * 24 * 60)],
  ]} />`;
}

