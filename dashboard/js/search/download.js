// All that a search finds, as a file: every row, not only those that are shown.

import { send } from '../api.js';
import { bytes } from '../format.js';
import { say } from '../notice.js';

/** How often it is said how much has come, in ms. */
const EACH = 1000;

/**
 * Fetches the rows and hands them to the browser as a file of NDJSON. An answer that is not whole is refused or breaks off:
 * then this throws, and there is no file that looks whole.
 * @param {{query: string, start: string, end: string}} form
 */
export async function download(form, signal) {
  const response = await send('/select/logsql/query', { form: { ...form, query: form.query || '*', allow_partial_response: 0 }, signal });
  let size = 0;
  let said = performance.now();
  const counted = new TransformStream({
    transform(chunk, to) {
      size += chunk.byteLength;
      if (performance.now() - said > EACH) {
        said = performance.now();
        say(`${bytes(size)} have come`);
      }
      to.enqueue(chunk);
    },
  });
  const blob = await new Response(response.body.pipeThrough(counted)).blob();
  const at = URL.createObjectURL(new Blob([blob], { type: 'application/x-ndjson' }));
  const anchor = document.createElement('a');
  anchor.href = at;
  anchor.download = `logway-${form.start.slice(0, 19).replace(/[:T]/g, '-')}.ndjson`;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(at), 60_000);
  say(`${bytes(size)} downloaded`);
}
