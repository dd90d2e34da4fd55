// Requests to the server that the page came from, with the token of who is signed in.

import { heard } from './clock.js';
import { say } from './notice.js';
import { refused as outOf, token } from './session.js';

/** What a request came to that did not go well. `message` is a sentence that says what to do. */
export class ApiError extends Error {
  /** @param {number} status  0: nobody answered */
  constructor(status, message, code = '', retryAfter = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/**
 * Sends a request and gives the response once its head is there. A 401 signs out.
 * @param {string} path  with a slash in front
 * @param {{args?: object, form?: object, json?: object, method?: string, signal?: AbortSignal, headers?: object, token?: string}} options
 *   `args` go into the URL, `form` into a form (for what may be long), `json` into the body; arrays give an argument more than once
 */
export async function send(path, { args, form, json, method, signal, headers = {}, token: other } = {}) {
  const used = other ?? token.value;
  const body = form ? params(form) : json ? JSON.stringify(json) : undefined;
  const query = args ? params(args).toString() : '';
  const all = { ...(used ? { Authorization: `Bearer ${used}` } : {}), ...headers };
  if (json) all['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(`${path.slice(1)}${query ? `?${query}` : ''}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'), body, signal, headers: all,
      credentials: 'omit', cache: 'no-store', redirect: 'error',
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'Logway does not answer. Is it running, and is this computer connected?');
  }
  heard(response);
  if (response.ok) return response;
  const error = await refused(response);
  // Only the token that is in use: an older request may come back when somebody else has signed in.
  if (error.status === 401 && other === undefined && used === token.value) turnedOut(error.message);
  throw error;
}

/** The token in use is refused: out, or back to the one from before. */
export function turnedOut(why) {
  if (outOf(why)) say(`The token of the link was refused: ${why}. You are signed in as before.`);
}

/** A request whose answer is one JSON document. */
export async function get(path, options) {
  return (await send(path, options)).json();
}

/** A request whose answer is lines of JSON: gives them one by one as they come. */
export async function* rows(path, options) {
  for await (const line of lines((await send(path, options)).body)) {
    if (line) yield JSON.parse(line);
  }
}

/** The lines of a stream of text, without their ends; null wherever the network has brought no more yet. @param {ReadableStream<Uint8Array>} body */
export async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  // What has no end yet, in pieces: a line of many of them is put together once.
  let rest = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const found = value.split('\n');
      if (found.length > 1) {
        yield rest.join('') + found[0];
        rest = [];
        for (let at = 1; at < found.length - 1; at += 1) yield found[at];
      }
      rest.push(found.at(-1));
      yield null;
    }
    if (rest.join('')) yield rest.join('');
  } finally {
    // Whoever leaves the loop ends the work on the other side as well.
    reader.cancel().catch(() => {});
  }
}

/** What a response says that is not good: JSON of /api/v1, or text. */
async function refused(response) {
  const text = (await response.text().catch(() => '')).trim();
  const after = Number(response.headers.get('Retry-After')) || 0;
  let said = {};
  try {
    said = JSON.parse(text);
  } catch { /* it is text */ }
  const message = said.error ?? (text || `the server answers ${response.status}`);
  const code = said.code ?? /^(L[A-Z]\d\d):/.exec(message)?.[1] ?? '';
  return new ApiError(response.status, String(message), code, after);
}

function params(args) {
  const all = new URLSearchParams();
  for (const [key, value] of Object.entries(args)) {
    for (const one of [value].flat()) {
      if (one !== undefined && one !== null && one !== '') all.append(key, String(one));
    }
  }
  return all;
}
