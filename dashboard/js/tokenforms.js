// The dialogs about tokens: to make one, to narrow one's own, to revoke one.

import { get, send } from './api.js';
import { html, useState } from './ui.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Problem, copy, say } from './notice.js';
import { ago } from './format.js';
import { signOut, who } from './session.js';
import { Apps, KINDS, LIVES, Life, actionsText, endOf, namesOf, scopeText } from './limits.js';

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

export function Create({ known, close, done }) {
  const [name, setName] = useState('');
  const [kind, setKind] = useState('readonly');
  const [apps, setApps] = useState('');
  const [life, setLife] = useState(2_592_000);
  const { actions } = KINDS.find((one) => one.kind === kind);
  const form = useSubmit('/api/v1/tokens', () => ({ name: name.trim(), actions, apps: namesOf(apps), expires: endOf(life) }));
  const submit = async (event) => { if (await form.submit(event)) done(); };
  if (form.made) return html`<${Said} title="The token is made" token=${form.made.token} close=${close} />`;
  return html`<${Dialog} title="Create a token" close=${close}><form class="form" onSubmit=${submit}>
    <label class="field"><span class="label">Name</span><input class="input" value=${name} maxlength="100" placeholder="what it is for" onInput=${(event) => setName(event.target.value)} /></label>
    <fieldset class="kinds"><legend class="label">It may</legend>${KINDS.map((one) => html`<label key=${one.kind} class="check"><input type="radio" name="kind" value=${one.kind} checked=${kind === one.kind} onChange=${() => setKind(one.kind)} /> <span>${one.says} <span class="dim mono">${one.kind}</span></span></label>`)}</fieldset>
    <${Apps} text=${apps} set=${setApps} known=${known} />
    <${Life} value=${life} set=${setLife} />
    ${life === 0 && html`<p class="lacking">A token that does not end by itself has to be revoked when nobody needs it any more.</p>`}
    <${Problem} error=${form.error} />
    <div class="dialog-foot"><button type="button" class="button" onClick=${close}>Cancel</button><button class="button strong" disabled=${form.isBusy}>Create</button></div>
  </form><//>`;
}

export function Narrow({ known, close }) {
  const mine = who.value;
  const [apps, setApps] = useState('');
  const [isReading, setIsReading] = useState(true);
  const [life, setLife] = useState(86_400);
  const form = useSubmit('/api/v1/tokens/attenuate', () => ({
    ...(isReading ? { actions: ['read'] } : {}), ...(namesOf(apps) ? { apps: namesOf(apps) } : {}), ...(life ? { expires: endOf(life) } : {}),
  }));
  if (form.made) return html`<${Said} title="The narrower token" token=${form.made.token} close=${close} />`;
  return html`<${Dialog} title="Narrow my own token" close=${close}><form class="form" onSubmit=${form.submit}>
    <p class="dim">Makes a token that may do less than yours, or sees less, to hand on. Whoever revokes yours ends it too.</p>
    <label class="check"><input type="checkbox" checked=${isReading} disabled=${mine && !mine.actions?.includes('read')} onChange=${(event) => setIsReading(event.target.checked)} /> It may only read</label>
    <${Apps} text=${apps} set=${setApps} known=${mine?.apps ?? known} help="Names with blanks between them. Empty: those that yours sees." />
    <${Life} value=${life} set=${setLife} lives=${LIVES.map(([name, seconds]) => [seconds ? name : 'When mine ends', seconds])} />
    <${Problem} error=${form.error} />
    <div class="dialog-foot"><button type="button" class="button" onClick=${close}>Cancel</button><button class="button strong" disabled=${form.isBusy}>Make it</button></div>
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
