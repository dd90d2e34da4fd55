// What fills the list of live logs: the tail at its end, and what is stored at its beginning.

import { rows } from '../api.js';
import { clock } from '../format.js';
import { fromRow, ruleOf } from '../line.js';
import { all } from '../logsql.js';
import { Tail } from '../tail.js';
import { logsqlWithGaps, tailArgs } from './filters.js';

/** How many lines the list begins with, and how many come at once when somebody scrolls up. */
const FIRST = 500;
const OLDER = 500;
/** Most that are asked for at once where very many have the same time. */
const MOST_OLDER = 16_000;
/** How long a page is hidden until its connection is given back, of which a browser has six: milliseconds. */
const HIDDEN = 30_000;
/** After so long a pause, or with no connection for so long, not all that came meanwhile is fetched, but the newest: milliseconds. */
const LONG = 180_000;
const LONG_AWAY = 900_000;

/**
 * @typedef {object} FeedState
 * @property {string} name  as of the tail, or `held`: there is no room for more while somebody reads, or `resting`: nobody looks
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
    this.query = logsqlWithGaps(app, filters);
    this.onState = onState;
    this.isOlderBusy = false;
    this.hasOlder = true;
    this.gone = 0;
    this.tail = new Tail(`/api/v1/apps/${encodeURIComponent(app)}/logs/tail`, { ...tailArgs(filters), lines: FIRST }, {
      onLines: (lines) => this.came(lines),
      onState: (state) => { if (!this.isAway || state.name !== 'stopped') this.onState(state); },
      onLost: (why) => this.rule(why),
      onAway: (ms) => { if (ms > LONG_AWAY) this.anew(); },
    });
  }

  start() {
    this.off = new AbortController();
    document.addEventListener('visibilitychange', () => this.looked(), { signal: this.off.signal });
    this.tail.start();
    this.looked();
  }

  stop() {
    this.off?.abort();
    clearTimeout(this.timer);
    this.onState = () => {};
    this.isOver = true;
    this.tail.stop();
  }

  came(lines) {
    this.passed(lines);
    this.list.append(lines);
    if (this.list.isFull) this.hold();
  }

  /** Whether the tail does not run: there is no room, or nobody looks. */
  get isAway() {
    return Boolean(this.isHeld || this.isResting);
  }

  /** Nothing takes lines away under somebody's eyes: further ones wait in the store. */
  hold() {
    if (this.isHeld) return;
    this.isHeld = true;
    this.pause('held');
  }

  /** Somebody follows again: what waited comes. If there is a hole behind what is shown, it begins anew. */
  release() {
    if (!this.isHeld) return;
    this.isHeld = false;
    if (this.isCut) {
      this.isCut = false;
      this.hasOlder = true;
      this.tail.cursor = '';
      this.pausedAt = 0;
      this.list.clear();
    }
    this.resume();
  }

  /** A page that nobody looks at gives its connection back after a while, and goes on from there when somebody does. */
  looked() {
    clearTimeout(this.timer);
    if (document.hidden) {
      this.timer = setTimeout(() => {
        this.isResting = true;
        this.pause('resting');
      }, HIDDEN);
    } else if (this.isResting) {
      this.isResting = false;
      this.resume();
    }
  }

  pause(name) {
    this.pausedAt ||= Date.now();
    // One that has ended by itself stays so.
    if (this.tail.name === 'ended') return;
    this.tail.stop();
    this.onState({ name, why: '' });
  }

  resume() {
    if (this.isAway) return this.onState({ name: this.isHeld ? 'held' : 'resting', why: '' });
    if (this.pausedAt && Date.now() - this.pausedAt > LONG) this.anew();
    this.pausedAt = 0;
    return this.tail.name === 'ended' ? undefined : this.tail.start();
  }

  /** The next lines are the newest, whatever came since. */
  anew() {
    this.tail.cursor = '';
    this.isAnew = true;
  }

  /** The newest lines after a long pause: if none of the first ones is there already, some between were passed over. */
  passed(lines) {
    if (!this.isAnew || !lines.length) return;
    this.isAnew = false;
    const last = this.list.held.at(this.list.length - 1);
    if (!last || lines.some((line) => this.list.held.has(line.id))) return;
    this.rule(`Lines from ${clock(last.ms)} to ${clock(lines[0].ms)} were passed over, as the pause was long: the search has them`);
  }

  /** A rule behind all that is shown. Its time is that of the line above: older lines are asked for by it. */
  rule(text) {
    const last = this.list.held.at(this.list.length - 1);
    const now = new Date();
    this.list.append([ruleOf(text, last?.ms ?? now.getTime(), last?.time ?? now.toISOString())]);
  }

  /** Adds stored lines before the first one that is shown. */
  async older() {
    const { held } = this.list;
    // Lines that were let go can be had again.
    if (held.gone !== this.gone) this.hasOlder = true;
    this.gone = held.gone;
    if (this.isOlderBusy || !this.hasOlder || !held.at(0)) return;
    this.isOlderBusy = true;
    try {
      await this.fetchOlder(held.at(0));
    } finally {
      this.isOlderBusy = false;
    }
  }

  /** Goes back from the first line until there is a line that is not shown yet, or none. */
  async fetchOlder(first) {
    let condition = `_time:<=${first.time}`;
    let limit = OLDER;
    for (;;) {
      // The time is in it: lines of the same nanosecond may be missing here. Those that are not are left out by their ids.
      const found = await this.stored(condition, limit);
      if (this.isOver || this.list.following || this.list.held.at(0) !== first) return;
      this.makeRoom(found);
      this.hasOlder = found.length >= limit;
      if (this.list.prepend(found) > 0 || !this.hasOlder) return;
      const { time } = found[0];
      const next = `_time:<=${time}`;
      if (next !== condition) condition = next;
      // All of them have one time: more at once leads past it.
      else if (limit < MOST_OLDER) limit *= 2;
      else condition = `_time:<${time}`;
    }
  }

  /** Lines at the other end make room for older ones; they come again when somebody follows. */
  makeRoom(found) {
    const count = this.list.held.over(found.filter((line) => !this.list.held.has(line.id)));
    if (!count) return;
    this.hold();
    this.isCut = true;
    this.list.cut(count);
  }

  /** The newest stored lines that this condition holds for too, oldest first. */
  async stored(condition, limit) {
    const found = [];
    for await (const row of rows('/select/logsql/query', { form: { query: all(condition, this.query), limit } })) found.push(fromRow(row));
    return found;
  }
}
