// Tokens: those of the org, making one, narrowing one's own, and ending one.

import { get } from '../api.js';
import { html, useEffect, useState } from '../ui.js';
import { Problem } from '../notice.js';
import { ago } from '../format.js';
import { may, who } from '../session.js';
import { actionsText, endText, scopeText } from '../limits.js';
import { Create, Narrow, Revoke } from '../tokenforms.js';

/** The names of the apps that this token sees, and their Machines; none when they cannot be had. */
const knownApps = () => get('/api/v1/apps').then(({ apps }) => apps.map(({ name }) => name), () => []);
const knownMachines = () => get('/api/v1/machines').then(({ machines }) => machines, () => []);

export default function Tokens() {
  const [list, setList] = useState(null);
  const [error, setError] = useState(null);
  const [open, setOpen] = useState(null);
  const [known, setKnown] = useState([]);
  const [machines, setMachines] = useState([]);
  const load = () => get('/api/v1/tokens').then(
    ({ tokens }) => {
      setList(tokens);
      setError(null);
    },
    setError,
  );
  useEffect(() => {
    load();
    knownApps().then(setKnown);
    knownMachines().then(setMachines);
  }, []);
  const close = () => setOpen(null);
  const isRefused = error?.status === 403;
  return html`<div class="content tokens">
    <div class="head">
      <h1>Tokens</h1>
      <span class="grow"></span>
      <button class="button" onClick=${() => setOpen({ what: 'narrow' })}>Narrow my own</button>
      <button class="button strong" disabled=${!may('admin') || isRefused} onClick=${() => setOpen({ what: 'create' })}>Create a token</button>
    </div>
    <${Mine} />
    ${isRefused ? html`<${Refused} error=${error} />` : html`<${Problem} error=${error} again=${load} />`}
    ${!list && !error && html`<p class="loading" aria-busy="true">Loading tokens</p>`}
    ${list && html`<${List} list=${list} revoke=${(token) => setOpen({ what: 'revoke', token })} />`}
    ${open?.what === 'create' && html`<${Create} known=${known} machines=${machines} close=${close} done=${load} />`}
    ${open?.what === 'narrow' && html`<${Narrow} known=${known} machines=${machines} close=${close} />`}
    ${open?.what === 'revoke' && html`<${Revoke} token=${open.token} close=${close} done=${load} />`}
  </div>`;
}

/** What one is signed in with. */
function Mine() {
  const mine = who.value;
  if (!mine) return null;
  return html`<section class="panel mine" aria-label="The token that you are signed in with"><dl>
    <div><dt>You may do</dt><dd>${actionsText(mine.actions)}</dd></div>
    <div><dt>Organisation</dt><dd>${mine.org?.slug || 'your own'}</dd></div>
    <div><dt>Of</dt><dd>${scopeText(mine)}</dd></div>
    <div><dt>Ends</dt><dd title=${mine.expires ?? ''}>${endText(mine.expires)}</dd></div>
  </dl></section>`;
}

function Refused({ error }) {
  const org = who.value?.org?.slug;
  return html`<div class="panel tokens-refused" role="status"><h2>Your token may not see or make tokens</h2>
    <p>${error.message}</p>
    <p>Ask somebody who administers ${org ? html`the organisation <b>${org}</b>` : 'your organisation'}, or sign in with a token of <code>admin</code>. You can make a narrower token of your own all the same, to hand on: “Narrow my own”.</p></div>`;
}

const isGood = ({ standing }) => standing === undefined || standing === 'good';

function List({ list, revoke }) {
  if (!list.length) return html`<div class="empty"><h2>No tokens</h2><p>None was made here yet. The one of this machine lies in its data folder.</p></div>`;
  // Those that work come first, the newest of them on top.
  const sorted = list.toSorted((a, b) => Number(isGood(b)) - Number(isGood(a)) || Date.parse(b.created) - Date.parse(a.created));
  return html`<div class="panel scroll-x" tabindex="0" role="region" aria-label="Table of tokens"><table class="table tokens-table">
    <thead><tr><th>Name</th><th>May do</th><th>Of</th><th>Ends</th><th>Made</th><th>Id</th><th><span class="offscreen">Revoke</span></th></tr></thead>
    <tbody>${sorted.map((token) => html`<tr key=${token.id} class=${isGood(token) ? '' : 'over'}>
      <th scope="row">${token.name || html`<span class="dim">no name</span>`} ${token.current && html`<span class="chip info">yours</span>`} ${!isGood(token) && html`<span class="chip warn">${token.standing}</span>`}</th>
      <td>${actionsText(token.actions)}</td><td>${scopeText(token)}</td>
      <td class="nowrap" title=${token.expires ?? ''}>${endText(token.expires)}</td><td class="nowrap" title=${token.created}>${ago(Date.parse(token.created))}</td>
      <td><code title=${token.id}>${token.id.slice(0, 12)}</code></td>
      <td class="right">${isGood(token) && html`<button class="button danger" onClick=${() => revoke(token)}>Revoke<span class="offscreen"> ${token.name || token.id.slice(0, 12)}</span></button>`}</td>
    </tr>`)}</tbody>
  </table></div>`;
}
