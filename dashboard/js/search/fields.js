// The fields that the found rows have, and their most frequent values: one click filters, another excludes.

import { html, useEffect, useState } from '../ui.js';
import { count, short } from '../format.js';
import { fieldNames, fieldValues } from './complete.js';
import { clause, hasClause, joined, quote, toggled } from './logsql.js';
import { visible } from '../text.js';

/** What everybody looks for stands first; what is of the store stands nowhere. */
const FIRST = ['level', 'app', 'instance', 'region', 'provider', 'stream', 'host', 'code'];
const HIDDEN = new Set(['_msg', '_time', '_stream', '_stream_id', 'pos', 'seq', 'span', 'boot']);
/** Most values that are shown of a field. */
const VALUES = 12;
/** Most names that are shown at first, and how many more at each asking: a document may have ten thousand. */
const NAMES = 100;
const MORE_NAMES = 400;

/** Names in the order in which they are shown. */
export function ordered(names) {
  const place = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return names.filter(({ value }) => !HIDDEN.has(value))
    .toSorted((a, b) => place(a.value) - place(b.value) || b.hits - a.hits || a.value.localeCompare(b.value));
}

/** Why there are none, where that says something: what is wrong with a query is said by the search itself. */
const reasonOf = (error) => (error.status === 400 ? '' : `These could not be had: ${error.message}`);

/** @param {{query: string, filter: string, bounds: {start: string, end: string}, total: number, change: (part: object) => void}} props */
export function Fields({ query, filter, bounds, change }) {
  const [names, setNames] = useState(null);
  const [why, setWhy] = useState('');
  const [open, setOpen] = useState(() => new Set(['level', 'app']));
  const [wanted, setWanted] = useState('');
  const [most, setMost] = useState(NAMES);
  useEffect(() => {
    const abort = new AbortController();
    setWhy('');
    fieldNames(filter, bounds, abort.signal).then(
      (found) => { if (!abort.signal.aborted) setNames(ordered(found)); },
      (error) => {
        if (abort.signal.aborted) return;
        setNames([]);
        setWhy(reasonOf(error));
      },
    );
    return () => abort.abort();
  }, [filter, bounds.start, bounds.end]);
  const flip = (name) => setOpen((old) => {
    const next = new Set(old);
    if (!next.delete(name)) next.add(name);
    return next;
  });
  const shown = (names ?? []).filter(({ value }) => value.toLowerCase().includes(wanted.toLowerCase()));
  return html`<div class="side">
    <input class="input side-find" type="search" placeholder="Find a field" aria-label="Find a field" value=${wanted} onInput=${(event) => { setWanted(event.target.value); setMost(NAMES); }} />
    ${names === null && html`<p class="loading">Loading fields</p>`}
    ${names?.length === 0 && html`<p class="dim side-none">${why || 'No fields: nothing is found.'}</p>`}
    <ul>${shown.slice(0, most).map(({ value: name, hits }) => html`<li key=${name} class="side-one">
      <button class="side-name" aria-expanded=${open.has(name)} onClick=${() => flip(name)}><span class="side-mark" aria-hidden="true">${open.has(name) ? '▾' : '▸'}</span><span class="mono" dir="auto">${visible(name)}</span> <span class="dim num" title=${`${count(hits)} rows have it`}>${short(hits)}</span></button>
      ${open.has(name) && html`<${Values} field=${name} query=${query} filter=${filter} bounds=${bounds} change=${change} />`}
    </li>`)}</ul>
    ${shown.length > most && html`<button class="value-more" onClick=${() => setMost(most + MORE_NAMES)}>Show more of ${count(shown.length)} fields</button>`}
  </div>`;
}

function Values({ field, query, filter, bounds, change }) {
  const [values, setValues] = useState(null);
  const [why, setWhy] = useState('');
  useEffect(() => {
    const abort = new AbortController();
    setWhy('');
    fieldValues(filter, field, bounds, VALUES + 1, undefined, abort.signal).then(
      (found) => { if (!abort.signal.aborted) setValues(found); },
      (error) => {
        if (abort.signal.aborted) return;
        setValues([]);
        setWhy(reasonOf(error));
      },
    );
    return () => abort.abort();
  }, [filter, field, bounds.start, bounds.end]);
  if (values === null) return html`<p class="dim side-none">…</p>`;
  if (why) return html`<p class="dim side-none">${why}</p>`;
  const most = Math.max(1, ...values.map(({ hits }) => hits));
  const set = (value, isExcluded) => change({ q: toggled(query, field, value, isExcluded) });
  return html`<ul class="values">${values.slice(0, VALUES).map(({ value, hits }) => {
    const isOn = hasClause(query, clause(field, value));
    const name = value === '' ? '(empty)' : visible(value);
    return html`<li key=${value} class="value">
      <button class="value-name" aria-pressed=${isOn} title=${`${name}: ${count(hits)} rows`} onClick=${() => set(value, false)}>
        <span class="offscreen">${`${visible(field)} `}</span><meter class="value-share" min="0" max=${most} value=${hits} aria-hidden="true"></meter>
        <span class=${`value-text mono ${field === 'level' && /^\w+$/.test(value) ? `level-${value}` : ''}`} dir="auto">${name}</span> <span class="dim num">${short(hits)}</span>
      </button>
      <button class="value-not" title="Exclude" aria-label=${`Exclude ${visible(field)} ${name}`} onClick=${() => set(value, true)}>≠</button>
    </li>`;
  })}${values.length > VALUES && html`<li><button class="value-more" onClick=${() => change({ q: joined(filter, [`top 100 by (${quote(field)})`]) })}>All values</button></li>`}</ul>`;
}
