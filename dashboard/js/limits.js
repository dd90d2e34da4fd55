// What a token allows, and for how long: words, and the form that asks for it.

import { html } from './ui.js';
import { ahead, ago } from './format.js';

/** What tokens may be for, as `logway tokens create` has it. */
export const KINDS = [
  { kind: 'readonly', actions: ['read'], says: 'Read lines' },
  { kind: 'ship', actions: ['read', 'ship'], says: 'Read lines, and set up their shipping to other services' },
  { kind: 'write', actions: ['write'], says: 'Insert lines from elsewhere, and read none' },
  { kind: 'admin', actions: ['read', 'write', 'ship', 'admin'], says: 'Everything, and make further tokens' },
];

/** How long a token may live: the name, and seconds. 0: it does not end by itself. */
export const LIVES = [['1 hour', 3600], ['1 day', 86_400], ['7 days', 604_800], ['30 days', 2_592_000], ['1 year', 31_536_000], ['It does not end', 0]];

/** When a token ends that lives so long from now on; null if never. */
export const endOf = (seconds, now = Date.now()) => (seconds ? new Date(now + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z') : null);

/** Names from a text with commas or blanks between them; null if there are none: all. */
export function namesOf(text) {
  const names = text.split(/[\s,]+/).filter(Boolean);
  return names.length ? [...new Set(names)] : null;
}

/** `read, write`. An admin may do everything. */
export const actionsText = (actions = []) => (actions.includes('admin') ? 'everything' : actions.join(', ') || 'nothing');

/** `app web; region lhr`, or `all apps`. */
export function scopeText({ apps, regions, instances }) {
  const said = [['app', apps], ['region', regions], ['Machine', instances]].filter(([, names]) => names)
    .map(([what, names]) => `${what}${names.length === 1 ? '' : 's'} ${names.join(', ') || 'none'}`);
  return said.join('; ') || 'all apps';
}

/** `in 3 h`, `ended 2 d ago`, `never`. */
export function endText(expires, now = Date.now()) {
  if (!expires) return 'never';
  const at = Date.parse(expires);
  // What was just made to last a day ends in a day, not in 23 hours.
  return at > now ? ahead(at + 59_000, now) : `ended ${ago(at, now)}`;
}

/** A choice of how long. @param {{value: number, set: (seconds: number) => void, lives?: typeof LIVES, id?: string}} props */
export const Life = ({ value, set, lives = LIVES }) => html`<label class="field"><span class="label">Ends after</span>
  <select class="select" value=${value} onChange=${(event) => set(Number(event.target.value))}>${lives.map(([name, seconds]) => html`<option key=${name} value=${seconds}>${name}</option>`)}</select>
</label>`;

/** Names of apps to keep to, with those that are known to choose from. @param {{text: string, set: (text: string) => void, known?: string[], need?: boolean}} props */
export const Apps = ({ text, set, known = [], help }) => html`<div class="field"><label class="label" for="limit-apps">Apps</label>
  <input id="limit-apps" class="input mono" value=${text} placeholder="all apps" autocomplete="off" spellcheck="false" aria-describedby="limit-apps-help" onInput=${(event) => set(event.target.value)} />
  <p class="field-help" id="limit-apps-help">${help ?? 'Names with blanks between them. Empty: all apps.'}</p>
  ${known.length > 0 && html`<p class="known">${known.slice(0, 24).map((name) => {
    const names = namesOf(text) ?? [];
    const isIn = names.includes(name);
    return html`<button type="button" key=${name} class="button known-one" aria-pressed=${isIn} onClick=${() => set((isIn ? names.filter((one) => one !== name) : [...names, name]).join(' '))}>${name}</button>`;
  })}</p>`}
</div>`;
