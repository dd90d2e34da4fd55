// The kinds of lines that are hidden: what each is like, how many there were, and the way back.

import { rows } from '../api.js';
import { count } from '../format.js';
import { html, useEffect, useState } from '../ui.js';
import { Dialog } from '../dialog.js';
import { all, is } from '../logsql.js';
import { setArgs } from '../router.js';
import { templateClause } from '../search/logsql.js';
import { slots } from '../search/patterns.js';
import { withoutHidden } from './filters.js';

/** @param {{app: string, filters: import('./filters.js').Filters, close: () => void}} props */
export function Hidden({ app, filters, close }) {
  return html`<${Dialog} title="Hidden lines" close=${close}>
    <p class="dim">Lines that differ in numbers only are of one kind. They are stored like all others, and counted here; the address says which are hidden, so a link shows the same. It has room for some 6,000 letters of them and the other filters together.</p>
    <ul class="hidden-list">${filters.hidden.map((kind, index) => html`<${Kind} key=${kind.join(' ')} app=${app} kind=${kind} show=${() => setArgs(withoutHidden(filters, index), { replace: false })} />`)}</ul>
    <div class="dialog-foot"><button class="button" onClick=${() => setArgs({ hide: '' }, { replace: false })}>Show all again</button><button class="button strong" onClick=${close}>Done</button></div>
  <//>`;
}

function Kind({ app, kind: [field, template], show }) {
  const [found, setFound] = useState('counting');
  useEffect(() => {
    const abort = new AbortController();
    const query = `${all(is('app', app), templateClause(field, template))} | stats count() n`;
    (async () => {
      for await (const row of rows('/select/logsql/query', { form: { query, start: '-1h' }, signal: abort.signal })) setFound(`${count(Number(row.n))} in the last hour`);
    })().catch(() => { if (!abort.signal.aborted) setFound('not counted'); });
    return () => abort.abort();
  }, [app, field, template]);
  return html`<li class="hidden-one">
    <span class="grow"><span class="mono hidden-template" dir="auto">${slots(template)}</span><span class="dim num">${found}</span></span>
    <button class="button" onClick=${show}>Show again</button>
  </li>`;
}
