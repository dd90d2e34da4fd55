// Queries to begin with, for who does not know LogsQL yet, or has written what the server does not understand.

import { html } from '../ui.js';

/** A query, and what it finds. */
export const EXAMPLES = [
  ['error', 'lines with the word error, as it is written'],
  ['i(error) app:=web', 'the word in any case, of one app'],
  ['"connection refused" -level:=debug', 'a phrase, without lines of a level'],
  ['*time* or *refus*', 'parts of words, one of the two'],
  ['status:>=500 path:="/api"*', 'fields of JSON and logfmt: a number from 500 on, a text that begins so'],
  ['~"took [0-9]{4,}ms"', 'a regular expression'],
  ['level:in(error, warn) region:=lhr', 'one of several values'],
  ['error | stats by (app) count() as lines | sort by (lines desc)', 'how many there are of each app'],
  ['* | stats by (_time:5m, level) count() as lines', 'how many there are over time, as a chart'],
  ['took_ms:* | stats by (path) quantile(0.99, took_ms) as slow, count() as requests', 'how long requests take'],
  ['* | top 20 by (path)', 'the most frequent values of a field'],
];

/** @param {{change: (part: object) => void}} props */
export const Examples = ({ change }) => html`<section class="examples" aria-labelledby="examples">
  <h2 id="examples">How one can ask</h2>
  <ul>${EXAMPLES.map(([query, what]) => html`<li key=${query}><button class="example mono" onClick=${() => change({ q: query, view: 'lines' })}>${query}</button><span class="dim">${what}</span></li>`)}</ul>
</section>`;
