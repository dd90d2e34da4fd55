// Results of pipes: a table that can be sorted, and lines over time where there is a time.

import uPlot from '../../vendor/uplot.js';
import { html, useEffect, useMemo, useRef, useState } from '../ui.js';
import { count } from '../format.js';
import { isLevel, levelGroup } from './histogram.js';
import { axisLook, styleOf, useScheme, useWidth } from './plot.js';
import { shortTime } from './state.js';
import { timeLabels } from './times.js';
import { visible } from '../text.js';

/** Most rows in the page: more can be downloaded. */
const SHOWN = 500;
/** Most lines of a chart: more nobody tells apart. */
const SERIES = 8;

const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i;

/**
 * The columns of rows, in the order in which they came, time first; numbers last.
 * @returns {{name: string, isNumber: boolean}[]}
 */
export function columnsOf(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const all = names.map((name) => ({ name, isNumber: name !== '_time' && rows.every((row) => row[name] === undefined || NUMBER.test(row[name])) }));
  return all.toSorted((a, b) => Number(b.name === '_time') - Number(a.name === '_time') || Number(a.isNumber) - Number(b.isNumber));
}

/** Values of a column in order: numbers by size, else text. */
function compare(column) {
  const value = (row) => row[column.name] ?? '';
  return column.isNumber ? (a, b) => Number(value(a)) - Number(value(b)) : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
}

/** @param {{rows: object[]}} props */
export function Results({ rows }) {
  const [order, setOrder] = useState(null);
  const columns = useMemo(() => columnsOf(rows), [rows]);
  useEffect(() => setOrder(null), [rows]);
  const sorted = useMemo(() => {
    const column = order && columns.find(({ name }) => name === order.name);
    if (!column) return rows;
    const list = rows.toSorted(compare(column));
    return order.isDown ? list.reverse() : list;
  }, [rows, columns, order]);
  const turn = ({ name, isNumber }) => setOrder((old) => ({ name, isDown: old?.name === name ? !old.isDown : isNumber }));
  const hasChart = columns[0]?.name === '_time' && columns.some(({ isNumber }) => isNumber);
  return html`<section class="results" aria-label="Results">
    ${hasChart && html`<${Chart} rows=${rows} columns=${columns} />`}
    <div class="scroll-x" tabindex="0" role="region" aria-label="Table of results"><table class="table results-table">
      <thead><tr>${columns.map((column) => html`<th key=${column.name} class=${column.isNumber ? 'right' : ''} aria-sort=${order?.name === column.name ? (order.isDown ? 'descending' : 'ascending') : 'none'}>
        <button class="results-head" onClick=${() => turn(column)}><span dir="auto">${visible(column.name)}</span>${order?.name === column.name && html`<span aria-hidden="true">${order.isDown ? ' ↓' : ' ↑'}</span>`}</button></th>`)}</tr></thead>
      <tbody>${sorted.slice(0, SHOWN).map((row, n) => html`<tr key=${n}>${columns.map(({ name, isNumber }) => html`<td key=${name} class=${isNumber ? 'right' : 'mono'} dir="auto">${shown(name, row[name], isNumber)}</td>`)}</tr>`)}</tbody>
    </table></div>
    ${rows.length > SHOWN && html`<p class="dim patterns-more">The first ${count(SHOWN)} of ${count(rows.length)} rows. Download has all of them.</p>`}
  </section>`;
}

/** Most letters of a value in a cell. */
const LONG = 2000;

function shown(name, value, isNumber) {
  if (value === undefined) return '';
  if (name === '_time' && !Number.isNaN(Date.parse(value))) return html`<time datetime=${value} title=${value}>${shortTime(Date.parse(value))}</time>`;
  if (isNumber && /^-?\d{4,15}$/.test(value)) return count(Number(value));
  return visible(value.length > LONG ? `${value.slice(0, LONG)}…` : value);
}

/** Rows by time as lines: one for each number and each combination of the other columns.  @returns {{names: string[], data: number[][]}} */
export function seriesOf(rows, columns) {
  const labels = columns.filter(({ name, isNumber }) => name !== '_time' && !isNumber).map(({ name }) => name);
  const numbers = columns.filter(({ isNumber }) => isNumber).map(({ name }) => name);
  const times = [...new Set(rows.map((row) => Date.parse(row._time) / 1000))].filter((at) => !Number.isNaN(at)).sort((a, b) => a - b);
  const place = new Map(times.map((at, n) => [at, n]));
  const found = new Map();
  for (const row of rows) {
    const label = labels.map((name) => row[name] ?? '').join(' · ');
    for (const number of numbers) {
      const name = numbers.length > 1 ? [label, number].filter(Boolean).join(' · ') : label || number;
      if (!found.has(name)) found.set(name, { values: times.map(() => null), sum: 0 });
      const one = found.get(name);
      const at = place.get(Date.parse(row._time) / 1000);
      if (at !== undefined && row[number] !== undefined) {
        one.values[at] = Number(row[number]);
        one.sum += Math.abs(Number(row[number]));
      }
    }
  }
  const most = [...found].sort(([, a], [, b]) => b.sum - a.sum).slice(0, SERIES);
  return { names: most.map(([name]) => name), data: [times, ...most.map(([, { values }]) => values)], left: found.size - most.length };
}

/** Levels have their own colours, everything else one by its place. */
const colorOf = (name, n) => (isLevel(name) ? `bar-${levelGroup(name)}` : `series-${n + 1}`);

function Chart({ rows, columns }) {
  const place = useRef(null);
  const width = useWidth(place);
  const scheme = useScheme();
  const series = useMemo(() => seriesOf(rows, columns), [rows, columns]);
  useEffect(() => {
    if (width < 60 || series.data[0].length < 2) return undefined;
    const axis = axisLook();
    const plot = new uPlot({
      width, height: 190, legend: { show: false }, cursor: { drag: { x: false, y: false } }, padding: [8, 18, 0, 0],
      axes: [{ ...axis, size: 26, space: 64, values: timeLabels }, { ...axis, size: 52, space: 30 }],
      series: [{}, ...series.names.map((name, n) => ({ stroke: styleOf(`--${colorOf(name, n)}`), width: 1.5, points: { show: series.data[0].length < 40, size: 4 } }))],
    }, series.data, place.current);
    return () => plot.destroy();
  }, [series, width, scheme]);
  if (series.data[0].length < 2) return null;
  return html`<figure class="chart">
    <div ref=${place} aria-hidden="true"></div>
    <figcaption class="chart-names">${series.names.map((name, n) => html`<span key=${name} class=${`key ${colorOf(name, n).replace('bar-', 'key-')}`}>${visible(name) || '(empty)'}</span>`)}${series.left > 0 && html`<span class="dim">and ${series.left} more in the table</span>`}</figcaption>
  </figure>`;
}
