// One run of a search: rows as they come, bars, and what the answer lacks; ended when another one begins.

import { useEffect, useRef, useState } from '../ui.js';
import { send, lines } from '../api.js';
import { hasOrder, isTable, joined, parts } from './logsql.js';
import { barsOf } from './histogram.js';
import { iso, span, stepOf } from './state.js';

/** Lines that are asked for at once. */
export const PAGE = 500;
/** Most results of pipes that a table shows. */
export const MOST_RESULTS = 5000;
/** Most lines that are kept: what is older is found by a narrower time. */
export const MOST_LINES = 50_000;
/** Rows are shown at most so often while they come, in ms. */
const EACH = 120;

/**
 * @typedef {object} Run
 * @property {'busy'|'done'|'ended'|'failed'} state
 * @property {object[]} rows     in the order in which they are shown
 * @property {object|null} error
 * @property {string[]} lacking  why the answer is not whole
 * @property {number} ms         how long it took, or takes by now
 * @property {boolean} hasMore
 * @property {boolean} isTable
 * @property {import('./histogram.js').Bars | null} bars
 * @property {object|null} barsError  why there are none
 * @property {[number, number]} span
 */

/** Reads rows of an answer; those that say what it lacks are kept apart. `see` gets those that have come, now and then. */
export async function readRows(form, signal, see) {
  const response = await send('/select/logsql/query', { form, signal });
  const lacking = [response.headers.get('Logway-Partial')].filter(Boolean);
  const rows = [];
  see?.(rows);
  let shown = performance.now();
  try {
    for await (const line of lines(response.body)) {
      if (!line) continue;
      const row = JSON.parse(line);
      if (row['logway.partial'] !== undefined) lacking.push(row['logway.partial']);
      else rows.push(row);
      if (see && performance.now() - shown > EACH) {
        shown = performance.now();
        see(rows);
      }
    }
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    // What came is shown; that it broke off is said.
    lacking.push(lacking.at(-1) ?? 'the answer broke off');
  }
  return { rows, lacking: [...new Set(lacking)] };
}

/** The form for one page of lines. Newest first, `limit` does; from the oldest on, a sort. */
function pageForm(state, [from, to], offset, isWhole) {
  const bounds = { start: iso(from), end: iso(to) };
  if (isWhole) return { query: state.q, ...bounds, limit: MOST_RESULTS };
  const query = state.q || '*';
  if (state.order === 'desc') return { query, ...bounds, limit: PAGE, offset };
  return { query: `${query}\n| sort by (_time) offset ${offset} limit ${PAGE}`, ...bounds };
}

/** The filter alone, for what counts lines. Pipes that are filters count too. */
export function filterOf(query) {
  const { filter, pipes } = parts(query);
  const end = pipes.findIndex((pipe) => !/^(?:filter|where)\b/.test(pipe));
  return joined(filter, end < 0 ? pipes : pipes.slice(0, end));
}

async function countBars(state, [from, to], signal) {
  const step = stepOf(from, to);
  const response = await send('/select/logsql/hits', {
    form: { query: filterOf(state.q), start: iso(from), end: iso(to), step: `${step}ms`, field: 'level', allow_partial_response: 1 }, signal,
  });
  return { bars: barsOf(await response.json(), from, to, step), lacking: response.headers.get('Logway-Partial') };
}

/** Rows in the order in which they are shown: a page of the newest comes oldest first. */
const inOrder = (rows, isForward) => (isForward ? rows : rows.toReversed());

const EMPTY = { state: 'busy', rows: [], error: null, lacking: [], ms: 0, coming: 0, hasMore: false, isTable: false, bars: null, barsError: null, isMoreBusy: false };

/**
 * Runs the search of the address, and again when `turn` changes.
 * @returns {Run & {stop: () => void, more: () => void}}
 */
export function useRun(state, turn) {
  const [run, setRun] = useState({ ...EMPTY, span: span(state) });
  const ender = useRef(null);
  const seen = useRef([]);
  useEffect(() => {
    const abort = new AbortController();
    ender.current = abort;
    const bounds = span(state);
    const table = isTable(state.q);
    // Such a query is asked once, and what comes is shown as it comes.
    const isWhole = table || hasOrder(state.q);
    const isForward = isWhole || state.order === 'asc';
    const begun = performance.now();
    seen.current = [];
    const change = (part) => { if (!abort.signal.aborted) setRun((old) => ({ ...old, ...(typeof part === 'function' ? part(old) : part) })); };
    const see = (came) => {
      if (!abort.signal.aborted) seen.current = came;
      change({ coming: came.length });
    };
    setRun((old) => ({ ...EMPTY, isTable: table, span: bounds, bars: old.bars, rows: old.isTable === table ? old.rows : [], isStale: true, areBarsStale: true }));
    if (state.view === 'lines') {
      readRows(pageForm(state, bounds, 0, isWhole), abort.signal, see).then(
        ({ rows, lacking }) => change((old) => ({
          state: 'done', rows: inOrder(rows, isForward), lacking: [...new Set([...old.lacking, ...lacking])],
          ms: performance.now() - begun, hasMore: !isWhole && rows.length >= PAGE, isStale: false,
        })),
        (error) => { if (error.name !== 'AbortError') change({ state: 'failed', error, rows: [], bars: null, ms: performance.now() - begun, isStale: false }); },
      );
    } else {
      change({ state: 'done' });
    }
    countBars(state, bounds, abort.signal).then(
      ({ bars, lacking }) => change((old) => ({ bars, areBarsStale: false, lacking: lacking ? [...new Set([...old.lacking, lacking])] : old.lacking })),
      // A query that is wrong is said once, by the other question.
      (error) => { if (error.name !== 'AbortError') change(state.view === 'lines' ? { bars: null, barsError: error } : { bars: null, state: 'failed', error }); },
    );
    return () => abort.abort();
  }, [state.q, state.from, state.to, state.order, state.view, turn]);

  const more = async () => {
    if (run.isMoreBusy || !run.hasMore || run.state !== 'done') return;
    const abort = ender.current;
    setRun((old) => ({ ...old, isMoreBusy: true }));
    try {
      const { rows, lacking } = await readRows(pageForm(state, run.span, run.rows.length, false), abort.signal);
      const next = inOrder(rows, state.order === 'asc');
      if (!abort.signal.aborted) {
        setRun((old) => ({
          ...old, rows: [...old.rows, ...next], hasMore: rows.length >= PAGE && old.rows.length + rows.length < MOST_LINES, isMoreBusy: false, lacking: [...new Set([...old.lacking, ...lacking])],
        }));
      }
    } catch (error) {
      if (!abort.signal.aborted) setRun((old) => ({ ...old, isMoreBusy: false, hasMore: false, lacking: [...old.lacking, error.message] }));
    }
  };
  const stop = () => {
    ender.current?.abort();
    // What is there from the search before goes; what came of this one is shown.
    const isForward = state.order === 'asc' || isTable(state.q) || hasOrder(state.q);
    setRun((old) => ({
      ...old, state: 'ended', isStale: false, areBarsStale: false, isMoreBusy: false,
      rows: old.isStale ? inOrder([...seen.current], isForward) : old.rows, bars: old.areBarsStale ? null : old.bars,
    }));
  };
  return { ...run, stop, more };
}
