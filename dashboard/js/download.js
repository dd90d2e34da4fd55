// Lines as a file: fetched piece by piece, and written to the disk as they come where the browser can do that. Nothing of it stays in the page.

import { ApiError, send } from './api.js';
import { bytes } from './format.js';
import { toRow } from './line.js';
import { say } from './notice.js';
import { joined } from './search/logsql.js';
import { token } from './session.js';
import { signal } from '../vendor/signals.js';

/** Most bytes that a browser keeps for a file which does not go to the disk as it comes. */
export const MOST = 2 ** 30;
/** So many are handed to the browser together: what it has, it may put on the disk. */
const PART = 8 * 2 ** 20;
/** How often it is shown how much has come: milliseconds. */
const EACH = 250;
/** How much time the first question is about, and how little and how much the others may be: milliseconds. */
const SLICE = 15 * 60_000;
const LEAST = 1_000;
const LONGEST = 24 * 3_600_000;
/** A slice that was there so soon, with so few bytes, is followed by a longer one. */
const SOON = 1_000;
const SMALL = 4 * 2 ** 20;
/** How often a server that has no room is asked again for one piece. */
const TRIES = 5;
/** How many lines of those that are held are written at once: the page answers in between. */
const AT_ONCE = 2_000;

/**
 * A file that is being made.
 * @typedef {object} Download
 * @property {symbol} id
 * @property {string} name
 * @property {number} size    bytes that have come
 * @property {number} share   how much of the time is done, 0 to 1; -1: nobody knows
 * @property {boolean} isOnDisk  it goes to the disk as it comes
 * @property {() => void} cancel
 * @property {() => Promise<void>} toDisk  asks where on the disk
 */

/** What is being made. @type {import('../vendor/signals.js').Signal<Download[]>} */
export const downloads = signal([]);

/** Whether this browser can write to the disk as bytes come. */
export const canWrite = () => typeof window.showSaveFilePicker === 'function';

/** `web-2026-11-22T140322.ndjson` */
export const fileName = (what) => `${what}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.ndjson`;

/**
 * Makes a file of pieces. If they break off there is none: neither one that looks whole, nor a part of one. All of it is asked for with
 * the token that is in use now, and it ends when another one is: nobody gets the rest of what somebody else began.
 * @param {string} name
 * @param {(signal: AbortSignal, used: string) => AsyncIterable<[Uint8Array, number]>} pieces  bytes, and how much of all is done with them
 */
export async function download(name, pieces) {
  const ending = new AbortController();
  const sink = new Sink(name, ending.signal);
  const fixed = {
    id: Symbol(name), name, cancel: () => ending.abort(),
    toDisk: () => sink.toDisk().catch((error) => { if (error.name !== 'AbortError') say(error.message); }),
  };
  const others = () => downloads.value.filter(({ id }) => id !== fixed.id);
  let share = -1;
  const tell = () => { downloads.value = [...others(), { ...fixed, size: sink.size, share, isOnDisk: Boolean(sink.writable) }]; };
  tell();
  const timer = setInterval(tell, EACH);
  const used = token.peek();
  const off = token.subscribe((now) => { if (now !== used) ending.abort(); });
  try {
    for await (const [chunk, done] of pieces(ending.signal, used)) {
      ending.signal.throwIfAborted();
      await sink.write(chunk);
      share = done;
    }
    ending.signal.throwIfAborted();
    await sink.close();
    say(`${bytes(sink.size)} saved as ${name}`);
  } catch (error) {
    await sink.drop();
    if (!ending.signal.aborted) throw error;
    say(`The download of ${name} was stopped${token.peek() === used ? '' : ', as its token is not in use any more'}: no file was made`);
  } finally {
    off();
    clearInterval(timer);
    ending.abort();
    downloads.value = others();
  }
}

/** Where bytes go: into parts that the browser keeps, or to the disk. */
class Sink {
  /** @param {string} name @param {AbortSignal} signal  it is stopped */
  constructor(name, signal) {
    this.name = name;
    this.signal = signal;
    this.size = 0;
    /** @type {Blob[]} */
    this.parts = [];
    /** @type {Uint8Array[]} */
    this.fresh = [];
    this.freshSize = 0;
    this.writable = null;
    /** The file on the disk that the writable is of. */
    this.handle = null;
    /** One thing at a time. */
    this.turn = Promise.resolve();
    /** The browser asks where on the disk. */
    this.asking = Promise.resolve();
  }

  write(chunk) {
    this.turn = this.turn.then(() => this.put(chunk));
    return this.turn;
  }

  async put(chunk) {
    this.size += chunk.byteLength;
    if (this.writable) return this.writable.write(chunk);
    if (this.size > MOST) throw new Error(`This is more than ${bytes(MOST)}, which a browser keeps of a file: choose less time${canWrite() ? ', have it written to the disk as it comes' : ''}, or take it with 'logway export'`);
    this.fresh.push(chunk);
    this.freshSize += chunk.byteLength;
    if (this.freshSize >= PART) this.pack();
    return undefined;
  }

  pack() {
    this.parts.push(new Blob(this.fresh));
    this.fresh = [];
    this.freshSize = 0;
  }

  /** From now on to the disk: what has come goes first. If that fails, the browser keeps it as before. */
  async toDisk() {
    const asking = window.showSaveFilePicker({ suggestedName: this.name, types: [{ description: 'Lines of JSON', accept: { 'application/x-ndjson': ['.ndjson'] } }] });
    // Nobody can stop the download while the browser asks.
    const copied = asking.then((handle) => {
      let failed = null;
      this.turn = this.turn.then(() => this.copy(handle).catch((error) => { failed = error; }));
      return this.turn.then(() => { if (failed) throw failed; }, () => discard(handle));
    });
    this.asking = asking.then(() => {}, () => {});
    await copied;
  }

  /** Writes what has come into a file. Until all of it is there, the parts stay. */
  async copy(handle) {
    let writable = null;
    try {
      this.goesOn();
      writable = await handle.createWritable();
      this.pack();
      for (const part of this.parts) {
        await writable.write(part);
        this.goesOn();
      }
    } catch (error) {
      await writable?.abort().catch(() => {});
      if (this.handle !== handle) await discard(handle);
      throw error.name === 'AbortError' ? error : new Error(`It cannot be written there: ${error.message}. The browser keeps the file as before`);
    }
    this.parts = [];
    [this.writable, this.handle] = [writable, handle];
  }

  /** Fails when there is nothing left to copy. */
  goesOn() {
    this.signal.throwIfAborted();
    if (this.isOver || this.writable) throw new DOMException('the file is made elsewhere', 'AbortError');
  }

  async close() {
    await this.asking;
    await this.turn;
    this.signal.throwIfAborted();
    this.isOver = true;
    // Only now there is a file under its name.
    if (this.writable) return this.writable.close();
    this.pack();
    return save(this.name, new Blob(this.parts, { type: 'application/x-ndjson' }));
  }

  async drop() {
    this.isOver = true;
    await this.turn.catch(() => {});
    this.parts = [];
    this.fresh = [];
    if (!this.writable) return;
    await this.writable.abort().catch(() => {});
    await discard(this.handle);
  }
}

/** Takes away the empty file that the browser made where somebody chose a place for it. One with something in it stays. */
async function discard(handle) {
  try {
    if ((await handle.getFile()).size === 0) await handle.remove?.();
  } catch { /* it is gone, or may not be touched */ }
}

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The bytes of one answer. One that is not whole breaks off. */
async function* answer(form, signal, used) {
  const reader = (await send('/select/logsql/query', { form: { ...form, allow_partial_response: 0 }, signal, token: used })).body.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** All rows of a query that says itself which there are, and in which order. @param {{query: string, start: string, end: string}} form */
export const whole = (form) => async function* pieces(signal, used) {
  for await (const chunk of answer(form, signal, used)) yield [chunk, -1];
};

/**
 * All lines that a filter finds, oldest first: time for time, each sorted by the server. What is too much for it at once is asked for in shorter pieces.
 * @param {string} query @param {number} start @param {number} end  Unix milliseconds; `end` is not in it
 */
export const sliced = (query, start, end) => async function* pieces(signal, used) {
  let slice = SLICE;
  let tries = 0;
  for (let from = start; from < end;) {
    const to = Math.min(end, from + slice);
    const begun = performance.now();
    let size = 0;
    try {
      for await (const chunk of answer({ query: joined(query, ['sort by (_time)']), start: iso(from), end: iso(to) }, signal, used)) {
        size += chunk.byteLength;
        yield [chunk, (from - start) / (end - start)];
      }
    } catch (error) {
      // What has come of a slice is written already.
      if (size || !(error instanceof ApiError)) throw error;
      const isTooMuch = error.code === 'LQ05' || (error.status === 503 && !error.retryAfter);
      if (isTooMuch && to - from > LEAST) {
        slice = Math.max(LEAST, (to - from) / 4);
        continue;
      }
      tries += 1;
      if (error.status !== 503 || tries > TRIES) throw error;
      await pause(Math.max(1, error.retryAfter) * 1000, signal);
      continue;
    }
    tries = 0;
    if (size < SMALL && performance.now() - begun < SOON) slice = Math.min(LONGEST, slice * 2);
    from = to;
  }
};

/** The lines that a list holds, as rows of a query have them. @param {import('./line.js').Line[]} lines */
export const held = (lines) => async function* pieces() {
  const all = lines.filter((line) => line.raw);
  const encoder = new TextEncoder();
  for (let at = 0; at < all.length; at += AT_ONCE) {
    const text = all.slice(at, at + AT_ONCE).map((line) => `${JSON.stringify(toRow(line))}\n`).join('');
    yield [encoder.encode(text), at / all.length];
    await new Promise((done) => { setTimeout(done); });
  }
};

const iso = (ms) => new Date(ms).toISOString();

const pause = (ms, signal) => new Promise((done, fail) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); fail(signal.reason); }, { once: true });
});
