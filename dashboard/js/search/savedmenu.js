// The list of saved searches: open, save, rename, delete.

import { html, useEffect, useRef, useState } from '../ui.js';
import { Dialog } from '../dialog.js';
import { say } from '../notice.js';
import { who } from '../session.js';
import { forget, rename, save, saved } from './saved.js';
import { hash, spanText } from './state.js';

/** @param {{state: import('./state.js').State, close: () => void}} props */
export function SavedSearches({ state, close }) {
  const org = who.value?.org?.slug ?? '';
  const list = saved(org);
  const [name, setName] = useState('');
  const [editing, setEditing] = useState(null);
  const field = useRef(null);
  useEffect(() => field.current?.focus(), []);
  const tell = (isKept, text) => say(isKept ? text : 'This browser does not keep anything for pages: the search is in the address, bookmark it');
  const submit = (event) => {
    event.preventDefault();
    const as = name.trim();
    if (!as) return;
    tell(save(org, as, state), `Saved as ${as}`);
    setName('');
  };
  const isThere = list.some((one) => one.name === name.trim());
  return html`<${Dialog} title="Saved searches" close=${close}>
    <form class="saved-new" onSubmit=${submit}>
      <label class="field grow"><span class="label">Save this search as</span><input class="input" ref=${field} value=${name} maxlength="100" placeholder=${state.q.slice(0, 60) || 'all lines'} onInput=${(event) => setName(event.target.value)} /></label>
      <button class="button strong" disabled=${!name.trim()}>${isThere ? 'Replace' : 'Save'}</button>
    </form>
    ${list.length === 0 && html`<p class="dim">None yet. They are kept in this browser, for ${org || 'your organisation'}.</p>`}
    <ul class="saved-list">${list.map((one) => html`<li key=${one.name} class="saved-one">
      ${editing === one.name
    ? html`<${Rename} name=${one.name} done=${(to) => { if (to && to !== one.name) tell(rename(org, one.name, to), `Renamed to ${to}`); setEditing(null); }} />`
    : html`<a class="saved-open" href=${hash(one.state)} onClick=${close}><b>${one.name}</b><span class="mono dim">${one.state.q || '*'}</span><span class="dim">${spanText(one.state)}${one.state.view === 'patterns' ? ', patterns' : ''}</span></a>
        <button class="button bare" aria-label=${`Rename ${one.name}`} onClick=${() => setEditing(one.name)}>Rename</button>
        <button class="button bare" aria-label=${`Delete ${one.name}`} onClick=${() => tell(forget(org, one.name), `${one.name} is deleted`)}>Delete</button>`}
    </li>`)}</ul>
  <//>`;
}

function Rename({ name, done }) {
  const [text, setText] = useState(name);
  const field = useRef(null);
  useEffect(() => field.current.select(), []);
  const keys = (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    done('');
  };
  return html`<form class="saved-new grow" onSubmit=${(event) => { event.preventDefault(); done(text.trim()); }}>
    <input class="input grow" ref=${field} value=${text} aria-label="New name" onInput=${(event) => setText(event.target.value)} onKeyDown=${keys} />
    <button class="button">Rename</button><button type="button" class="button bare" onClick=${() => done('')}>Cancel</button>
  </form>`;
}
