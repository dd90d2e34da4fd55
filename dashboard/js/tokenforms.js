// The dialogs about tokens: to make one, to narrow one's own, to revoke one.

import { get, send } from './api.js';
import { html, useState } from './ui.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Problem, copy, say } from './notice.js';
import { ago } from './format.js';
import { signOut, who } from './session.js';
import { ACTIONS, LIVES, Names, Until, actionsText, endText, expiryOf, namesOf, scopeText, wrongEnd, wrongNames } from './limits.js';

/** Sends a form and keeps what went wrong. */
function useSubmit(path, body) {
  const [state, setState] = useState({ error: null, isBusy: false, made: null });
  const submit = async (event) => {
    event.preventDefault();
    setState({ error: null, isBusy: true, made: null });
    try {
      setState({ error: null, isBusy: false, made: await get(path, { json: body(), method: 'POST' }) });
      return true;
    } catch (error) {
      setState({ error, isBusy: false, made: null });
      return false;
    }
  };
  return { ...state, submit };
}

/** What a form starts with. */
const NOTHING = { apps: '', regions: '', instances: '' };

/** What limits a token to a part of the org, and how each is called. */
const LIMITS = { apps: ['Apps', 'an app'], regions: ['Regions', 'a region'], instances: ['Machines', 'a Machine'] };

/** Why a form cannot be sent; empty if it can. */
const wrongOf = (limits, until, mine) => Object.entries(LIMITS).map(([name, [, one]]) => wrongNames({ one, text: limits[name], own: mine?.[name] })).find(Boolean) ?? wrongEnd(until);

/** The limits as the server takes them: what limits nothing is left out. */
const bodyOf = (limits, until) => Object.fromEntries([...Object.keys(LIMITS).map((name) => [name, namesOf(limits[name])]), ['expires', expiryOf(until)]].filter(([, value]) => value));

/** Regions and Machines of those apps that are chosen; of all, if none is. */
function knownOf(machines, apps) {
  const names = namesOf(apps);
  const found = machines.filter(({ app }) => !names || names.includes(app));
  return { regions: [...new Set(found.map(({ region }) => region))].filter(Boolean).sort(), instances: found.map(({ instance }) => instance) };
}

/** What a token may do, one by one. @param {{chosen: string[], set: (actions: string[]) => void, mine: string[] | undefined}} props */
function Actions({ chosen, set, mine }) {
  const has = (action) => !mine || mine.includes('admin') || mine.includes(action);
  const flip = (action, is) => set(is ? [...chosen, action] : chosen.filter((one) => one !== action));
  const isAll = chosen.includes('admin');
  return html`<fieldset class="kinds"><legend class="label">It may</legend>${ACTIONS.map(({ action, says }) => html`<label key=${action} class="check">
    <input type="checkbox" checked=${isAll || chosen.includes(action)} disabled=${!has(action) || (isAll && action !== 'admin')} onChange=${(event) => flip(action, event.target.checked)} />
    <span>${says} <span class="dim mono">${action}</span>${!has(action) && html` <span class="dim">yours may not</span>`}</span></label>`)}
    ${chosen.length === 0 && html`<p class="field-help field-wrong" role="status">Choose at least one.</p>`}
  </fieldset>`;
}

/** Apps; and, one press away, regions and Machines. */
function Limits({ limits, set, known, machines, mine }) {
  const found = knownOf(machines, limits.apps);
  const isDeep = Boolean(limits.regions || limits.instances);
  const [isOpen, setIsOpen] = useState(isDeep);
  const field = (name, names) => html`<${Names} title=${LIMITS[name][0]} one=${LIMITS[name][1]} text=${limits[name]} set=${(text) => set({ ...limits, [name]: text })} known=${names} own=${mine?.[name] ?? null} />`;
  return html`${field('apps', known)}
    <details class="deeper" open=${isOpen} onToggle=${(event) => setIsOpen(event.currentTarget.open)}><summary>Regions and Machines${isDeep ? ': limited' : ''}</summary>
      ${isOpen && html`<div class="form">${field('regions', found.regions)}${field('instances', found.instances)}</div>`}
    </details>`;
}

/** The token that would be made, in a sentence. */
function Sentence({ actions, limits, until, mine }) {
  const scope = Object.fromEntries(Object.keys(LIMITS).map((name) => [name, namesOf(limits[name]) ?? mine?.[name] ?? null]));
  const [end, own] = [expiryOf(until), mine?.expires];
  const ends = end ? `It ends ${/T/.test(end) ? endText(end) : `after ${end}`}${own && Date.parse(own) < Date.parse(end) ? ', or before that with yours' : ''}.` : own ? 'It ends when yours does.' : 'It does not end by itself: revoke it when nobody needs it any more.';
  return html`<p class=${end || own ? 'share-says' : 'share-says lacking'} role="status">It may do <b>${actionsText(actions)}</b>, of <b>${scopeText(scope)}</b>. ${ends}</p>`;
}

const Foot = ({ close, name, isOff }) => html`<div class="dialog-foot"><button type="button" class="button" onClick=${close}>Cancel</button><button class="button strong" disabled=${isOff}>${name}</button></div>`;

export function Create({ known, machines, close, done }) {
  const mine = who.value;
  const [name, setName] = useState('');
  const [actions, setActions] = useState(['read']);
  const [limits, setLimits] = useState(NOTHING);
  const [until, setUntil] = useState({ life: 2_592_000, day: '' });
  const form = useSubmit('/api/v1/tokens', () => ({ name: name.trim(), actions, ...bodyOf(limits, until) }));
  const submit = async (event) => { if (await form.submit(event)) done(); };
  if (form.made) return html`<${Said} title="The token is made" token=${form.made.token} close=${close} />`;
  return html`<${Dialog} title="Create a token" close=${close}><form class="form" onSubmit=${submit}>
    <label class="field"><span class="label">Name</span><input class="input" value=${name} maxlength="100" placeholder="what it is for" onInput=${(event) => setName(event.target.value)} /></label>
    <${Actions} chosen=${actions} set=${setActions} mine=${mine?.actions} />
    <${Limits} limits=${limits} set=${setLimits} known=${known} machines=${machines} mine=${mine} />
    <${Until} value=${until} set=${setUntil} />
    <${Sentence} actions=${actions} limits=${limits} until=${until} mine=${mine} />
    <${Problem} error=${form.error} />
    <${Foot} close=${close} name="Create" isOff=${form.isBusy || !actions.length || Boolean(wrongOf(limits, until, mine))} />
  </form><//>`;
}

export function Narrow({ known, machines, close }) {
  const mine = who.value;
  const [actions, setActions] = useState(() => (mine?.actions && !mine.actions.includes('read') ? mine.actions : ['read']));
  const [limits, setLimits] = useState(NOTHING);
  const [until, setUntil] = useState({ life: 86_400, day: '' });
  const form = useSubmit('/api/v1/tokens/attenuate', () => ({ actions, ...bodyOf(limits, until) }));
  if (form.made) return html`<${Said} title="The narrower token" token=${form.made.token} close=${close} />`;
  return html`<${Dialog} title="Narrow my own token" close=${close}><form class="form" onSubmit=${form.submit}>
    <p class="dim">Makes a token that may do less than yours, or sees less, to hand on. Whoever revokes yours ends it too.</p>
    <${Actions} chosen=${actions} set=${setActions} mine=${mine?.actions} />
    <${Limits} limits=${limits} set=${setLimits} known=${known} machines=${machines} mine=${mine} />
    <${Until} value=${until} set=${setUntil} lives=${LIVES.map(([title, seconds]) => [seconds ? title : 'When mine ends', seconds])} />
    <${Sentence} actions=${actions} limits=${limits} until=${until} mine=${mine} />
    <${Problem} error=${form.error} />
    <${Foot} close=${close} name="Make it" isOff=${form.isBusy || !actions.length || Boolean(wrongOf(limits, until, mine))} />
  </form><//>`;
}

/** A token is said once. */
function Said({ title, token, close }) {
  return html`<${Dialog} title=${title} close=${close}><div class="form">
    <p>Copy it now: it is kept nowhere, and it is not shown again.</p>
    <textarea class="input mono said-token" rows="4" readonly aria-label="The token" onFocus=${(event) => event.target.select()} value=${token}></textarea>
    <div class="dialog-foot"><button class="button" onClick=${() => copy(token, 'Token')}><${Icon} name="copy" />Copy</button><button class="button strong" onClick=${close}>Done</button></div>
  </div><//>`;
}

export function Revoke({ token, close, done }) {
  const [error, setError] = useState(null);
  const [isBusy, setIsBusy] = useState(false);
  const name = token.name || token.id.slice(0, 12);
  const revoke = async () => {
    setIsBusy(true);
    try {
      await send(`/api/v1/tokens/${encodeURIComponent(token.id)}`, { method: 'DELETE' });
      say(`${name} is revoked`);
      close();
      if (token.current) signOut('you revoked the token that you were signed in with.');
      else done();
    } catch (failed) {
      setError(failed);
      setIsBusy(false);
    }
  };
  return html`<${Dialog} title=${`Revoke ${name}?`} close=${close}><div class="form">
    <p>Whoever uses it is signed out within seconds, and so is everybody who has a token made from it. This cannot be undone.</p>
    ${token.current && html`<p class="lacking"><b>This is the token that you are signed in with:</b> you will be signed out, and need another one to come back.</p>`}
    <dl class="said-facts"><div><dt>May do</dt><dd>${actionsText(token.actions)}</dd></div><div><dt>Of</dt><dd>${scopeText(token)}</dd></div><div><dt>Made</dt><dd>${ago(Date.parse(token.created))}</dd></div></dl>
    <${Problem} error=${error} />
    <div class="dialog-foot"><button class="button" onClick=${close}>Keep it</button><button class="button danger" disabled=${isBusy} onClick=${revoke}>Revoke</button></div>
  </div><//>`;
}
