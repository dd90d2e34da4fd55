// A link for somebody else: the search, and a token of its own that only reads, only some apps, and ends.

import { get } from '../api.js';
import { html, useEffect, useMemo, useState } from '../ui.js';
import { Dialog } from '../dialog.js';
import { Icon } from '../icons.js';
import { Problem, copy } from '../notice.js';
import { who } from '../session.js';
import { Life, endOf } from '../limits.js';
import { fieldValues } from './complete.js';
import { hash, iso, span } from './state.js';

/** How long a link may be good. */
const LIVES = [['1 hour', 3600], ['8 hours', 28_800], ['1 day', 86_400], ['7 days', 604_800], ['30 days', 2_592_000]];

/** The address with a search and a token in its fragment, which browsers send to no server. */
export const linkOf = (state, token, base = location.href.split('#')[0]) => {
  const to = hash(state);
  return `${base}${to}${to.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`;
};

/** @param {{state: import('./state.js').State, filter: string, bounds: {start: string, end: string}, close: () => void}} props */
export function Share({ state, filter, bounds, close }) {
  const [known, setKnown] = useState(null);
  const [chosen, setChosen] = useState(new Set());
  const [life, setLife] = useState(86_400);
  const [isFixed, setIsFixed] = useState(true);
  const [made, setMade] = useState(null);
  const [error, setError] = useState(null);
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    fieldValues(filter, 'app', bounds, 100, undefined, abort.signal).then(
      (found) => {
        const names = found.map(({ value }) => value).filter(Boolean);
        setKnown(names);
        // Few apps in what is found: those are meant. Otherwise somebody has to say.
        setChosen(new Set(names.length <= 5 ? names : []));
      },
      (failed) => { if (failed.name !== 'AbortError') { setKnown([]); setError(failed); } },
    );
    return () => abort.abort();
  }, []);
  const apps = useMemo(() => [...chosen].sort(), [chosen]);
  const flip = (name) => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    setChosen(next);
  };
  const submit = async (event) => {
    event.preventDefault();
    setIsBusy(true);
    setError(null);
    try {
      const { token, expires } = await get('/api/v1/tokens/attenuate', { json: { actions: ['read'], apps, expires: endOf(life) }, method: 'POST' });
      const [from, to] = span(state);
      setMade({ link: linkOf(isFixed ? { ...state, from: iso(from), to: iso(to) } : state, token), expires: expires ?? endOf(life) });
    } catch (failed) {
      setError(failed);
    } finally {
      setIsBusy(false);
    }
  };
  const ends = who.value?.expires;
  return html`<${Dialog} title="Share this search" close=${close}>
    ${made ? html`<${Made} made=${made} apps=${apps} close=${close} />` : html`<form class="form" onSubmit=${submit}>
      <p class="dim">Makes a link that signs in whoever opens it, with a token of its own that can only read.</p>
      <fieldset class="field"><legend class="label">Lines of these apps can be read</legend>
        ${known === null && html`<p class="dim">Looking which apps are in what is found</p>`}
        ${known?.length === 0 && !error && html`<p class="dim">Nothing is found, so there is no app to share. Change the search first.</p>`}
        <div class="known">${(known ?? []).map((name) => html`<label key=${name} class="check chip-check"><input type="checkbox" checked=${chosen.has(name)} onChange=${() => flip(name)} /> <span class="mono">${name}</span></label>`)}</div>
      </fieldset>
      <${Life} value=${life} set=${setLife} lives=${LIVES} />
      <label class="check"><input type="checkbox" checked=${isFixed} onChange=${(event) => setIsFixed(event.target.checked)} /> Hold the time still: the link opens the span that you see now</label>
      <p class="share-says" role="status">${apps.length
    ? html`Whoever has the link can read <b>all lines of ${apps.join(', ')}</b> that are stored, not only those of this search, for ${LIVES.find(([, seconds]) => seconds === life)[0]}${ends ? ' or until your own token ends' : ''}. They cannot write lines, see other apps, or make tokens that do more.`
    : 'Choose at least one app.'}</p>
      <${Problem} error=${error} />
      <div class="dialog-foot"><button type="button" class="button" onClick=${close}>Cancel</button><button class="button strong" disabled=${isBusy || !apps.length}>Make the link</button></div>
    </form>`}
  <//>`;
}

function Made({ made, apps, close }) {
  return html`<div class="form">
    <textarea class="input mono said-token" rows="4" readonly aria-label="The link" onFocus=${(event) => event.target.select()}>${made.link}</textarea>
    <p class="dim">It reads lines of ${apps.join(', ')} until ${new Date(made.expires).toLocaleString()}. The token stands behind the #, which browsers do not send; treat the link like a key all the same. It ends at once when yours is revoked.</p>
    <div class="dialog-foot"><button class="button" onClick=${() => copy(made.link, 'Link')}><${Icon} name="copy" /> Copy the link</button><button class="button strong" onClick=${close}>Done</button></div>
  </div>`;
}
