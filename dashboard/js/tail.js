// A live tail: server-sent events over fetch, as EventSource cannot send a token. It comes again by itself, from where it was.

import { ApiError, lines, send } from './api.js';
import { fromTail } from './line.js';

/** The first wait before it comes again, and the longest: milliseconds. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 5_000;
/** A connection that lasted so long was a good one: the next wait is the first one again. One that is cut at once, however often, makes waits longer. */
const STEADY = 10_000;
/** The server says something each 15 s; after so much silence the connection is taken for dead. */
const SILENCE = 40_000;
/** What a server, or a proxy before it, says to an address or a head that is too long for it. */
const TOO_LONG = [413, 414, 431];
/** How often the silence is looked at. */
const LOOK = 5_000;

/**
 * How a tail is.
 * @typedef {object} TailState
 * @property {'connecting' | 'history' | 'live' | 'catching-up' | 'store-away' | 'reconnecting' | 'stopped' | 'ended'} name
 * @property {string} why     a sentence; empty mostly
 * @property {string} [code]  of the catalogue
 */

export class Tail {
  /**
   * @param {string} path  as `/api/v1/apps/web/logs/tail`
   * @param {object} args  of the request; `lines` counts where there is no cursor
   * @param {{onLines: (lines: import('./line.js').Line[]) => void, onState: (state: TailState) => void, onLost?: (why: string) => void, onAway?: (ms: number) => void}} hooks
   *   `onLost`: it goes on from another place than where it was; `onAway`: it comes again after so long, and the cursor may be taken from it
   */
  constructor(path, args, hooks) {
    this.path = path;
    this.args = args;
    this.hooks = hooks;
    /** Where it stands. Everything before it has been handed over. */
    this.cursor = '';
    this.wait = FIRST_WAIT;
    this.name = 'stopped';
    /** When something was heard the last time. */
    this.heard = 0;
  }

  /** Begins, or goes on where it was stopped. */
  start() {
    if (this.ending) return;
    this.ending = new AbortController();
    this.run(this.ending.signal);
  }

  /** Ends the connection; the cursor stays. */
  stop() {
    this.ending?.abort();
    this.ending = undefined;
    this.say('stopped', '');
  }

  async run(signal) {
    for (;;) {
      this.say(this.cursor ? 'reconnecting' : 'connecting', '');
      const after = await this.once(signal).catch((error) => this.failed(error, signal));
      if (signal.aborted || after === null) return;
      await sleep(after ?? this.nextWait(), signal);
      if (signal.aborted) return;
    }
  }

  /** One connection. Gives how long to wait before the next one; undefined: as usual; null: there is none. */
  async once(signal) {
    const cut = new AbortController();
    const stop = () => cut.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (this.cursor) this.hooks.onAway?.(Date.now() - this.heard);
    const begun = Date.now();
    const watch = setInterval(() => { if (Date.now() - Math.max(begun, this.heard) > SILENCE) cut.abort(); }, LOOK);
    const resume = this.cursor;
    try {
      const response = await send(this.path, {
        args: this.args,
        headers: { Accept: 'text/event-stream', ...(resume ? { 'Last-Event-ID': resume } : {}) },
        signal: cut.signal,
      });
      for await (const events of batches(response.body)) {
        this.heard = Date.now();
        const ended = this.take(events);
        if (ended) return this.end(ended);
      }
      this.say('reconnecting', 'the connection was cut');
      return undefined;
    } catch (error) {
      if (signal.aborted) return null;
      if (error.name === 'AbortError') throw new Error('nothing was heard for too long');
      throw error;
    } finally {
      clearInterval(watch);
      if (Date.now() - begun > STEADY) this.wait = FIRST_WAIT;
      signal.removeEventListener('abort', stop);
    }
  }

  /** Hands over what came at once; gives the event that it ends with, if it ends. */
  take(events) {
    const found = [];
    let ended = null;
    const hand = () => { if (found.length) this.hooks.onLines(found.splice(0)); };
    for (const { name, id, data } of events) {
      if (name === 'message') {
        found.push(fromTail(data));
      } else if (name === 'state') {
        hand();
        this.say(data.state, data.why ?? '', data.code);
      } else if (name === 'end') {
        ended = data;
      }
      const cursor = id || data?.cursor;
      if (cursor) this.cursor = cursor;
    }
    hand();
    return ended;
  }

  /** It ended by itself. All but the end of what was asked for is a reason to come again; a token that is over is said then. */
  end({ why = '', code = '' }) {
    if (String(this.args.follow) === '0' || this.args.until) {
      this.ending = undefined;
      this.say('ended', why, code);
      return null;
    }
    this.say('reconnecting', why, code);
    return undefined;
  }

  failed(error, signal) {
    if (signal.aborted) return null;
    const { status = 0, code, retryAfter = 0 } = error instanceof ApiError ? error : {};
    if (status === 400 && this.cursor) {
      // A cursor that the server does not know any more: from now on, and the hole is said.
      this.cursor = '';
      this.say('reconnecting', 'the place where it was is not known any more: lines between may be missing');
      this.hooks.onLost?.(`Lines between may be missing: the cursor was refused (${error.message})`);
      return undefined;
    }
    if ([400, 401, 403, 404, 405, 501, ...TOO_LONG].includes(status)) {
      this.ending = undefined;
      const isTooLong = TOO_LONG.includes(status);
      this.say('ended', isTooLong ? `The filters are too long for one request (${status}): show some hidden lines again, or take other filters away` : error.message, code);
      return null;
    }
    this.say('reconnecting', error.message, code);
    return retryAfter ? retryAfter * 1000 : undefined;
  }

  nextWait() {
    const now = this.wait;
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
    return now * (0.75 + Math.random() / 2);
  }

  say(name, why, code = '') {
    this.name = name;
    this.hooks.onState({ name, why, code });
  }
}

/** Events as they come: all that one read from the network brought, together. */
async function* batches(body) {
  let event = empty();
  let batch = [];
  for await (const line of lines(body)) {
    if (line === null) {
      if (batch.length) yield batch;
      batch = [];
    } else if (line === '') {
      if (event.data) batch.push({ ...event, data: parsed(event.data) });
      event = empty();
    } else {
      read(line, event);
    }
  }
}

const empty = () => ({ name: 'message', id: '', data: '' });

/** One line of an event. Comments, and fields that nobody knows, are passed over. */
export function read(line, event) {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  const at = text.indexOf(':');
  const field = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? '' : text.slice(text[at + 1] === ' ' ? at + 2 : at + 1);
  if (field === 'data') event.data += event.data ? `\n${value}` : value;
  else if (field === 'event') event.name = value;
  else if (field === 'id') event.id = value;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const sleep = (ms, signal) => new Promise((done) => {
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    done();
  };
  const timer = setTimeout(end, ms);
  signal.addEventListener('abort', end, { once: true });
});
