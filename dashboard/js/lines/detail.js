// All of one line: its facts, its fields as a tree, and what can be done with it.

import { html, render, useState } from '../ui.js';
import { Icon } from '../icons.js';
import { bytes, count } from '../format.js';
import { codeOf, DEEPEST, MAX_WHOLE, said, storedName } from '../line.js';
import { copy } from '../notice.js';
import { link } from '../router.js';
import { kindOf } from '../template.js';
import { visible } from '../text.js';

/** Most characters of a message that are shown before somebody asks for all. */
const MOST = 6_000;
/** Most fields of one document that are shown at first, and how many more at each asking. */
const FIELDS = 200;
const MORE_FIELDS = 1_000;
/** Most letters of a value that are shown in a tree: the message has all of them. */
const MOST_VALUE = 4_000;

/**
 * What a page offers for a line.
 * @typedef {object} Offers
 * @property {(field: string, value: string, isNot: boolean) => void} [onFilter]  shows only lines with this value, or none with it
 * @property {(line: import('../line.js').Line) => string} [linkOf]      the address of the line
 * @property {(line: import('../line.js').Line) => string} [contextOf]   the address of the lines around it
 * @property {(code: string) => void} [onCode]
 * @property {(line: import('../line.js').Line) => void} [onHide]   hides it, and lines that differ from it in numbers only
 * @property {(field: string) => void} [onColumn]   shows a field as a column, or no more
 */

/** Shows a line's details in an element; gives what takes them away. @param {Offers} offers */
export function openDetail(line, box, offers) {
  render(html`<${Detail} line=${line} offers=${offers} />`, box);
  return () => render(null, box);
}

function Detail({ line, offers }) {
  const inside = said(line, MAX_WHOLE);
  const code = codeOf(line);
  const facts = [
    ['time', line.time, ''], ['app', line.app], ['instance', line.instance], ['region', line.region], ['host', line.host], ['provider', line.provider],
    ['stream', line.stream], ['level', line.level], ['code', line.code], ['boot', line.boot], ['seq', line.seq ? String(line.seq) : ''],
  ].filter(([, value]) => value);
  const own = Object.entries(line.own ?? {}).filter(([name]) => !inside?.names.has(name));
  return html`
    <div class="detail-acts">
      <button class="button" onClick=${() => copy(line.message, 'Message')}><${Icon} name="copy" />Copy message</button>
      <button class="button" onClick=${() => copy(JSON.stringify(line.raw, null, 2), 'JSON')}>Copy JSON</button>
      ${offers.linkOf && html`<button class="button" onClick=${() => copy(absolute(offers.linkOf(line)), 'Link')}><${Icon} name="anchor" />Copy link</button>`}
      ${offers.contextOf && line.boot && html`<a class="button" href=${offers.contextOf(line)}>Lines around it</a>`}
      ${offers.onHide && kindOf(line) && html`<button class="button" onClick=${() => offers.onHide(line)} title="Hide lines that differ from it in numbers only (h)"><${Icon} name="hide" />Hide lines like this</button>`}
      ${line.instance && html`<a class="button" href=${link('machine', line.instance)}><${Icon} name="machine" />Machine</a>`}
      ${code && html`<a class="button" href=${link('codes', code)}>What ${code} means</a>`}
    </div>
    <${Message} text=${line.message} isData=${Boolean(inside)} />
    <div class="detail-parts">
      ${inside && html`<section><h3>Fields</h3>
        ${inside.kind === 'json' ? html`<${Tree} value=${inside.value} path="" offers=${offers} />`
          : html`<${Fields} all=${allPairs(line, inside)} offers=${offers} />`}
      </section>`}
      ${own.length > 0 && html`<section><h3>${inside ? 'More fields' : 'Fields'}</h3><${Fields} all=${own} offers=${offers} isStored=${true} /></section>`}
      <section><h3>Where it is from</h3><${Fields} all=${facts} offers=${offers} isStored=${true} isField=${false} /></section>
    </div>`;
}

/** Of logfmt: the sentence too. */
const allPairs = (line, inside) => (inside.text ? [[/(^|\s)message=/.test(line.message) ? 'message' : 'msg', inside.text], ...inside.pairs] : inside.pairs);

const absolute = (hash) => new URL(hash, location.href).href;

/** The whole message, as it is. What the tree shows better is folded away. */
function Message({ text, isData }) {
  const [isWhole, setIsWhole] = useState(false);
  const isLong = text.length > MOST && !isWhole;
  const body = html`<pre class="detail-message" dir="auto" tabindex="0" role="group" aria-label="Message">${visible(isLong ? text.slice(0, MOST) : text)}${isLong && '…'}</pre>
    ${text.length > MOST && html`<button class="button" onClick=${() => setIsWhole(!isWhole)}>${isWhole ? 'Show less' : `Show all (${bytes(text.length)})`}</button>`}`;
  if (!isData) return body;
  return html`<details class="detail-raw"><summary>The message as it was written</summary>${body}</details>`;
}

/** Names and values, one below the other. */
export function Fields({ all, offers, isStored = false, isField = true }) {
  const [shown, more] = useFirst(all);
  return html`<dl class="fields">${shown.map(([name, value, filter]) => html`
    <div key=${name} class="field-row">
      <dt>${visible(fitting(name))}</dt>
      <dd><bdi dir="auto">${visible(fitting(value))}</bdi><${Acts} field=${filter ?? (isStored ? name : storedName(name))} value=${value} offers=${offers} isField=${isField} /></dd>
    </div>`)}</dl>${more}`;
}

/** The first ones of very many, and a button that asks for more of them. @template T @param {T[]} all @returns {[T[], any]} */
function useFirst(all) {
  const [most, setMost] = useState(FIELDS);
  const left = all.length - most;
  const more = left > 0 && html`<button class="button" onClick=${() => setMost(most + MORE_FIELDS)}>Show ${count(Math.min(left, MORE_FIELDS))} more of ${count(all.length)}</button>`;
  return [left > 0 ? all.slice(0, most) : all, more];
}

const fitting = (text) => (text.length > MOST_VALUE ? `${text.slice(0, MOST_VALUE)}…` : text);

/** A document as a tree that opens and closes; what is closed is not made yet. */
function Tree({ value, path, offers, depth = 0 }) {
  const [shown, more] = useFirst(Object.entries(value));
  return html`<ul class="tree">${shown.map(([name, inner]) => {
    const full = path ? `${path}.${name}` : name;
    if (inner !== null && typeof inner === 'object' && depth < DEEPEST) {
      return html`<${Branch} key=${name} name=${name} value=${inner} path=${full} depth=${depth} offers=${offers} />`;
    }
    const kind = inner === null ? 'null' : typeof inner;
    const text = kind === 'object' ? written(inner) : String(inner);
    return html`<li key=${name} class="field-row"><span class="tree-name">${visible(fitting(name))}</span>
      <span class=${`tree-value ${kind}`}><bdi dir="auto">${visible(fitting(text))}</bdi>
        <${Acts} field=${storedName(full)} value=${text} offers=${inner === null ? {} : offers} /></span></li>`;
  })}</ul>${more}`;
}

function Branch({ name, value, path, depth, offers }) {
  const isList = Array.isArray(value);
  const size = Object.keys(value).length;
  const [isOpen, setIsOpen] = useState(depth < 2 && size <= 50);
  return html`<li><details open=${isOpen} onToggle=${(event) => setIsOpen(event.currentTarget.open)}>
    <summary><span class="tree-name">${visible(fitting(name))}</span> <span class="tree-size">${isList ? `[${size}]` : `{${size}}`}</span></summary>
    ${isOpen && html`<${Tree} value=${value} path=${path} depth=${depth + 1} offers=${isList ? {} : offers} />`}
  </details></li>`;
}

/** What is too deep for the tree, as JSON. */
function written(value) {
  try {
    return JSON.stringify(value);
  } catch {
    return 'too deep to be shown: see the message as it was written';
  }
}

/** Only lines with this value, or none with it. */
function Acts({ field, value, offers, isField = true }) {
  // A field is found by a value of at most so many letters; an empty name is that of the time, which is found in the search.
  if (!offers.onFilter || !field || value.length > 2_000) return null;
  const what = visible(`${field} ${value.length > 40 ? `${value.slice(0, 40)}…` : value}`);
  return html`<span class="acts">
    <button class="act" title="Only lines with this value" aria-label=${`Only lines with ${what}`} onClick=${() => offers.onFilter(field, value, false)}>=</button>
    <button class="act" title="No lines with this value" aria-label=${`No lines with ${what}`} onClick=${() => offers.onFilter(field, value, true)}>≠</button>
    ${offers.onColumn && isField && html`<button class="act" title="Show it as a column, or no more" aria-label=${`Column for ${visible(field)}`} onClick=${() => offers.onColumn(field)}>▥</button>`}
  </span>`;
}

