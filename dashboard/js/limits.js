// What a token allows, and for how long: words, and the form that asks for it.

import { html, useId } from './ui.js';
import { ahead, ago } from './format.js';

/** What a token may do. `admin` is all of it. */
export const ACTIONS = [
  { action: 'read', says: 'Read lines' },
  { action: 'write', says: 'Insert lines from elsewhere' },
  { action: 'ship', says: 'Set up the shipping of lines to other services' },
  { action: 'admin', says: 'Everything, and make further tokens' },
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

/** A choice of how long. @param {{value: number, set: (seconds: number) => void, lives?: typeof LIVES}} props */
export const Life = ({ value, set, lives = LIVES }) => html`<label class="field"><span class="label">Ends after</span>
  <select class="select" value=${value} onChange=${(event) => set(Number(event.target.value))}>${lives.map(([name, seconds]) => html`<option key=${name} value=${seconds}>${name}</option>`)}</select>
</label>`;

/** A choice among them that stands for a day of one's own. */
const A_DAY = -1;

/** What `until` means: as the server takes it; null: it does not end by itself. @param {{life: number, day: string}} until */
export const expiryOf = ({ life, day }) => (life === A_DAY ? day : endOf(life));

/** Why an end is none; empty if it is one. */
export const wrongEnd = ({ life, day }) => (life === A_DAY && !(Date.parse(`${day}T23:59:59Z`) > Date.now()) ? 'Choose the last day, today or later.' : '');

/** A choice of how long, or of the last day. @param {{value: {life: number, day: string}, set: (until: {life: number, day: string}) => void, lives?: typeof LIVES}} props */
export function Until({ value, set, lives = LIVES }) {
  const wrong = wrongEnd(value);
  return html`<div class="until">
    <${Life} value=${value.life} set=${(life) => set({ ...value, life })} lives=${[...lives, ['A day of my own choice', A_DAY]]} />
    ${value.life === A_DAY && html`<label class="field"><span class="label">Last day (UTC)</span>
      <input class="input" type="date" value=${value.day} min=${new Date().toISOString().slice(0, 10)} aria-invalid=${Boolean(wrong)} onInput=${(event) => set({ ...value, day: event.target.value })} /></label>`}
  </div>`;
}

/** Most names that are offered to be chosen. */
const OFFERED = 24;

/**
 * Names to keep to, with those that are known to choose from.
 * @param {{title: string, one: string, text: string, set: (text: string) => void, known?: string[], own?: string[] | null}} props
 *   `one`: as `an app`; `own`: the only ones that one's own token sees; null: all
 */
export function Names({ title, one, text, set, known = [], own = null }) {
  const id = useId();
  const names = namesOf(text) ?? [];
  // What is being typed narrows down what is offered.
  const all = own ?? known;
  const typed = /[^\s,]*$/.exec(text)[0];
  const like = typed && !all.includes(typed) ? all.filter((name) => name.includes(typed)) : all;
  const offered = like.slice(0, OFFERED);
  const wrong = wrongNames({ one, text, own });
  const fresh = known.length > 0 && !own ? names.filter((name) => !known.includes(escaped(name))) : [];
  return html`<div class="field"><label class="label" for=${id}>${title}</label>
    <input id=${id} class="input mono" value=${text} placeholder=${own ? `those of yours: ${own.join(' ')}` : `all ${title.toLowerCase()}`} autocomplete="off" autocapitalize="off" spellcheck="false"
      aria-describedby=${`${id}-help`} aria-invalid=${Boolean(wrong)} onInput=${(event) => set(event.target.value)} />
    <p class=${wrong ? 'field-help field-wrong' : 'field-help'} id=${`${id}-help`} role="status">${wrong || (fresh.length ? `Nothing is stored of ${fresh.join(', ')} yet: is it spelt so?` : `Names with blanks between them. Empty: ${own ? 'those that yours sees' : 'all'}.`)}</p>
    ${offered.length > 0 && html`<p class="known">${offered.map((name) => {
    const isIn = names.includes(name);
    return html`<button type="button" key=${name} class="button known-one" aria-pressed=${isIn} onClick=${() => set((isIn ? names.filter((other) => other !== name) : [...names.filter((other) => other !== typed || all.includes(typed)), name]).join(' '))}>${name}</button>`;
  })}</p>`}
  </div>`;
}

/** The longest name, in bytes. */
const LONGEST = 63;
const UTF8 = new TextEncoder();

/** A name as the server has it: all but `a-z0-9-` escaped. */
const escaped = (name) => (/^(?:[a-z0-9-]|%[0-9A-F]{2})+$/.test(name) ? name
  : [...UTF8.encode(name)].map((byte) => (/[a-z0-9-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)).join(''));

/** Why these names cannot be kept to; empty if they can. @param {{one: string, text: string, own?: string[] | null}} limit */
export function wrongNames({ one, text, own = null }) {
  const names = namesOf(text) ?? [];
  const long = names.find((name) => UTF8.encode(name).length > LONGEST);
  if (long !== undefined) return `“${long.slice(0, 24)}…” is too long: ${one} has a name of at most ${LONGEST} bytes.`;
  const beyond = own ? names.filter((name) => !own.includes(escaped(name))) : [];
  return beyond.length ? `Your own token does not see ${beyond.join(', ')}.` : '';
}
