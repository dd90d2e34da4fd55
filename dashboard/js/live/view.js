// How lines are shown: columns, also for fields, equal lines once, long ones wrapped. It is kept in this browser.

import { html, useId, useMemo, useState } from '../ui.js';
import { Dialog } from '../dialog.js';
import { Icon } from '../icons.js';
import { said } from '../line.js';
import { visible } from '../text.js';
import { COLUMNS, fieldsOf, MOST_FIELDS, withFields } from './habits.js';

/** How many of the newest lines are looked through for fields, and how many fields are offered. */
const LOOKED = 300;
const OFFERED = 24;

/** Fields of the newest lines, the most frequent first. @param {import('../line.js').Line[]} lines */
function known(lines) {
  const found = new Map();
  for (const line of lines.slice(-LOOKED)) {
    // Not those that each row shows anyway, nor those of the message once more.
    const inside = said(line);
    const beside = Object.keys(line.own ?? {}).filter((name) => !inside?.names.has(name));
    const names = new Set([...(inside?.pairs ?? []).map(([name]) => name), ...beside]);
    for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  }
  return [...found].sort((a, b) => b[1] - a[1]).map(([name]) => name).slice(0, OFFERED);
}

/**
 * @param {{app: string, isOne: boolean, habit: import('./habits.js').Habits, set: (habit: import('./habits.js').Habits) => void, lines: import('../line.js').Line[], close: () => void}} props
 *   `isOne`: all lines are of one Machine
 */
export function View({ app, isOne, habit, set, lines, close }) {
  const offered = useMemo(() => known(lines), []);
  const fields = fieldsOf(habit, app);
  const setFields = (names) => set(withFields(habit, app, names));
  const isFull = fields.length >= MOST_FIELDS;
  const columns = Object.entries(COLUMNS).filter(([name]) => !isOne || name !== 'instances');
  return html`<${Dialog} title="How lines are shown" close=${close}><div class="form">
    <fieldset class="field"><legend class="label">Columns</legend><div class="known view-columns">
      ${columns.map(([name, title]) => html`<${Check} key=${name} is=${habit.columns[name]} set=${(is) => set({ ...habit, columns: { ...habit.columns, [name]: is } })}>${title}<//>`)}
    </div></fieldset>
    <fieldset class="field"><legend class="label">Columns for fields of ${app}</legend>
      ${fields.length > 0 && html`<ol class="view-fields">${fields.map((name, at) => html`<li key=${name} class="view-field">
        <span class="grow mono" dir="auto">${visible(name)}</span>
        <button type="button" class="button bare" disabled=${at === 0} aria-label=${`${visible(name)}: further to the left`} onClick=${() => setFields(moved(fields, at))}>←</button>
        <button type="button" class="button bare" aria-label=${`No column for ${visible(name)}`} onClick=${() => setFields(fields.filter((one) => one !== name))}><${Icon} name="close" /></button>
      </li>`)}</ol>`}
      <${Add} isFull=${isFull} add=${(name) => { if (!fields.includes(name)) setFields([...fields, name]); }} />
      <div class="known">${offered.filter((name) => !fields.includes(name)).map((name) => html`<button type="button" key=${name} class="button known-one mono" disabled=${isFull} aria-label=${`Column for ${visible(name)}`} onClick=${() => setFields([...fields, name])}>${visible(name)}</button>`)}</div>
      ${isFull && html`<p class="field-help" role="status">There is room for ${MOST_FIELDS}: take one away for another.</p>`}
    </fieldset>
    <fieldset class="field"><legend class="label">Lines</legend>
      <${Check} is=${habit.fold} set=${(fold) => set({ ...habit, fold })}>Show equal lines behind each other once, with their number (f)<//>
      <${Check} is=${habit.wrap} set=${(wrap) => set({ ...habit, wrap })}>Wrap long lines (w); one alone with W<//>
    </fieldset>
    <div class="dialog-foot"><button type="button" class="button strong" onClick=${close}>Done</button></div>
  </div><//>`;
}

/** A field one place further to the left. */
const moved = (fields, at) => fields.with(at - 1, fields[at]).with(at, fields[at - 1]);

const Check = ({ is, set, children }) => html`<label class="check"><input type="checkbox" checked=${is} onChange=${(event) => set(event.target.checked)} /> <span>${children}</span></label>`;

function Add({ isFull, add }) {
  const [text, setText] = useState('');
  const id = useId();
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) add(text.trim());
    setText('');
  };
  return html`<form class="view-add" onSubmit=${submit}>
    <label class="offscreen" for=${id}>Name of a field</label>
    <input class="input mono" id=${id} value=${text} placeholder="a field, as user or http.status" autocomplete="off" spellcheck="false" disabled=${isFull} onInput=${(event) => setText(event.target.value)} />
    <button class="button" disabled=${isFull || !text.trim()}>Add</button>
  </form>`;
}
