// Lines as a file: one JSON object in each.

import { send } from '../api.js';
import { bytes } from '../format.js';
import { toRow } from '../line.js';
import { say } from '../notice.js';

/** How much time one question is about: milliseconds. A server sorts so much at once without trouble. */
const SLICE = 15 * 60_000;

/** The lines that are held, as rows of a query have them. @param {import('../line.js').Line[]} lines */
export function downloadHeld(name, lines) {
  const parts = lines.filter((line) => line.raw).map((line) => `${JSON.stringify(toRow(line))}\n`);
  save(name, new Blob(parts, { type: 'application/x-ndjson' }));
}

/** All stored lines of the last `minutes` that a query finds, oldest first. */
export async function downloadStored(name, query, minutes) {
  const end = Date.now();
  const parts = [];
  let size = 0;
  for (let from = end - minutes * 60_000; from < end; from += SLICE) {
    const args = { query: `${query} | sort by (_time)`, start: iso(from), end: iso(Math.min(end, from + SLICE)), allow_partial_response: 0 };
    // An answer that is not whole breaks off: then this throws, and there is no file that looks whole.
    const part = await (await send('/select/logsql/query', { form: args })).blob();
    parts.push(part);
    size += part.size;
    say(`${Math.round((1 - Math.max(0, end - from - SLICE) / (minutes * 60_000)) * 100)} %: ${bytes(size)}`);
  }
  save(name, new Blob(parts, { type: 'application/x-ndjson' }));
  say(`${bytes(size)} saved as ${name}`);
}

const iso = (ms) => new Date(ms).toISOString();

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** `web-2026-11-22T140322.ndjson` */
export const fileName = (what) => `${what}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.ndjson`;
