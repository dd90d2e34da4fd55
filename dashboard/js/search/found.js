// The lines that were found, with what can be done with each.

import { html, useEffect, useMemo, useRef } from '../ui.js';
import { plural } from '../format.js';
import { fromRow } from '../line.js';
import { say } from '../notice.js';
import { kindOf } from '../template.js';
import { LineView, linkOfLine, useLines } from '../lines/view.js';
import { Examples } from './examples.js';
import { templateClause, toggled, withClause } from './logsql.js';
import { PAGE } from './run.js';
import { hash, iso, zoomedOut } from './state.js';

/** How near to the end further lines are asked for, in pixels. */
const NEAR_END = 1200;

/** @param {{run: object, state: import('./state.js').State, change: (part: object) => void, wrap: boolean}} props */
export function Found({ run, state, change, wrap }) {
  const lines = useMemo(() => run.rows.map(lineOf), [run.rows]);
  if (!lines.length && run.state === 'busy') return html`<p class="loading" aria-busy="true">Searching</p>`;
  if (!lines.length && run.state === 'ended') return html`<div class="search-none"><h2>Stopped</h2><p>It was stopped before a line came.</p></div>`;
  if (!lines.length) return html`<${Nothing} state=${state} change=${change} />`;
  return html`<div class=${run.isStale ? 'found-lines stale' : 'found-lines'} aria-busy=${run.state === 'busy'}><${List} lines=${lines} run=${run} state=${state} change=${change} wrap=${wrap} /></div>`;
}

/** Rows become lines once: a list knows lines by their ids. */
const made = new WeakMap();
function lineOf(row) {
  if (!made.has(row)) made.set(row, fromRow(row));
  return made.get(row);
}

function List({ lines, run, state, change, wrap }) {
  // A link shows the span in which the line is, whenever it is opened.
  const [from, to] = run.span;
  const fixed = { ...state, from: iso(from), to: iso(to), around: '' };
  const view = useLines({
    label: 'Found lines', follow: false, look: { apps: true, dates: true, wrap },
    onFilter: (field, value, isNot) => change({ q: toggled(state.q, field, value, isNot) }),
    onHide: (line) => {
      const kind = kindOf(line);
      if (kind) change({ q: withClause(state.q, `-${templateClause(...kind)}`) });
      else say('This line is too long, or too odd, to tell others like it');
    },
    // Whoever opens the link has the first lines alone: one beyond them is shown in the page of its app.
    linkOf: (line) => (list.held.indexOf(line.id) < PAGE ? hash({ ...fixed, at: line.id }) : linkOfLine(line)),
    contextOf: (line) => hash({ ...state, at: line.id, around: line.id }),
  });
  const { list } = view;
  const held = useRef({ count: 0, first: '', last: '' });
  list.canFollow = false;
  const near = ({ target }) => {
    // The key that goes to the end must not keep the list there when more comes.
    if (list.following) list.follow(false);
    if (run.hasMore && target.scrollHeight - target.clientHeight - target.scrollTop < NEAR_END) run.more();
  };
  useEffect(() => { if (list.look.wrap !== wrap) list.setLook({ wrap }); }, [wrap]);
  useEffect(() => {
    const { count, first, last } = held.current;
    const isLonger = count > 0 && lines.length > count && lines[0].id === first && lines[count - 1].id === last;
    if (isLonger) list.append(lines.slice(count));
    else if (lines.length !== count || lines[0].id !== first || lines.at(-1).id !== last) list.replace(lines);
    held.current = { count: lines.length, first: lines[0].id, last: lines.at(-1).id };
  }, [lines]);
  // The line that the address names is shown, and opened.
  useEffect(() => {
    if (!state.at) return undefined;
    return whenShown(list, () => { if (list.revealId(state.at, { middle: true }) && !state.around) list.toggle(state.at, true); });
  }, [state.at, lines]);
  // A list that scrolls tells nobody above it, but who listens on the way down.
  const isElsewhere = state.at && !state.around && run.state === 'done' && !run.isStale && !lines.some(({ id }) => id === state.at);
  return html`${isElsewhere && html`<p class="lacking" role="status">The line of the link is not among the ${plural(lines.length, 'line')} that are loaded. <a href=${hash({ ...state, around: state.at })}>Show it with the lines around it</a></p>`}
    <div class="found-list" onScrollCapture=${near}><${LineView} lines=${view} /></div>`;
}

/** Acts as soon as a list is in the page; gives what takes that back. */
export function whenShown(list, act) {
  let asked = 0;
  const look = () => {
    if (list.host) act();
    else asked = requestAnimationFrame(look);
  };
  look();
  return () => cancelAnimationFrame(asked);
}

function Nothing({ state, change }) {
  const wider = zoomedOut(state);
  return html`<div class="search-none">
    <h2>Nothing is found</h2>
    <p>No line of this time matches. Words are looked for as they stand, in small and capital letters: <code>i(error)</code> finds any case, <code>*rro*</code> a part of a word.</p>
    <p class="search-none-do">
      <button class="button" onClick=${() => change({ from: '-24h', to: 'now' })}>Search the last 24 hours</button>
      <button class="button" onClick=${() => change({ from: wider.from, to: wider.to })}>Zoom out</button>
      ${state.q && html`<button class="button" onClick=${() => change({ q: '' })}>All lines of this time</button>`}
    </p>
  </div>
  ${state.q && html`<${Examples} change=${change} />`}`;
}
