// Search: a query, a time, and what is found, as lines, patterns or a table. The address holds all of it.

import { download, fileName, sliced, whole } from '../download.js';
import { html, useMemo, useRef, useState } from '../ui.js';
import { Icon } from '../icons.js';
import { Problem, copy, say } from '../notice.js';
import { count, plural } from '../format.js';
import { go } from '../router.js';
import { useKeys } from '../keys.js';
import { Dialog } from '../dialog.js';
import { Editor } from '../search/editor.js';
import { TimeRange } from '../search/timerange.js';
import { Histogram, totalOf } from '../search/histogram.js';
import { Fields } from '../search/fields.js';
import { Patterns } from '../search/patterns.js';
import { Results } from '../search/table.js';
import { Examples } from '../search/examples.js';
import { Found } from '../search/found.js';
import { Context } from '../search/context.js';
import { Share } from '../search/share.js';
import { SavedSearches } from '../search/savedmenu.js';
import { MOST_LINES, MOST_RESULTS, filterOf, useRun } from '../search/run.js';
import { hash, iso, read, zoomed, zoomedOut } from '../search/state.js';
import { hasOrder, isTable, parts } from '../search/logsql.js';

export default function Search({ args }) {
  const state = useMemo(() => read(args), [JSON.stringify(args)]);
  const [turn, setTurn] = useState(0);
  const [dialog, setDialog] = useState('');
  const [wrap, setWrap] = useState(false);
  const focus = useRef(null);
  const run = useRun(state, turn);
  const [from, to] = run.span;
  const bounds = useMemo(() => ({ start: iso(from), end: iso(to) }), [from, to]);
  const filter = filterOf(state.q);
  const table = isTable(state.q);

  /** Goes to another search; the one before stays on the way back. */
  const change = (part) => {
    const next = hash({ ...state, at: '', around: '', ...part });
    if (next === hash(state)) setTurn(turn + 1);
    else go(next);
  };
  const fetchAll = () => {
    // Pipes say themselves which rows there are, and in which order.
    const isFilter = parts(state.q).pipes.length === 0;
    const pieces = isFilter ? sliced(state.q, from, to) : whole({ query: state.q || '*', ...bounds });
    download(fileName('logway'), pieces).catch((error) => say(`The download failed: ${error.message}`));
  };
  const close = () => setDialog('');
  useKeys('Search', [
    { keys: '/', does: 'Write the query', act: () => focus.current?.focus() },
    { keys: 'r', does: 'Search again', act: () => setTurn(turn + 1) },
    { keys: 'z', does: 'Zoom out', act: () => change(zoomedOut(state)) },
    { keys: 'o', does: 'Newest or oldest first', act: () => change({ order: state.order === 'asc' ? 'desc' : 'asc' }) },
    { keys: 'p', does: 'Lines or patterns', act: () => change({ view: state.view === 'patterns' ? 'lines' : 'patterns' }) },
    { keys: 'w', does: 'Wrap long lines', act: () => setWrap(!wrap) },
  ]);
  const isBroken = run.state === 'failed';
  const isWrong = isBroken && run.error.status === 400;
  return html`<div class="search">
    <h1 class="offscreen">Search</h1>
    <div class="search-top">
      <${Editor} query=${state.q} run=${(q) => change({ q })} bounds=${() => bounds} error=${isWrong ? run.error : null} isBusy=${run.state === 'busy'} stop=${run.stop} focus=${focus} />
      <div class="search-tools">
        <${TimeRange} state=${state} change=${change} />
        <${Views} state=${state} table=${table} change=${change} />
        <span class="grow"></span>
        <button class="button only-narrow" onClick=${() => setDialog('fields')}>Fields</button>
        <button class="button only-wide" onClick=${() => setDialog('saved')}>Saved</button>
        <button class="button only-wide" onClick=${() => setDialog('share')}>Share</button>
        <${More} state=${state} bounds=${bounds} fetchAll=${fetchAll} open=${setDialog} />
      </div>
    </div>
    ${!isBroken && html`<${Histogram} bars=${run.bars} error=${run.barsError} isBusy=${run.state === 'busy'} isOver=${run.state === 'ended'} zoom=${(a, b) => change(zoomed(state, a, b))} />`}
    <div class="search-body">
      <aside class="search-side only-wide" aria-label="Fields"><${Fields} query=${state.q} filter=${filter} bounds=${bounds} change=${change} /></aside>
      <section class="search-found" aria-label="Found">
        ${!isBroken && html`<${Status} run=${run} state=${state} table=${table} change=${change} wrap=${wrap} setWrap=${setWrap} />`}
        ${isWrong && html`<${Examples} change=${change} />`}
        ${isBroken && !isWrong && html`<${Problem} error=${run.error} again=${() => setTurn(turn + 1)} />`}
        ${!isBroken && (state.view === 'patterns'
    ? html`<${Patterns} state=${state} filter=${filter} bounds=${bounds} change=${change} turn=${turn} />`
    : table ? html`<${Gathered} run=${run} />` : html`<${Found} run=${run} state=${state} change=${change} wrap=${wrap} />`)}
      </section>
    </div>
    ${state.around && html`<${Context} id=${state.around} span=${run.span} close=${() => go(hash({ ...state, around: '' }), { replace: true })} />`}
    ${dialog === 'saved' && html`<${SavedSearches} state=${state} close=${close} />`}
    ${dialog === 'share' && html`<${Share} state=${state} filter=${filter} bounds=${bounds} close=${close} />`}
    ${dialog === 'fields' && html`<${Dialog} title="Fields" close=${close}><${Fields} query=${state.q} filter=${filter} bounds=${bounds} change=${(part) => { close(); change(part); }} /><//>`}
  </div>`;
}

function Gathered({ run }) {
  if (run.state === 'busy' && !run.rows.length) return html`<p class="loading" aria-busy="true">Searching</p>`;
  if (!run.rows.length && run.state === 'ended') return html`<div class="search-none"><h2>Stopped</h2><p>It was stopped before a result came.</p></div>`;
  if (!run.rows.length) return html`<div class="search-none"><h2>No results</h2><p>No line of this time matches, so there is nothing to gather.</p></div>`;
  return html`<${Results} rows=${run.rows} />`;
}

function Views({ state, table, change }) {
  return html`<span class="tabs" role="group" aria-label="How it is shown">
    <button class="button" aria-pressed=${state.view === 'lines'} onClick=${() => change({ view: 'lines' })}>${table ? 'Results' : 'Lines'}</button>
    <button class="button" aria-pressed=${state.view === 'patterns'} title="Lines that differ in numbers only, as one (p)" onClick=${() => change({ view: 'patterns' })}>Patterns</button>
  </span>`;
}

function More({ state, bounds, fetchAll, open }) {
  const curl = () => copy(`curl -s -H "Authorization: Bearer $TOKEN" '${location.origin}/select/logsql/query' --data-urlencode '${`query=${state.q || '*'}`.replaceAll("'", "'\\''")}' -d start=${bounds.start} -d end=${bounds.end}`, 'Command');
  const clicked = (event) => { if (event.target.closest('button')) event.currentTarget.open = false; };
  const keys = (event) => {
    if (event.key !== 'Escape' || !event.currentTarget.open) return;
    event.currentTarget.open = false;
    event.currentTarget.querySelector('summary').focus();
  };
  const left = (event) => { if (!event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false; };
  return html`<details class="menu more" onClick=${clicked} onKeyDown=${keys} onfocusout=${left}>
    <summary class="button" aria-label="More"><${Icon} name="more" /></summary>
    <div class="menu-list">
      <button class="only-narrow" onClick=${() => open('saved')}><${Icon} name="search" /> Saved searches</button>
      <button class="only-narrow" onClick=${() => open('share')}><${Icon} name="tokens" /> Share this search</button>
      <button onClick=${() => copy(location.href, 'Link')}><${Icon} name="anchor" /> Copy a link, without a token</button>
      <button onClick=${fetchAll}><${Icon} name="down" /> Download all rows (NDJSON)</button>
      <button onClick=${curl}><${Icon} name="copy" /> Copy as curl</button>
    </div>
  </details>`;
}

/** What was found, how long it took, and what it lacks. */
function Status({ run, state, table, change, wrap, setWrap }) {
  const total = run.bars ? totalOf(run.bars) : null;
  const took = run.ms >= 1000 ? `${(run.ms / 1000).toFixed(1)} s` : `${Math.max(1, Math.round(run.ms))} ms`;
  const isDone = run.state === 'done';
  const areLines = !table && state.view === 'lines';
  return html`<div class="found-head">
    <p class="found-says" role="status">
      ${run.state === 'busy' && html`<span class="dim">${run.coming ? `${plural(run.coming, 'row')} have come` : 'searching'}</span>`}
      ${isDone && total !== null && html`<b class="num">${count(total)}</b> ${total === 1 ? 'line' : 'lines'} ${table ? 'gathered' : 'found'}`}
      ${isDone && (table || hasOrder(state.q)) && state.view === 'lines' && html`<span class="dim"> · ${plural(run.rows.length, 'row')}</span>`}
      ${isDone && run.ms > 0 && html`<span class="dim num"> · ${took}</span>`}
      ${run.state === 'ended' && html`<span class="chip warn">stopped</span>`}
    </p>
    ${areLines && html`<button class="button bare" aria-pressed=${wrap} title="Wrap long lines (w)" onClick=${() => setWrap(!wrap)}><${Icon} name="wrap" /><span class="found-word">Wrap</span></button>
      ${!hasOrder(state.q) && html`<button class="button bare" title="Change the order (o)" onClick=${() => change({ order: state.order === 'asc' ? 'desc' : 'asc' })}>${state.order === 'asc' ? 'Oldest first' : 'Newest first'} <span aria-hidden="true">↓</span></button>`}`}
    ${run.rows.length >= MOST_RESULTS && (table || hasOrder(state.q)) && html`<span class="chip warn">only ${count(MOST_RESULTS)} rows are shown</span>`}
    ${areLines && run.rows.length >= MOST_LINES && html`<span class="chip warn">the list ends here, at ${count(MOST_LINES)} lines: choose a shorter time for others</span>`}
    ${run.lacking.length > 0 && html`<div class="lacking" role="status"><b>Not all of it:</b> ${run.lacking.join('; ')}</div>`}
  </div>`;
}
