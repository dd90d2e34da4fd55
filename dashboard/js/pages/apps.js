// The apps of the org: how much each writes, what it said last, and whether something is wrong.

import { html, useEffect, useMemo, useRef, useState } from '../ui.js';
import { get } from '../api.js';
import { ago, count, plural, short, stamp } from '../format.js';
import { Icon } from '../icons.js';
import { said } from '../line.js';
import { useKeys } from '../keys.js';
import { Problem } from '../notice.js';
import { go, link, setArgs } from '../router.js';
import { oneLine, shown } from '../text.js';

/** How often the page looks again, while it is looked at: milliseconds. */
const EVERY = 15_000;

/** @typedef {{name: string, regions: string[], instances: number, lines_1h: number, errors_1h: number, per_minute: number[], last_line: {time: string, level: string, message: string, instance: string} | null}} App */

/** Ways to sort. @type {Record<string, [string, (a: App, b: App) => number]>} */
const ORDERS = {
  name: ['Name', (a, b) => a.name.localeCompare(b.name)],
  last: ['Last line', (a, b) => at(b) - at(a)],
  lines: ['Most lines', (a, b) => b.lines_1h - a.lines_1h],
  errors: ['Most errors', (a, b) => b.errors_1h - a.errors_1h],
};

const at = (app) => (app.last_line ? Date.parse(app.last_line.time) : 0);

export default function Apps({ args }) {
  const [apps, setApps] = useState(/** @type {App[] | null} */ (null));
  const [error, setError] = useState(null);
  const [isBusy, setIsBusy] = useState(false);
  const box = useRef(null);

  const load = async () => {
    setIsBusy(true);
    try {
      setApps((await get('/api/v1/apps')).apps);
      setError(null);
    } catch (failed) {
      setError(failed);
    } finally {
      setIsBusy(false);
    }
  };
  useEffect(() => {
    load();
    const timer = setInterval(() => { if (!document.hidden) load(); }, EVERY);
    return () => clearInterval(timer);
  }, []);

  const order = ORDERS[args.by] ? args.by : 'name';
  const found = useMemo(() => (apps ?? [])
    .filter((app) => app.name.includes((args.find ?? '').trim().toLowerCase()))
    .sort(ORDERS[order][1]), [apps, args.find, order]);
  useKeys('Apps', [
    { keys: '/', does: 'Find an app', act: () => box.current?.focus() },
    { keys: 'r', does: 'Look again', act: load },
  ]);

  if (apps?.length === 0) return html`<${NoApps} />`;
  return html`<div class="content">
    <div class="head">
      <h1>Apps</h1>
      ${apps && html`<span class="dim num">${found.length === apps.length ? count(apps.length) : `${count(found.length)} of ${count(apps.length)}`}</span>`}
      <span class="grow"></span>
      <input class="input apps-find" type="search" ref=${box} value=${args.find ?? ''} placeholder="Find an app  /" aria-label="Find an app"
        onInput=${(event) => setArgs({ find: event.target.value })}
        onKeyDown=${(event) => {
          if (event.key === 'Enter' && found[0]) go(link('app', found[0].name));
          if (event.key === 'Escape') { setArgs({ find: '' }); event.target.blur(); }
        }} />
      <select class="select" aria-label="Order" value=${order} onChange=${(event) => setArgs({ by: event.target.value === 'name' ? '' : event.target.value })}>
        ${Object.entries(ORDERS).map(([key, [title]]) => html`<option key=${key} value=${key}>${title}</option>`)}
      </select>
      <button class="button" onClick=${load} disabled=${isBusy} aria-label="Look again" title="Look again (r)"><${Icon} name="refresh" /></button>
    </div>
    <${Problem} error=${error} again=${load} />
    ${!apps && !error && html`<p class="loading" aria-busy="true">Loading</p>`}
    ${apps && html`
      <div class="apps-columns" aria-hidden="true"><span>App</span><span>Lines in the last hour</span><span></span><span>Errors</span><span>Machines</span><span>Last line</span></div>
      <ul class="apps">${found.map((app) => html`<${Row} key=${app.name} app=${app} />`)}</ul>
      ${found.length === 0 && html`<p class="loading">No app has “${args.find}” in its name</p>`}`}
  </div>`;
}

function Row({ app }) {
  const last = app.last_line;
  return html`<li class="app-row">
    <a class="app-name" href=${link('app', app.name)}>${app.name}</a>
    <${Spark} values=${app.per_minute} />
    <span class="app-lines num" title=${plural(app.lines_1h, 'line')}>${short(app.lines_1h)}<span class="app-unit"> lines</span></span>
    <span class="app-errors num">${app.errors_1h > 0
      ? html`<a class="chip error" href=${link('app', app.name, { level: 'error' })}>${short(app.errors_1h)} ${app.errors_1h === 1 ? 'error' : 'errors'}</a>`
      : html`<span class="dim">none</span>`}</span>
    <span class="app-machines dim num">${count(app.instances)}<span class="app-unit"> ${app.instances === 1 ? 'Machine' : 'Machines'}</span>${app.regions.length ? ` in ${regions(app.regions)}` : ''}</span>
    <span class="app-last">${last
      ? html`<time class="dim num" title=${stamp(Date.parse(last.time))}>${ago(Date.parse(last.time))}</time>
        <${Said} line=${last} />`
      : html`<span class="dim">Nothing yet</span>`}</span>
  </li>`;
}

const regions = (all) => (all.length > 3 ? `${all.slice(0, 3).join(', ')} and ${all.length - 3} more` : all.join(', '));

/** What it said: the sentence, and dimmer the fields, as in the lists of lines. */
function Said({ line }) {
  const inside = said(line);
  const fit = (text) => oneLine(shown(text, 300));
  return html`<span class=${`app-said level-${line.level}`}>
    ${(!inside || inside.text) && html`<bdi dir="auto">${fit(inside ? inside.text : line.message)}</bdi>`}
    ${inside?.pairs.slice(0, 8).map(([name, value]) => html`<span class="app-pair" key=${name}>${fit(name)}=<bdi dir="auto">${fit(value)}</bdi></span>`)}
  </span>`;
}

/** Lines of each of the last 60 minutes, as bars. */
function Spark({ values }) {
  const most = Math.max(1, ...values);
  const top = most === 1 && values.every((value) => value === 0) ? 'no lines' : `at most ${plural(most, 'line')} in a minute`;
  const bars = values.map((value, index) => {
    const height = value ? Math.max(1.5, (value / most) * 26) : 0;
    return `M${index * 3} 28v-${height.toFixed(1)}h2v${height.toFixed(1)}z`;
  }).join('');
  return html`<svg class="spark" viewBox="0 0 180 28" preserveAspectRatio="none" role="img" aria-label=${`The last hour, minute by minute: ${top}`}>
    <title>${`The last hour: ${top}`}</title>
    <path class="spark-floor" d="M0 27.500h180" /><path d=${bars} />
  </svg>`;
}

function NoApps() {
  return html`<div class="empty">
    <h1>No app has written yet</h1>
    <p>Run something with Logway on the machine where <code>logway up</code> runs. Its output is here at once:</p>
    <pre>logway run --app web -- ./your-server --its-flags</pre>
    <p>Or bring lines that exist already, one JSON object in each:</p>
    <pre>curl -H "Authorization: Bearer $TOKEN" --data-binary @lines.ndjson '${location.origin}/insert/jsonline?_stream_fields=app'</pre>
  </div>`;
}
