// The lines that the browser holds: a bounded number of them, each once.

/** Most lines that are held. */
export const MOST = 100_000;
/** How many are let go at once, as each time moves all others. */
const STEP = 2_000;

/** @typedef {import('../line.js').Line} Line */

export class Held {
  constructor(most = MOST) {
    this.most = most;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {Set<string>} */
    this.ids = new Set();
    /** How many were let go because there was no room. */
    this.gone = 0;
  }

  get length() {
    return this.lines.length;
  }

  at(index) {
    return this.lines[index];
  }

  has(id) {
    return this.ids.has(id);
  }

  indexOf(id) {
    return this.has(id) ? this.lines.findIndex((line) => line.id === id) : -1;
  }

  /** Adds lines at the end; gives those that were not there yet. @param {Line[]} lines */
  push(lines) {
    const fresh = this.fresh(lines);
    for (const line of fresh) this.lines.push(line);
    return fresh;
  }

  /** Adds older lines in front; gives those that were not there yet. @param {Line[]} lines */
  unshift(lines) {
    const fresh = this.fresh(lines);
    this.lines = fresh.concat(this.lines);
    return fresh;
  }

  /** Lets the oldest go if there are too many; gives how many went. */
  trim(least = 0) {
    const over = Math.max(this.lines.length - this.most, least);
    if (over <= 0) return 0;
    const count = Math.min(this.lines.length, Math.max(over, Math.min(STEP, this.most / 10)));
    for (const line of this.lines.splice(0, count)) this.ids.delete(line.id);
    this.gone += count;
    return count;
  }

  /** Lets the newest go. */
  pop(count) {
    for (const line of this.lines.splice(Math.max(0, this.lines.length - count))) this.ids.delete(line.id);
  }

  clear() {
    this.lines = [];
    this.ids.clear();
    this.gone = 0;
  }

  fresh(lines) {
    return lines.filter((line) => {
      if (this.ids.has(line.id)) return false;
      this.ids.add(line.id);
      return true;
    });
  }
}
