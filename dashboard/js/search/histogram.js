// How many rows there are over time, as bars stacked by level. Dragging over bars zooms in; so do arrows and Enter.

import uPlot from '../../vendor/uplot.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { count } from '../format.js';
import { axisLook, styleOf, useScheme, useWidth } from './plot.js';
import { shortTime } from './state.js';
import { timeLabels } from './times.js';

/** From the bottom of a bar to its top: what is worst stands on the axis, where heights can be compared. */
export const LEVELS = ['error', 'warn', 'info', 'debug', 'other'];

/** Which bar of a colour a level belongs to. */
const GROUPS = { fatal: 'error', critical: 'error', panic: 'error', error: 'error', warn: 'warn', warning: 'warn', notice: 'info', info: 'info', debug: 'debug', trace: 'debug' };

/** Whether a text is a level's name. */
export const isLevel = (text) => Object.hasOwn(GROUPS, text);

/** The colour of a level. */
export const levelGroup = (level) => (isLevel(level) ? GROUPS[level] : 'other');

/**
 * @typedef {object} Bars
 * @property {number} step   ms
 * @property {number[]} times  the beginnings, ms
 * @property {Record<string, number[]>} levels  how many rows of each level there are in each bar
 */

/** What `/select/logsql/hits` says, as bars without holes. @returns {Bars} */
export function barsOf({ hits }, from, to, step) {
  const first = Math.floor(from / step) * step;
  const times = [];
  for (let at = first; at < to; at += step) times.push(at);
  const levels = Object.fromEntries(LEVELS.map((level) => [level, times.map(() => 0)]));
  for (const { fields, timestamps, values } of hits) {
    const list = levels[levelGroup(fields.level)];
    timestamps.forEach((text, n) => {
      const at = Math.floor((Date.parse(text) - first) / step);
      if (at >= 0 && at < list.length) list[at] += values[n];
    });
  }
  return { step, times, levels };
}

/** The heights up to each level: what uPlot draws one before the other. */
function stacked({ times, levels }) {
  const sum = times.map(() => 0);
  const tops = LEVELS.map((level) => levels[level].map((value, n) => { sum[n] += value; return sum[n]; }));
  // The highest first, so that the lower ones are drawn over it. In seconds, as uPlot counts.
  return [times.map((at) => at / 1000), ...tops.toReversed()];
}

function options(width, bars, zoom, point) {
  const paths = uPlot.paths.bars({ size: [0.82, 60, 1], align: 1 });
  const axis = axisLook();
  return {
    width, height: 116, padding: [8, 16, 0, 0], legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    scales: { x: { time: true, range: () => [bars.times[0] / 1000, (bars.times.at(-1) + bars.step) / 1000] }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.05)] } },
    axes: [
      { ...axis, size: 26, space: 64, grid: { show: false }, values: timeLabels },
      { ...axis, size: 44, space: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 5e7, 1e8], values: (_, list) => list.map(brief) },
    ],
    series: [{}, ...LEVELS.toReversed().map((level) => ({ paths, points: { show: false }, stroke: styleOf(`--bar-${level}`), fill: styleOf(`--bar-${level}`), width: 0 }))],
    hooks: {
      setSelect: [(plot) => {
        const { left, width: wide } = plot.select;
        if (wide < 4) return;
        const [from, to] = [left, left + wide].map((x) => plot.posToVal(x, 'x') * 1000);
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        zoom(from, to);
      }],
      setCursor: [(plot) => {
        const { left } = plot.cursor;
        const at = left < 0 ? -1 : Math.floor((plot.posToVal(left, 'x') * 1000 - bars.times[0]) / bars.step);
        point(at >= 0 && at < bars.times.length ? at : -1);
      }],
    },
  };
}

const brief = (number) => (number >= 1e6 ? `${number / 1e6}M` : number >= 1e3 ? `${number / 1e3}k` : String(number));

/**
 * @param {{bars: Bars | null, zoom: (from: number, to: number) => void, isBusy: boolean, isOver: boolean, error: any}} props
 */
export function Histogram({ bars, zoom, isBusy, isOver, error }) {
  const place = useRef(null);
  const width = useWidth(place);
  const scheme = useScheme();
  // One bar that is looked at, or a row of them: from the keyboard or the pointer.
  const [picked, setPicked] = useState(null);
  const [hovered, setHovered] = useState(-1);
  useEffect(() => {
    setPicked(null);
    if (!bars || width < 60 || bars.times.length === 0) return undefined;
    const plot = new uPlot(options(width, bars, zoom, setHovered), stacked(bars), place.current);
    return () => plot.destroy();
  }, [bars, width, scheme]);

  const keys = (event) => {
    if (!bars?.times.length) return;
    const last = bars.times.length - 1;
    const head = picked ? picked[1] : -1;
    const next = { ArrowRight: Math.min(last, head + 1), ArrowLeft: Math.max(0, (picked ? head : last + 1) - 1), Home: 0, End: last }[event.key];
    if (next !== undefined) setPicked([event.shiftKey && picked ? picked[0] : next, next]);
    else if (event.key === 'Enter' && picked) zoom(bars.times[Math.min(...picked)], bars.times[Math.max(...picked)] + bars.step);
    else if (event.key === 'Escape' && picked) setPicked(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const shown = picked ?? (hovered >= 0 && bars && hovered < bars.times.length ? [hovered, hovered] : null);
  return html`<div class="histogram" aria-busy=${isBusy}>
    <div class="histogram-plot" ref=${place} tabindex="0" role="group" aria-label="Rows over time. Arrow keys choose a bar, with Shift several, Enter zooms in" aria-describedby="histogram-says" onKeyDown=${keys} onBlur=${() => setPicked(null)}>
      ${picked && bars && html`<${Picked} bars=${bars} picked=${picked} width=${width} />`}
    </div>
    <p class="histogram-says" id="histogram-says" aria-live=${picked ? 'polite' : 'off'}>${shown && bars ? html`<${Says} bars=${bars} picked=${shown} />` : html`<${Sum} bars=${bars} error=${error} isOver=${isOver} />`}</p>
  </div>`;
}

/** The frame around what is picked. uPlot's plot lies between its axes. */
function Picked({ bars, picked, width }) {
  const ref = useRef(null);
  useEffect(() => {
    const inner = width - 44 - 16;
    const [a, b] = [Math.min(...picked), Math.max(...picked)];
    const each = inner / bars.times.length;
    Object.assign(ref.current.style, { left: `${44 + a * each}px`, width: `${(b - a + 1) * each}px` });
  });
  return html`<span class="histogram-picked" ref=${ref}></span>`;
}

const sumOf = (list, a, b) => list.slice(a, b + 1).reduce((sum, value) => sum + value, 0);

function Says({ bars, picked }) {
  const [a, b] = [Math.min(...picked), Math.max(...picked)];
  const parts = LEVELS.map((level) => [level, sumOf(bars.levels[level], a, b)]).filter(([, number]) => number);
  const all = parts.reduce((sum, [, number]) => sum + number, 0);
  const [from, to] = [bars.times[a], bars.times[b] + bars.step];
  return html`<span class="num">${shortTime(from)} – ${shortTime(to, { withDay: shortTime(from).slice(0, 10) !== shortTime(to).slice(0, 10) })}</span>
    <b class="num">${count(all)}</b> ${parts.map(([level, number]) => html`<span key=${level} class=${`key key-${level}`}>${level} <span class="num">${count(number)}</span></span>`)}`;
}

function Sum({ bars, error, isOver }) {
  if (error) return html`<span class="level-warn">These could not be counted: ${error.message}</span>`;
  if (!bars) return html`<span class="dim">${isOver ? 'not counted: the search was stopped' : 'counting'}</span>`;
  return LEVELS.map((level) => [level, sumOf(bars.levels[level], 0, bars.times.length)]).filter(([, number]) => number)
    .map(([level, number]) => html`<span key=${level} class=${`key key-${level}`}>${level} <span class="num">${count(number)}</span></span>`);
}

/** How many rows all bars have. */
export const totalOf = (bars) => LEVELS.reduce((sum, level) => sum + sumOf(bars.levels[level], 0, bars.times.length), 0);
