// The codes of errors: what each means, why it comes, what to do.

import { get } from '../api.js';
import { html, useEffect, useMemo, useRef, useState } from '../ui.js';
import { Problem } from '../notice.js';
import { link, setArgs } from '../router.js';
import { useKeys } from '../keys.js';
import { plural } from '../format.js';
import { Prose } from '../prose.js';

/** @typedef {{code: string, title: string, cause: string, remedy: string, family: string}} Code */

/** Read once: they are part of the program. @type {Code[] | null} */
let kept = null;

/** All codes.  @returns {Promise<Code[]>} */
async function all() {
  kept ??= (await get('/api/v1/codes')).codes;
  return kept;
}

const matches = (code, words) => {
  const text = `${code.code} ${code.title} ${code.cause} ${code.remedy} ${code.family}`.toLowerCase();
  return words.every((word) => text.includes(word));
};

/** Codes by what emits them, in the order in which the server gives them. */
function families(codes) {
  const found = new Map();
  for (const code of codes) found.set(code.family, [...(found.get(code.family) ?? []), code]);
  return [...found];
}

export default function Codes({ parts, args }) {
  const [codes, setCodes] = useState(kept);
  const [error, setError] = useState(null);
  const field = useRef(null);
  const wanted = args.q ?? '';
  const chosen = (parts[0] ?? '').toUpperCase();
  const load = () => {
    setError(null);
    all().then(setCodes, setError);
  };
  useEffect(load, []);
  useEffect(() => {
    if (codes && chosen) document.getElementById(`code-${chosen}`)?.scrollIntoView({ block: 'center' });
  }, [codes, chosen]);
  useKeys('Codes', [{ keys: '/', does: 'Find a code', act: () => field.current?.focus() }]);
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  // The chosen one is shown whatever is looked for.
  const shown = useMemo(() => (codes ?? []).filter((code) => code.code === chosen || matches(code, words)), [codes, wanted, chosen]);
  const isUnknown = codes && chosen && !codes.some(({ code }) => code === chosen);
  return html`<div class="content codes">
    <div class="head">
      <h1>Error codes</h1>
      <span class="dim" role="status">${codes && plural(shown.length, 'code')}</span>
      <span class="grow"></span>
      <input class="input codes-find" type="search" ref=${field} placeholder="Code or words, as PU02 or timeout" aria-label="Find a code" value=${wanted} onInput=${(event) => setArgs({ q: event.target.value })} />
    </div>
    <p class="codes-intro">Codes stand in lines and in what Logway says. In a terminal <code>logway explain CODE</code> tells the same.</p>
    <${Problem} error=${error} again=${load} />
    ${!codes && !error && html`<p class="loading">Loading codes</p>`}
    ${isUnknown && html`<p class="lacking" role="status">There is no code ${chosen}. Codes are two letters and two digits; look for words of it above.</p>`}
    ${codes && !shown.length && html`<p class="dim">No code has these words. <button class="button" onClick=${() => setArgs({ q: '' })}>Show all</button></p>`}
    ${families(shown).map(([family, list]) => html`<section key=${family} aria-labelledby=${`family-${list[0].code}`}>
      <h2 id=${`family-${list[0].code}`} class="codes-family">${family}</h2>
      <div class="codes-list">${list.map((code) => html`<${One} key=${code.code} code=${code} isChosen=${code.code === chosen} />`)}</div>
    </section>`)}
  </div>`;
}

function One({ code, isChosen }) {
  return html`<article id=${`code-${code.code}`} class=${`panel codes-one ${isChosen ? 'chosen' : ''}`} aria-current=${isChosen ? 'true' : undefined}>
    <h3><a class="code" href=${link('codes', code.code)}>${code.code}</a> <span>${code.title}</span></h3>
    <dl>
      <div><dt>Why</dt><dd><${Prose} text=${code.cause} /></dd></div>
      <div><dt>What to do</dt><dd><${Prose} text=${code.remedy} /></dd></div>
    </dl>
    <a class="codes-search" href=${link('search', [], { q: `code:=${code.code} or ${code.code}`, from: '-24h' })}>Lines with it <span class="offscreen">(${code.code})</span></a>
  </article>`;
}
