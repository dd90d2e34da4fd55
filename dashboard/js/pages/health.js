// Health of the pipeline: for each app what was produced, what is stored, what is lost and why, and what is still on its way.

import { get, send } from '../api.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { Problem } from '../notice.js';
import { Icon } from '../icons.js';
import { count } from '../format.js';
import { setArgs } from '../router.js';
import { useKeys } from '../keys.js';
import { Apps, Hosts, Overview } from '../health.js';

/** How often it looks again, in ms. */
const EVERY = 5_000;

/** Lines of `/health` that warn, and whether it is well. */
async function ownHealth(signal) {
  try {
    const text = await (await send('/health', { signal })).text();
    return { isWell: true, warnings: text.split('\n').filter((line) => line.startsWith('warning: ')).map((line) => line.slice(9)) };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return { isWell: false, warnings: error.message.split('\n') };
  }
}

export default function Health({ args }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [isHeld, setIsHeld] = useState(false);
  const [turn, setTurn] = useState(0);
  const [at, setAt] = useState(Date.now());
  const field = useRef(null);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const look = async () => {
      try {
        const [doctor, health] = await Promise.all([get('/api/v1/doctor', { signal: abort.signal }), ownHealth(abort.signal)]);
        setFound({ ...doctor, health });
        setError(null);
      } catch (failed) {
        if (failed.name === 'AbortError') return;
        setError(failed);
      }
      setAt(Date.now());
      if (!isHeld && !abort.signal.aborted) timer = setTimeout(look, EVERY);
    };
    look();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [isHeld, turn]);
  useKeys('Health', [
    { keys: ' ', does: 'Hold still, or go on', act: () => setIsHeld(!isHeld) },
    { keys: 'r', does: 'Look again now', act: () => setTurn(turn + 1) },
    { keys: '/', does: 'Find an app', act: () => field.current?.focus() },
  ]);
  const wanted = (args.q ?? '').toLowerCase();
  const apps = (found?.apps ?? []).filter(({ app }) => app.toLowerCase().includes(wanted));
  const state = error ? 'not heard' : isHeld ? `held at ${new Date(at).toLocaleTimeString('en-GB')}` : `looks every ${EVERY / 1000} s`;
  return html`<div class="content health">
    <div class="head">
      <h1>Health</h1>
      <span class="state"><span class=${`dot ${error ? 'bad' : isHeld ? 'paused' : 'on'}`} aria-hidden="true"></span><span role="status">${state}</span></span>
      <span class="grow"></span>
      <input class="input" type="search" ref=${field} placeholder="Find an app" aria-label="Find an app" value=${args.q ?? ''} onInput=${(event) => setArgs({ q: event.target.value })} />
      <button class="button" aria-pressed=${isHeld} onClick=${() => setIsHeld(!isHeld)}><${Icon} name=${isHeld ? 'play' : 'pause'} />${isHeld ? 'Go on' : 'Hold'}</button>
      <button class="button" onClick=${() => setTurn(turn + 1)}><${Icon} name="refresh" />Now</button>
    </div>
    <${Problem} error=${error} again=${() => setTurn(turn + 1)} />
    ${!found && !error && html`<p class="loading" aria-busy="true">Asking all parts</p>`}
    ${found && html`<${Warnings} health=${found.health} notes=${found.warnings} />
      <${Overview} apps=${found.apps ?? []} hosts=${found.hosts ?? []} health=${found.health} />
      <${Apps} apps=${apps} isFiltered=${wanted !== ''} />
      <${Hosts} hosts=${found.hosts ?? []} />`}
  </div>`;
}

function Warnings({ health, notes = [] }) {
  const all = [...health.warnings, ...notes];
  if (!all.length) return null;
  return html`<section class="lacking" role="status" aria-label="Warnings"><b>${health.isWell ? `It works, but ${count(all.length)} ${all.length === 1 ? 'thing needs' : 'things need'} a look` : 'It does not work'}</b><ul>${all.map((text) => html`<li key=${text}>${text}</li>`)}</ul></section>`;
}
