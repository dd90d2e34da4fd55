// One line with those around it: of the same start of the same Machine, in the order in which they were written.

import { html, useEffect, useState } from '../ui.js';
import { rows } from '../api.js';
import { stamp } from '../format.js';
import { Icon } from '../icons.js';
import { fromRow } from '../line.js';
import { LineView, linkOfLine, useLines } from '../lines/view.js';
import { all, is } from '../logsql.js';
import { Problem } from '../notice.js';
import { link } from '../router.js';
import { habits } from './habits.js';

/** Lines before and behind it, at first and each time there are more. */
const STEP = 200;

/** @param {{app: string, at: string, title: any}} props  `at`: the line's id */
export function Context({ app, at, title }) {
  const [found, setFound] = useState({ line: null, error: null, isBusy: true, first: 0, last: 0 });
  const [instance, boot, seq] = split(at);

  const ask = async (from, to) => {
    const query = all(is('app', app), is('instance', instance), is('boot', boot), `seq:range[${from}, ${to}]`);
    const lines = [];
    for await (const row of rows('/select/logsql/query', { form: { query } })) lines.push(fromRow(row));
    return lines.sort((a, b) => a.seq - b.seq);
  };
  const lines = useLines({ label: 'The line, and those around it', follow: false, look: { wrap: habits().wrap }, linkOf: linkOfLine, onOlder: () => more(-1) });
  const { list } = lines;
  list.canFollow = false;

  const load = async () => {
    setFound((now) => ({ ...now, error: null, isBusy: true }));
    try {
      if (!boot || !seq) throw new Error('The address of the line is not whole: it has to end in at=INSTANCE:BOOT:SEQ');
      list.replace(await ask(Math.max(1, seq - STEP), seq + STEP));
      const exact = list.held.indexOf(at);
      const index = exact >= 0 ? exact : list.held.lines.findIndex((line) => line.seq <= seq && seq < line.seq + line.span);
      if (index < 0) throw new Error('The line is not there: it is older than lines are kept, or this token may not see it');
      const line = list.held.at(index);
      setFound({ line, error: null, isBusy: false, first: Math.max(1, seq - STEP), last: seq + STEP });
      requestAnimationFrame(() => {
        list.reveal(index, { middle: true, focus: true });
        list.toggle(line.id, true);
      });
    } catch (error) {
      setFound((now) => ({ ...now, error, isBusy: false }));
    }
  };
  useEffect(() => { load(); }, [app, at]);

  /** More lines before (-1) or behind (1). */
  const more = async (way) => {
    if (found.isBusy || !found.line || (way < 0 && found.first <= 1)) return;
    setFound((now) => ({ ...now, isBusy: true }));
    const [from, to] = way < 0 ? [Math.max(1, found.first - STEP), found.first - 1] : [found.last + 1, found.last + STEP];
    try {
      const got = await ask(from, to);
      if (way < 0) list.prepend(got);
      else list.append(got);
      setFound((now) => ({ ...now, isBusy: false, [way < 0 ? 'first' : 'last']: way < 0 ? from : to }));
    } catch (error) {
      setFound((now) => ({ ...now, error, isBusy: false }));
    }
  };

  const { line, error } = found;
  const near = line && { q: is('app', app), from: new Date(line.ms - 10_000).toISOString(), to: new Date(line.ms + 10_000).toISOString() };
  return html`<div class="live">
    <div class="live-head"><h1>${title}</h1>
      <div class="live-acts">
        <a class="button" href=${link('app', app)} aria-label="Live"><${Icon} name="play" /><span class="word">Live</span></a>
        ${near && html`<a class="button" href=${link('search', [], near)}><${Icon} name="search" />All Machines<span class="word"> at that time</span></a>`}
      </div>
    </div>
    <div class="band"><span>${line ? html`The line of <b class="num">${stamp(line.ms)}</b> in <b>${instance}</b>, with those before and behind it` : 'Looking for the line'}</span></div>
    <${Problem} error=${error} again=${load} />
    <${LineView} lines=${lines} />
    <div class="live-foot"><button class="link" onClick=${() => more(-1)} disabled=${found.first <= 1}>Lines before</button>
      <button class="link" onClick=${() => more(1)}>Lines behind</button></div>
  </div>`;
}

/** `instance:boot:seq`, and `:gap` behind it for a record of lost lines. */
function split(at) {
  const [seq = '', boot = '', ...rest] = at.replace(/:gap$/, '').split(':').reverse();
  return [rest.reverse().join(':'), boot, Number(seq) || 0];
}
