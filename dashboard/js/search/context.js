// What stood around a line: the lines of its boot by their numbers, whatever the search filters.

import { html, useEffect, useState } from '../ui.js';
import { Dialog } from '../dialog.js';
import { Problem } from '../notice.js';
import { plural } from '../format.js';
import { fromRow } from '../line.js';
import { link } from '../router.js';
import { LineView, linkOfLine, useLines } from '../lines/view.js';
import { whenShown } from './found.js';
import { readRows } from './run.js';
import { clause } from './logsql.js';

/** How many lines are shown on each side, to choose from. */
const SIDES = [20, 100, 500];
/** How far beyond the searched time a line's neighbours are looked for: a day, in ms. */
const REACH = 864e5;

/** `instance:boot:seq`, and `:gap` for a record of lost lines, in its parts; null if it is none. */
export function lineId(text) {
  const match = /^(.+):([0-9a-f]{16}):(\d+)(?::gap)?$/.exec(text);
  return match && { instance: match[1], boot: match[2], seq: Number(match[3]) };
}

/** The query for the lines around a line. */
export function aroundQuery({ instance, boot, seq }, side) {
  return [clause('instance', instance), clause('boot', boot), `seq:range[${Math.max(1, seq - side)}, ${seq + side}]`].join(' ');
}

/** @param {{id: string, span: [number, number], close: () => void}} props */
export function Context({ id, span, close }) {
  const [side, setSide] = useState(SIDES[0]);
  const [found, setFound] = useState({ lines: null, error: null, lacking: [] });
  const parts = lineId(id);
  useEffect(() => {
    if (!parts) return undefined;
    const abort = new AbortController();
    const bounds = { start: new Date(span[0] - REACH).toISOString(), end: new Date(span[1] + REACH).toISOString() };
    readRows({ query: aroundQuery(parts, side), ...bounds }, abort.signal).then(
      ({ rows, lacking }) => { if (!abort.signal.aborted) setFound({ lines: rows.map(fromRow).sort((a, b) => a.seq - b.seq || a.ms - b.ms), error: null, lacking }); },
      (error) => { if (!abort.signal.aborted) setFound({ lines: [], error, lacking: [] }); },
    );
    return () => abort.abort();
  }, [id, side]);
  const { lines, error, lacking } = found;
  const app = lines?.[0]?.app;
  return html`<${Dialog} title="Around the line" close=${close} wide>
    <div class="context-head">
      ${app && html`<span class="chip mono">${app}</span>`}<span class="chip mono">${parts?.instance ?? id}</span>
      <span class="dim" role="status">${!parts ? 'this is no line’s id' : lines ? `${plural(lines.length, 'line')} of its boot, whatever the search filters` : 'looking'}</span>
      <span class="grow"></span>
      <span class="tabs" role="group" aria-label="Lines on each side">${SIDES.map((each) => html`<button key=${each} class="button" aria-pressed=${side === each} onClick=${() => setSide(each)}>±${each}</button>`)}</span>
      ${app && html`<a class="button" href=${link('app', app, { at: id })}>Open in live logs</a>`}
    </div>
    <${Problem} error=${error} />
    ${lacking.map((why) => html`<p key=${why} class="lacking">${why}</p>`)}
    ${lines?.length > 0 && html`<${Neighbours} lines=${lines} id=${id} />`}
  <//>`;
}

function Neighbours({ lines, id }) {
  const view = useLines({ label: 'Lines around it', follow: false, look: { apps: false, dates: false }, linkOf: linkOfLine });
  useEffect(() => {
    const { list } = view;
    list.canFollow = false;
    list.replace(lines);
    return whenShown(list, () => list.revealId(id, { middle: true }));
  }, [lines, id]);
  return html`<div class="context-lines"><${LineView} lines=${view} /></div>`;
}
