// The time that is searched: steps to choose from, two bounds to type, and the ways to move.

import { html, useEffect, useRef, useState } from '../ui.js';
import { PRESETS, instantOf, moved, shortTime, span, spanText, zoomedOut } from './state.js';

/** @param {{state: import('./state.js').State, change: (part: object) => void}} props */
export function TimeRange({ state, change }) {
  const [isOpen, setIsOpen] = useState(false);
  const box = useRef(null);
  const button = useRef(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    const outside = (event) => { if (!box.current.contains(event.target)) setIsOpen(false); };
    const escape = (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      setIsOpen(false);
      button.current.focus();
    };
    document.addEventListener('pointerdown', outside);
    const element = box.current;
    element.addEventListener('keydown', escape);
    return () => { document.removeEventListener('pointerdown', outside); element.removeEventListener('keydown', escape); };
  }, [isOpen]);
  const set = (part) => {
    change(part);
    setIsOpen(false);
    button.current.focus();
  };
  const bounds = ({ from, to }) => ({ from, to });
  return html`<div class="timerange menu" ref=${box}>
    <button class="button bare" title="Earlier" aria-label="The span before" onClick=${() => change(bounds(moved(state, -1)))}>‹</button>
    <button class="button num" ref=${button} aria-expanded=${isOpen} aria-haspopup="dialog" onClick=${() => setIsOpen(!isOpen)}><${Clock} /> ${spanText(state)}</button>
    <button class="button bare" title="Later" aria-label="The span behind" disabled=${state.to === 'now'} onClick=${() => change(bounds(moved(state, 1)))}>›</button>
    <button class="button bare" title="Zoom out (z)" aria-label="Zoom out" onClick=${() => change(bounds(zoomedOut(state)))}><${ZoomOut} /></button>
    ${isOpen && html`<${Choose} state=${state} set=${set} />`}
  </div>`;
}

function Choose({ state, set }) {
  const [from, setFrom] = useState(/^\d/.test(state.from) ? shortTime(instantOf(state.from), { isUtc: true }) : state.from);
  const [to, setTo] = useState(/^\d/.test(state.to) ? shortTime(instantOf(state.to), { isUtc: true }) : state.to);
  const first = useRef(null);
  useEffect(() => first.current.focus(), []);
  const [begin, end] = [instantOf(from), instantOf(to)];
  const wrong = begin === null ? 'from' : end === null ? 'to' : begin >= end ? 'order' : '';
  const submit = (event) => {
    event.preventDefault();
    if (!wrong) set({ from: from.trim(), to: to.trim() });
  };
  const now = span(state);
  return html`<div class="timerange-choose menu-list" role="dialog" aria-label="Time">
    <div class="presets">${PRESETS.map(([bound, name], n) => html`
      <button key=${bound} ref=${n === 0 ? first : undefined} aria-pressed=${state.from === bound && state.to === 'now'} onClick=${() => set({ from: bound, to: 'now' })}>Last ${name}</button>`)}
    </div>
    <form class="bounds" onSubmit=${submit}>
      <label class="field"><span class="label">From</span><input class="input mono" value=${from} aria-invalid=${wrong === 'from' || wrong === 'order'} onInput=${(event) => setFrom(event.target.value)} /></label>
      <label class="field"><span class="label">To</span><input class="input mono" value=${to} aria-invalid=${wrong === 'to'} onInput=${(event) => setTo(event.target.value)} /></label>
      <p class="bounds-help" role="status">${wrong === 'order' ? 'From must be before To.' : wrong ? 'Write -2h, now-1d, or 2026-11-22 14:00 (UTC; or with a zone: 2026-11-22 14:00+01:00).' : html`In your zone: ${shortTime(begin)} to ${shortTime(end)}`}</p>
      <button class="button strong" disabled=${Boolean(wrong)}>Use this time</button>
      <button type="button" class="button" onClick=${() => { setFrom(shortTime(now[0], { isUtc: true })); setTo(shortTime(now[1], { isUtc: true })); }}>Hold it still</button>
    </form>
  </div>`;
}

const Clock = () => html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M8 1.500a6.500 6.500 0 1 0 0 13a6.500 6.500 0 1 0 0 -13zM8 4.500v4l2.500 1.500" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" /></svg>`;
const ZoomOut = () => html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M7 2.500a4.500 4.500 0 1 0 0 9a4.500 4.500 0 1 0 0 -9zM10.500 10.500l3.500 3.500M5 7h4" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" /></svg>`;
