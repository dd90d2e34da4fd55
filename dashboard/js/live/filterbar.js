// The filters of live logs, as fields and as conditions that can be taken away.

import { html, useEffect, useRef, useState } from '../ui.js';
import { get } from '../api.js';
import { plural } from '../format.js';
import { Icon } from '../icons.js';
import { shortId } from '../line.js';
import { setArgs } from '../router.js';
import { shown, visible } from '../text.js';
import { isAny, LEVELS, NOTHING, PROVIDERS, withoutField } from './filters.js';
import { Hidden } from './hidden.js';

/** @param {{app: string, filters: import('./filters.js').Filters, isFixed: boolean, textRef: any, pause: number}} props */
export function FilterBar({ app, filters, isFixed, textRef, pause }) {
  const [isOpen, setIsOpen] = useState(false);
  const [isListed, setIsListed] = useState(false);
  const machines = useMachines(app);
  const regions = [...new Set([...machines.map((one) => one.region), filters.region])].filter(Boolean).sort();
  const instances = machines.filter((one) => !filters.region || one.region === filters.region).map((one) => one.instance);
  if (filters.instance && !instances.includes(filters.instance)) instances.push(filters.instance);
  const set = (name) => (event) => setArgs({ [name]: event.target.value });
  const chosen = ['region', 'provider', 'level'].filter((name) => filters[name]).length + (!isFixed && filters.instance ? 1 : 0) + filters.fields.length;

  return html`<div class=${`filters ${isOpen ? 'is-open' : ''}`} role="search" aria-label="Filters">
    <${TextFilter} value=${filters.text} textRef=${textRef} pause=${pause} />
    <button class="button only-phone" aria-expanded=${isOpen} onClick=${() => setIsOpen(!isOpen)}>Filters${chosen > 0 ? ` (${chosen})` : ''}</button>
    <${Choice} label="Level" value=${filters.level} onChange=${set('level')} options=${[['', 'Any level'], ...Object.entries(LEVELS)]} />
    ${!isFixed && html`
      <${Choice} label="Region" value=${filters.region} onChange=${set('region')} options=${[['', 'Any region'], ...regions.map((name) => [name, name])]} />
      <${Choice} label="Machine" value=${filters.instance} onChange=${set('instance')}
        options=${[['', 'Any Machine'], ...instances.map((id) => [id, label(id, machines)])]} />`}
    <${Choice} label="Written by" value=${filters.provider} onChange=${set('provider')} options=${[['', 'Any writer'], ...Object.entries(PROVIDERS)]} />
    ${filters.fields.map(([field, value, isNot], index) => html`<span class="condition" key=${`${field}${value}`}>
      <span dir="auto" title=${visible(`${field} ${isNot ? '≠' : '='} ${value}`)}>${shown(`${field} ${isNot ? '≠' : '='} ${value || '(nothing)'}`, 60)}</span>
      <button aria-label=${visible(`Take away: ${field} ${isNot ? 'is not' : 'is'} ${value}`)} onClick=${() => setArgs(withoutField(filters, index))}><${Icon} name="close" /></button>
    </span>`)}
    ${filters.hidden.length > 0 && html`<button class="button hidden-count" onClick=${() => setIsListed(true)}><${Icon} name="hide" />${plural(filters.hidden.length, 'kind')} of lines hidden</button>`}
    ${isListed && filters.hidden.length > 0 && html`<${Hidden} app=${app} filters=${filters} close=${() => setIsListed(false)} />`}
    ${!isAny({ ...filters, instance: isFixed ? '' : filters.instance }) && html`<button class="link"
      onClick=${() => setArgs(NOTHING)}>Take all away</button>`}
  </div>`;
}

const label = (id, machines) => {
  const state = machines.find((one) => one.instance === id)?.state;
  return state && state !== 'unknown' ? `${shortId(id)} (${state})` : shortId(id);
};

function Choice({ label: name, value, options, onChange }) {
  return html`<select class="select" aria-label=${name} value=${value} onChange=${onChange}>
    ${options.map(([key, title]) => html`<option key=${key} value=${key}>${title}</option>`)}
  </select>`;
}

/** Sent when somebody has stopped typing. */
function TextFilter({ value, textRef, pause }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  // The address has changed in another way: back, or all filters taken away.
  useEffect(() => { setText(value); }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const send = (now) => {
    clearTimeout(timer.current);
    setArgs({ text: now });
  };
  const typed = (event) => {
    const now = event.target.value;
    setText(now);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => send(now), pause);
  };
  const key = (event) => {
    if (event.key === 'Enter') send(text);
    if (event.key === 'Escape') {
      if (text) {
        setText('');
        send('');
      } else {
        event.target.blur();
      }
    }
  };
  return html`<input class="input text-filter" type="search" ref=${textRef} value=${text} placeholder="Filter by text  /" aria-label="Filter by text"
    spellcheck="false" autocapitalize="off" onInput=${typed} onKeyDown=${key} />`;
}

/** The Machines of an app, to choose from; none if the server cannot tell. */
function useMachines(app) {
  const [machines, setMachines] = useState([]);
  useEffect(() => {
    let isOver = false;
    get('/api/v1/machines', { args: { app } }).then((said) => { if (!isOver) setMachines(said.machines); }, () => {});
    return () => { isOver = true; };
  }, [app]);
  return machines;
}
