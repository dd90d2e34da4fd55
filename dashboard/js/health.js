// What `/api/v1/doctor` tells, as tiles and tables.

import { html, useState } from './ui.js';
import { ago, count, plural, span } from './format.js';
import { link } from './router.js';

/** Lines that are on the way for longer are a sign of trouble, in seconds. */
const SLOW = 10;
/** A reader that is so far behind is told, in seconds. */
const BEHIND = 2;
/** Boots that are shown of an app before somebody asks for all. */
const BOOTS = 8;

/** What boots of an app come to together. */
export function summed(boots) {
  const sum = { produced: 0, stored: 0, missing: 0, behind: 0, late: 0, lost: 0, lag_s: null, gaps: {}, proved: boots.length > 0 };
  for (const boot of boots) {
    sum.produced += boot.produced;
    sum.stored += boot.stored;
    sum.missing += boot.missing;
    sum.behind += boot.behind;
    sum.late += boot.late;
    sum.proved &&= boot.proved;
    if (typeof boot.lag_s === 'number') sum.lag_s = Math.max(sum.lag_s ?? 0, boot.lag_s);
    for (const [reason, number] of Object.entries(boot.gaps ?? {})) {
      sum.gaps[reason] = (sum.gaps[reason] ?? 0) + number;
      sum.lost += number;
    }
  }
  return sum;
}

/** What readers were given of several apps together; `null` if this token is not told. */
export function given(apps) {
  const told = apps.map(({ delivered }) => delivered).filter(Boolean);
  if (!told.length) return null;
  const newest = told.map(({ last }) => last).filter(Boolean).sort().at(-1) ?? null;
  return {
    since: told[0].since,
    lines: told.reduce((sum, { lines }) => sum + (lines ?? 0), 0),
    last: newest,
    slow: told.filter(isSlow).length,
    behind_s: Math.max(0, ...told.map(({ behind_s }) => behind_s ?? 0)),
  };
}

const isSlow = ({ catching_up: late, behind_s: behind }) => late > 0 || behind > BEHIND;

const percent = (share) => `${(Math.floor(share * 10_000) / 100).toFixed(share === 1 ? 0 : 2)} %`;
const lagText = (seconds) => (typeof seconds !== 'number' ? '–' : seconds < 1 ? '< 1 s' : span(seconds));
const reasons = (gaps) => Object.entries(gaps).map(([reason, number]) => `${reason.replaceAll('_', ' ')} ${count(number)}`).join(', ');

/** The whole in a few numbers. */
export function Overview({ apps, hosts, health }) {
  const sum = summed(apps.flatMap(({ boots }) => boots));
  const silent = hosts.filter(({ alive }) => !alive).length;
  const to = given(apps);
  const tiles = [
    ['Produced', count(sum.produced), 'lines, by the numbers that Machines give them', ''],
    ['Stored', count(sum.stored), `${sum.produced ? percent(Math.min(1, sum.stored / sum.produced)) : '100 %'} can be searched`, ''],
    ...(to ? [['Delivered', count(to.lines), to.slow ? `a reader is ${lagText(to.behind_s)} behind` : to.last ? `to readers, the last ${ago(Date.parse(to.last))}` : 'to readers of live logs', to.slow ? 'warn' : '']] : []),
    ['On the way', count(sum.behind), sum.behind ? `the oldest for ${lagText(sum.lag_s)}` : 'all that was said has come', sum.lag_s > SLOW ? 'warn' : ''],
    ['Lost, and said', count(sum.lost), sum.lost ? reasons(sum.gaps) : 'no gap record', sum.lost ? 'warn' : ''],
    ['Missing', count(sum.missing), sum.missing ? 'neither a line nor in a gap record' : 'each number is a line or in a gap', sum.missing ? 'bad' : 'good'],
    ['Hosts', count(hosts.length), silent ? `${silent} silent` : health.isWell ? 'all are heard' : 'the store is not well', silent ? 'bad' : ''],
  ];
  return html`<dl class="tiles">${tiles.map(([name, value, what, kind]) => html`<div key=${name} class=${`panel tile ${kind}`}><dt>${name}</dt><dd><b class="num">${value}</b><span>${what}</span></dd></div>`)}</dl>`;
}

/** The apps, each with its boots when it is opened. */
export function Apps({ apps, isFiltered }) {
  if (!apps.length) return html`<p class="dim health-none">${isFiltered ? 'No app has this name.' : 'No app has written anything that this token may see.'}</p>`;
  return html`<section aria-labelledby="health-apps"><h2 id="health-apps">Apps</h2>
    <div class="panel scroll-x" tabindex="0" role="region" aria-label="Table of apps"><table class="table health-table">
      <thead><tr><th>App, Machine, boot</th><th class="right">Produced</th><th class="right">Stored</th><th class="right">Delivered</th><th class="right">On the way</th><th class="right">Lost</th><th class="right">Missing</th><th>Proved</th></tr></thead>
      ${apps.map((one) => html`<${App} key=${one.app} one=${one} />`)}
    </table></div>
  </section>`;
}

function App({ one }) {
  const [isOpen, setIsOpen] = useState(false);
  const [isWhole, setIsWhole] = useState(false);
  const sum = summed(one.boots);
  const boots = isWhole ? one.boots : one.boots.slice(0, BOOTS);
  return html`<tbody>
    <tr class="health-app">
      <th scope="row"><button class="health-flip" aria-expanded=${isOpen} aria-label=${`Boots of ${one.app}`} onClick=${() => setIsOpen(!isOpen)}><span aria-hidden="true">${isOpen ? '▾' : '▸'}</span></button> <a href=${link('app', one.app)}>${one.app}</a> <span class="dim">${plural(one.boots.length, 'boot')}</span></th>
      <${Figures} of=${sum} delivered=${one.delivered} />
    </tr>
    ${isOpen && boots.map((boot) => html`<tr key=${`${boot.instance} ${boot.boot}`} class="health-boot">
      <th scope="row"><a class="mono" href=${link('machine', boot.instance)}>${boot.instance}</a> <span class="dim mono">${boot.boot}</span> <span class="chip">${boot.region}</span></th>
      <${Figures} of=${summed([boot])} />
    </tr>`)}
    ${isOpen && one.boots.length > boots.length && html`<tr class="health-boot"><td colspan="8"><button class="button" onClick=${() => setIsWhole(true)}>Show all ${count(one.boots.length)} boots</button></td></tr>`}
  </tbody>`;
}

/** How many lines readers were given, and how they stand. */
function Delivered({ of }) {
  if (!of) return html`<td class="right dim">–</td>`;
  const late = [of.catching_up ? `${count(of.catching_up)} catching up` : '', of.behind_s > BEHIND ? `${lagText(of.behind_s)} behind` : ''].filter(Boolean).join(', ');
  const last = of.last ? `The last one ${ago(Date.parse(of.last))}. ` : '';
  return html`<td class="right" title=${`${last}Counted since ${new Date(of.since).toLocaleString('en-GB')}.`}>${of.lines === null ? '–' : count(of.lines)}<span class=${`health-why ${isSlow(of) ? 'level-warn' : ''}`}>${of.readers ? plural(of.readers, 'reader') : 'nobody reads'}${late && `: ${late}`}</span></td>`;
}

function Figures({ of, delivered }) {
  const late = of.late ? `${plural(of.late, 'line')} came later after all` : '';
  return html`<td class="right">${count(of.produced)}</td><td class="right">${count(of.stored)}</td><${Delivered} of=${delivered} />
    <td class=${`right ${of.lag_s > SLOW ? 'level-warn' : ''}`}>${count(of.behind)}${of.behind > 0 && html`<span class="health-why">${lagText(of.lag_s)}</span>`}</td>
    <td class="right">${of.lost ? html`<span class="level-warn">${count(of.lost)}</span><span class="health-why">${[reasons(of.gaps), late].filter(Boolean).join('; ')}</span>` : '0'}</td>
    <td class=${`right ${of.missing ? 'level-error' : ''}`}>${count(of.missing)}</td>
    <td class="nowrap">${of.proved ? html`<span class="chip good"><span aria-hidden="true">✓</span> proved</span>` : html`<span class="chip warn">not yet</span>`}</td>`;
}

function heard({ alive, age_s: age }) {
  if (age === null) return 'not heard since Logway started here';
  return `${alive ? 'heard' : 'silent, last heard'} ${ago(Date.now() - age * 1000)}`;
}

/** The hosts, and when each was heard last. */
export function Hosts({ hosts }) {
  if (!hosts.length) return html`<p class="dim health-none">No host is known here. One that runs <code>logway up</code> or <code>logway agent</code> is, as soon as an app on it has said something.</p>`;
  return html`<section aria-labelledby="health-hosts"><h2 id="health-hosts">Hosts</h2>
    <ul class="hosts">${hosts.map((host) => html`<li key=${`${host.region} ${host.host}`} class="panel host"><span class=${`dot ${host.alive ? 'good' : 'bad'}`} aria-hidden="true"></span><b class="mono">${host.host}</b><span class="chip">${host.region}</span><span class="dim">${heard(host)}</span></li>`)}</ul>
  </section>`;
}
