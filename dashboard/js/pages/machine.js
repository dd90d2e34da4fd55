// A Machine: what it is, its starts and how they ended, and its lines.

import { html, useEffect, useRef, useState } from '../ui.js';
import { get } from '../api.js';
import { ago, count, plural, span, stamp } from '../format.js';
import { Live } from '../live/live.js';
import { Problem } from '../notice.js';
import { link } from '../router.js';
import { visible } from '../text.js';

/** How often the page looks again, while it is looked at: milliseconds. */
const EVERY = 15_000;

/** The mark and the words of a state. */
const STATES = {
  running: ['good', 'running'],
  exited: ['wait', 'exited'],
  vanished: ['bad', 'vanished: it ended without a word'],
  unknown: ['', 'not heard of lately'],
};

const NONE = { id: '', machine: null, isLoaded: false, error: null };

export default function Machine({ parts, args }) {
  const [id = ''] = parts;
  const [known, setFound] = useState(NONE);
  // What is of another Machine is not shown as this one's.
  const found = known.id === id ? known : NONE;
  const now = useRef(id);
  now.current = id;
  const set = (part) => { if (now.current === id) setFound((old) => ({ ...(old.id === id ? old : NONE), id, ...part })); };
  // Which app it is of says the first answer; then that app's alone are asked for.
  const load = (app = '') => get('/api/v1/machines', { args: { app } }).then(
    ({ machines }) => set({ machine: machines.find((one) => one.instance === id) ?? null, isLoaded: true, error: null }),
    (error) => set({ error }),
  );
  const app = useRef('');
  app.current = found.machine?.app ?? '';
  useEffect(() => {
    load();
    const timer = setInterval(() => { if (!document.hidden) load(app.current); }, EVERY);
    return () => clearInterval(timer);
  }, [id]);

  const { machine, isLoaded, error } = found;
  if (!machine) {
    if (error) return html`<div class="content"><${Problem} error=${error} again=${() => load()} /></div>`;
    if (!isLoaded) return html`<p class="loading" aria-busy="true">Loading</p>`;
    return html`<div class="empty"><h1>No Machine ${id}</h1><p>It has not written a line in the time that lines are kept, or this token may not see it. <a href="#/apps">All apps</a></p></div>`;
  }
  const title = html`<a href=${link('app', machine.app)}>${machine.app}</a><span class="dim" aria-hidden="true">/</span><span>${id}</span>`;
  return html`<${Live} key=${id} app=${machine.app} instance=${id} args=${args} title=${title}>
    <${Facts} machine=${machine} />
    <${Boots} machine=${machine} />
  <//>`;
}

function Facts({ machine }) {
  const [mark, words] = STATES[machine.state] ?? ['', machine.state];
  const facts = [
    ['State', html`<span class="state"><span class=${`dot ${mark}`} aria-hidden="true"></span><span>${words}</span></span>`],
    ['Region', machine.region],
    ['Host', machine.host || 'not known'],
    ['Started', when(machine.started)],
    ['Last line', when(machine.last_seen)],
    ['Lines in the last hour', count(machine.lines_1h)],
    ['Errors in the last hour', machine.errors_1h ? html`<span class="chip error num">${count(machine.errors_1h)}</span>` : 'none'],
    ...(machine.exit ? [['Last exit', html`<${Exit} exit=${machine.exit} />`]] : []),
  ];
  return html`<div class="facts-box" tabindex="0" role="group" aria-label="About the Machine"><dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></div>`;
}

const when = (time) => (time ? html`<time title=${stamp(Date.parse(time))}>${ago(Date.parse(time))}</time>` : 'not known');

/** How a start ended: the code, the signal, or that memory was out. */
function Exit({ exit }) {
  const text = exit.oom ? 'out of memory' : exit.signal ? `signal ${exit.signal}` : `code ${exit.code}`;
  const isBad = exit.oom || exit.signal || exit.code !== 0;
  return html`<span class=${`chip ${isBad ? 'error' : 'good'}`} title=${visible(exit.message ?? '')}>${visible(text)}</span>`;
}

function Boots({ machine }) {
  const boots = machine.boots ?? [];
  if (!boots.length) return null;
  return html`<details class="boots">
    <summary>${plural(boots.length, 'start')}</summary>
    <div class="scroll-x" tabindex="0" role="group" aria-label="Starts"><table class="table"><thead><tr><th>Started</th><th>Ran for</th><th>Ended</th><th>Exit</th><th>Boot</th></tr></thead>
      <tbody>${boots.map((boot) => html`<tr key=${boot.boot}>
        <td class="num">${boot.started ? stamp(Date.parse(boot.started)) : 'not known'}</td>
        <td class="num">${boot.started && boot.exit?.time ? span((Date.parse(boot.exit.time) - Date.parse(boot.started)) / 1000) : ''}</td>
        <td class="num">${boot.exit?.time ? stamp(Date.parse(boot.exit.time)) : ''}</td>
        <td>${boot.exit ? html`<${Exit} exit=${boot.exit} /> <span class="dim">${visible(boot.exit.message ?? '')}</span>` : boot.vanished ? html`<span class="chip error">vanished</span>` : html`<span class="dim">${boot.boot === machine.boot && machine.state === 'running' ? 'still running' : 'not known'}</span>`}</td>
        <td class="mono dim">${boot.boot}</td>
      </tr>`)}</tbody></table></div>
  </details>`;
}
