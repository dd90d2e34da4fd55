// Lines that differ in numbers only, as one: how many there are, of which apps and levels, and when the last one was.

import { html, useEffect, useState } from '../ui.js';
import { Problem } from '../notice.js';
import { ago, count } from '../format.js';
import { readRows } from './run.js';
import { joined, parts, templateClause, withClause } from './logsql.js';
import { LEVELS, levelGroup } from './histogram.js';
import { link } from '../router.js';
import { visible } from '../text.js';

/** Most templates that are asked for. */
const MOST = 500;
/** Most that are shown at first. */
const SHOWN = 100;

/** The query that counts templates: of the message in it, where the line is JSON, else of the whole line. */
export function patternQuery(filter) {
  const { filter: only, pipes } = parts(filter);
  return joined(only, [
    ...pipes, 'format "_msg" as f', 'format if (msg:*) "msg" as f', 'format if (msg:"" message:*) "message" as f',
    'format if (msg:*) "<msg>" as _msg', 'format if (msg:"" message:*) "<message>" as _msg',
    'collapse_nums prettify', 'stats by (_msg, f, level) count() as hits, max(_time) as last, uniq_values(app) limit 5 as apps', `sort by (hits desc) limit ${MOST}`,
  ]);
}

/** Templates with their levels together, the most frequent first. */
export function grouped(rows) {
  const found = new Map();
  for (const { _msg: template = '', f: field = '_msg', level = '', hits, last, apps } of rows) {
    const key = `${field} ${template}`;
    const one = found.get(key) ?? { template, field, hits: 0, levels: {}, last: '', apps: new Set() };
    one.hits += Number(hits);
    one.levels[level] = (one.levels[level] ?? 0) + Number(hits);
    one.last = last > one.last ? last : one.last;
    for (const app of JSON.parse(apps || '[]')) one.apps.add(app);
    found.set(key, one);
  }
  return [...found.values()].sort((a, b) => b.hits - a.hits);
}

/** @param {{state: object, filter: string, bounds: {start: string, end: string}, change: (part: object) => void, turn: number}} props */
export function Patterns({ state, filter, bounds, change, turn }) {
  const [found, setFound] = useState({ list: null, lacking: [], error: null });
  const [most, setMost] = useState(SHOWN);
  useEffect(() => {
    const abort = new AbortController();
    setFound((old) => ({ ...old, error: null, isStale: true }));
    setMost(SHOWN);
    readRows({ query: patternQuery(filter), ...bounds }, abort.signal).then(
      ({ rows, lacking }) => { if (!abort.signal.aborted) setFound({ list: grouped(rows), lacking, error: null, isCut: rows.length >= MOST }); },
      (error) => { if (!abort.signal.aborted) setFound({ list: [], lacking: [], error }); },
    );
    return () => abort.abort();
  }, [filter, bounds.start, bounds.end, turn]);
  const { list, lacking, error } = found;
  if (error) return html`<${Problem} error=${error} />`;
  if (!list) return html`<p class="loading" aria-busy="true">Grouping lines</p>`;
  if (!list.length) return html`<div class="search-none"><h2>Nothing is found</h2><p>No line of this time matches.</p></div>`;
  const sum = list.reduce((all, one) => all + one.hits, 0);
  const keep = (one, isExcluded) => {
    const text = templateClause(one.field, one.template);
    change({ q: withClause(state.q, isExcluded ? `-${text}` : text), ...(isExcluded ? {} : { view: 'lines' }) });
  };
  return html`<section class="patterns" aria-label="Patterns" aria-busy=${Boolean(found.isStale)}>
    ${lacking.map((why) => html`<p key=${why} class="lacking" role="status">${why}</p>`)}
    <div class="scroll-x" tabindex="0" role="region" aria-label="Table of patterns"><table class="table patterns-table">
      <thead><tr><th class="right">Lines</th><th class="patterns-share"><span class="offscreen">Share</span></th><th>Pattern</th><th class="patterns-apps">Apps</th><th class="patterns-last">Last</th><th><span class="offscreen">Exclude</span></th></tr></thead>
      <tbody>${list.slice(0, most).map((one) => html`<${Pattern} key=${`${one.field} ${one.template}`} one=${one} sum=${sum} top=${list[0].hits} keep=${keep} />`)}</tbody>
    </table></div>
    ${list.length > most && html`<p class="patterns-more"><button class="button" onClick=${() => setMost(most + 200)}>Show more of ${count(list.length)}</button></p>`}
    ${found.isCut && html`<p class="dim patterns-more">These are the ${count(MOST)} most frequent. Narrow the search for rarer ones.</p>`}
  </section>`;
}

function Pattern({ one, sum, top, keep }) {
  const last = Date.parse(one.last);
  return html`<tr>
    <td class="right num">${count(one.hits)}</td>
    <td class="patterns-share"><${Share} one=${one} sum=${sum} top=${top} /></td>
    <td><button class="pattern mono" dir="auto" title="Show these lines" onClick=${() => keep(one, false)}>${slots(one.template)}</button></td>
    <td class="patterns-apps">${[...one.apps].map((app) => html`<a key=${app} class="chip" href=${link('app', app)}>${visible(app)}</a>`)}</td>
    <td class="num dim nowrap patterns-last" title=${one.last}>${ago(last)}</td>
    <td><button class="button bare" title="Hide lines like this" aria-label="Hide lines like this" onClick=${() => keep(one, true)}>≠</button></td>
  </tr>`;
}

/** How many of all lines they are, as a bar of the colours of their levels. */
function Share({ one, sum, top }) {
  let from = 0;
  const parts = LEVELS.map((level) => {
    const lines = Object.entries(one.levels).reduce((all, [name, number]) => (levelGroup(name) === level ? all + number : all), 0);
    const part = { level, from, wide: (lines / top) * 100 };
    from += part.wide;
    return part;
  });
  return html`<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=${`${((one.hits / sum) * 100).toFixed(1)} % of the lines`}>
    <rect class="share-floor" width="100" height="8" />${parts.filter(({ wide }) => wide > 0).map(({ level, from: x, wide }) => html`<rect key=${level} class=${`bar-${level}`} x=${x} width=${Math.max(wide, 0.6)} height="8" />`)}
  </svg>`;
}

/** Most of a template that is shown. */
const LONG = 600;

/** A template with its slots marked. */
export function slots(template) {
  const text = visible(template.length > LONG ? `${template.slice(0, LONG)}…` : template);
  return text.split(/(<(?:N|UUID|IP4|DATE|TIME|DATETIME)>)/).map((part, n) => (n % 2 ? html`<span class="slot" key=${n}>${part.slice(1, -1)}</span>` : part));
}
