// What fills the list of live logs: the tail at its end, and what is stored at its beginning.

import { rows } from '../api.js';
import { fromRow } from '../line.js';
import { all } from '../logsql.js';
import { Tail } from '../tail.js';
import { logsql, tailArgs } from './filters.js';

/** How many lines the list begins with, and how many come at once when somebody scrolls up. */
const FIRST = 500;
const OLDER = 500;

/**
 * @typedef {object} FeedState
 * @property {string} name  as of the tail, or `held`: there is no room for more while somebody reads
 * @property {string} why
 * @property {string} [code]
 */

export class Feed {
  /**
   * @param {import('../lines/list.js').LineList} list
   * @param {string} app
   * @param {import('./filters.js').Filters} filters
   * @param {(state: FeedState) => void} onState
   */
  constructor(list, app, filters, onState) {
    this.list = list;
    this.query = logsql(app, filters);
    this.onState = onState;
    this.isOlderBusy = false;
    this.hasOlder = true;
    this.tail = new Tail(`/api/v1/apps/${encodeURIComponent(app)}/logs/tail`, { ...tailArgs(filters), lines: FIRST }, {
      onLines: (lines) => this.came(lines),
      onState: (state) => { if (!this.isHeld || state.name !== 'stopped') onState(state); },
    });
  }

  start() {
    this.tail.start();
  }

  stop() {
    this.onState = () => {};
    this.tail.hooks.onState = () => {};
    this.isOver = true;
    this.tail.stop();
  }

  came(lines) {
    this.list.append(lines);
    if (this.list.isFull) this.hold();
  }

  /** Nothing takes lines away under somebody's eyes: further ones wait in the store. */
  hold() {
    if (this.isHeld) return;
    this.isHeld = true;
    this.tail.stop();
    this.onState({ name: 'held', why: '' });
  }

  /** Somebody follows again: what waited comes. If there is a hole behind what is shown, it begins anew. */
  release() {
    if (!this.isHeld) return;
    this.isHeld = false;
    if (this.isCut) {
      this.isCut = false;
      this.hasOlder = true;
      this.tail.cursor = '';
      this.list.clear();
    }
    this.tail.start();
  }

  /** Adds stored lines before the first one that is shown. */
  async older() {
    const first = this.list.held.at(0);
    if (this.isOlderBusy || !this.hasOlder || !first) return;
    this.isOlderBusy = true;
    try {
      // The time is in it: lines of the same nanosecond may be missing here. Those that are not are left out by their ids.
      const found = await this.stored(`_time:<=${first.time}`, OLDER);
      if (this.isOver || this.list.following) return;
      if (this.list.length + found.length > this.list.held.most) {
        // Those at the other end make room; they come again when somebody follows.
        this.hold();
        this.isCut = true;
        this.list.cut(this.list.length + found.length - this.list.held.most);
      }
      if (this.list.prepend(found) === 0) this.hasOlder = false;
    } finally {
      this.isOlderBusy = false;
    }
  }

  /** The newest stored lines that this condition holds for too, oldest first. */
  async stored(condition, limit) {
    const found = [];
    for await (const row of rows('/select/logsql/query', { form: { query: all(condition, this.query), limit } })) found.push(fromRow(row));
    return found;
  }
}
