// Where the query is typed: a combobox that offers what can stand at the caret.

import { html, useEffect, useId, useLayoutEffect, useRef, useState } from '../ui.js';
import { Icon } from '../icons.js';
import { link } from '../router.js';
import { short } from '../format.js';
import { complete } from './complete.js';
import { visible } from '../text.js';

/** How long typing must rest before the server is asked, in ms. */
const REST = 120;

/** Whether the style sheet makes the field as high as what is typed; else it is done here. */
const GROWS = CSS.supports('field-sizing', 'content');

/**
 * @param {{query: string, run: (query: string) => void, bounds: () => {start: string, end: string}, error: any, isBusy: boolean, stop: () => void, focus: {current: any}}} props
 */
export function Editor({ query, run, bounds, error, isBusy, stop, focus }) {
  const [text, setText] = useState(query);
  const [list, setList] = useState({ offers: [], from: 0, to: 0 });
  const [active, setActive] = useState(-1);
  const area = useRef(null);
  const asking = useRef({ timer: 0, abort: null });
  const caret = useRef(null);
  const id = useId();

  // The address may change by itself: by a click on a value, or by the way back.
  useEffect(() => { setText(query); close(); }, [query]);
  useEffect(() => { focus.current = area.current; return () => drop(); }, []);
  useLayoutEffect(() => {
    if (!GROWS) {
      const { style } = area.current;
      style.height = 'auto';
      style.height = `${Math.min(area.current.scrollHeight + 2, 200)}px`;
    }
    if (caret.current !== null) {
      area.current.setSelectionRange(caret.current, caret.current);
      caret.current = null;
    }
  }, [text]);

  const drop = () => {
    clearTimeout(asking.current.timer);
    asking.current.abort?.abort();
  };
  const close = () => {
    drop();
    setList({ offers: [], from: 0, to: 0 });
    setActive(-1);
  };
  const ask = (rest = REST) => {
    drop();
    asking.current.timer = setTimeout(async () => {
      const abort = new AbortController();
      asking.current.abort = abort;
      try {
        const found = await complete(area.current.value, area.current.selectionStart, bounds(), abort.signal);
        if (abort.signal.aborted) return;
        setList(found);
        setActive(-1);
      } catch {
        // What is wrong with the server is said by the search itself.
        if (!abort.signal.aborted) close();
      }
    }, rest);
  };
  const submit = () => {
    close();
    run(text.trim());
  };
  const take = (offer) => {
    const next = text.slice(0, list.from) + offer.insert + text.slice(list.to);
    caret.current = list.from + offer.insert.length;
    setText(next);
    close();
    area.current.focus();
    // Behind `field:` come its values.
    if (/[:("| ]$/.test(offer.insert)) ask(0);
  };
  const isOpen = list.offers.length > 0;
  const keys = (event) => {
    if (event.isComposing) return;
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const size = list.offers.length;
    if (move && isOpen) setActive((now) => (now < 0 ? (move > 0 ? 0 : size - 1) : (now + move + size) % size));
    else if (event.key === 'ArrowDown' && event.altKey) ask(0);
    else if (event.key === ' ' && event.ctrlKey) ask(0);
    else if ((event.key === 'Enter' || event.key === 'Tab') && isOpen && active >= 0) take(list.offers[active]);
    else if (event.key === 'Tab' && isOpen && !event.shiftKey && list.offers.length === 1) take(list.offers[0]);
    else if (event.key === 'Enter' && !event.shiftKey) submit();
    else if (event.key === 'Escape' && isOpen) close();
    else if (event.key === 'Escape') area.current.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="editor">
    <form class="editor-row" role="search" onSubmit=${(event) => { event.preventDefault(); submit(); }}>
      <div class="editor-box">
        <textarea id=${id} class="input mono editor-input" ref=${area} rows="1" value=${text} spellcheck="false" autocapitalize="off" autocomplete="off"
          placeholder="LogsQL: error app:=web" aria-label="Query in LogsQL" role="combobox" aria-autocomplete="list" aria-expanded=${isOpen} aria-haspopup="listbox" aria-controls=${`${id}-list`}
          aria-activedescendant=${active >= 0 ? `${id}-${active}` : undefined} aria-invalid=${error ? 'true' : undefined} aria-describedby=${error ? `${id}-error` : undefined}
          onInput=${(event) => { setText(event.target.value); ask(); }} onKeyDown=${keys} onClick=${() => { if (isOpen) ask(); }}
          onBlur=${() => close()}></textarea>
        <${Offers} id=${id} list=${list.offers} active=${active} take=${take} />
      </div>
      ${/* Two buttons, not one that changes: else the click that stops would submit. */ isBusy
    ? html`<button key="stop" type="button" class="button" onClick=${stop}><${Icon} name="close" /> Stop</button>`
    : html`<button key="search" type="submit" class="button strong"><${Icon} name="search" /> Search</button>`}
    </form>
    ${error && html`<${Wrong} id=${`${id}-error`} error=${error} />`}
  </div>`;
}

function Offers({ id, list, active, take }) {
  const ref = useRef(null);
  useEffect(() => { ref.current?.children[active]?.scrollIntoView({ block: 'nearest' }); }, [active]);
  // Preventing the default keeps the focus in the text.
  return html`<ul class="offers" id=${`${id}-list`} ref=${ref} role="listbox" aria-label="What can stand here" hidden=${list.length === 0} onMouseDown=${(event) => event.preventDefault()}>
    ${list.map((offer, n) => html`<li key=${`${offer.kind} ${offer.text}`} id=${`${id}-${n}`} role="option" aria-selected=${n === active} class="offer" onClick=${() => take(offer)}>
      <span class="offer-text mono" dir="auto">${visible(offer.text)}</span>
      <span class="offer-detail">${typeof offer.detail === 'number' ? short(offer.detail) : offer.detail}</span>
      <span class=${`chip offer-kind kind-${offer.kind}`}>${offer.kind}</span>
    </li>`)}
  </ul>`;
}

/** What the server says about a query: the sentence, and the place with a caret below it. */
function Wrong({ id, error }) {
  const [said, ...shown] = (error.message ?? String(error)).split('\n');
  const text = error.code ? said.replace(`${error.code}: `, '') : said;
  return html`<div class="wrong" id=${id} role="alert">
    <p>${error.code && html`<a class="code" href=${link('codes', error.code)}>${error.code}</a>`} <span>${text}</span></p>
    ${shown.length > 0 && html`<pre class="wrong-place" tabindex="0" aria-label="Where in the query">${shown.join('\n')}</pre>`}
  </div>`;
}
