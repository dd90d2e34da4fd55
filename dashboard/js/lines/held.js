// The lines that the browser holds: a bounded number of them, each once.

/** Most lines that are held. */
export const MOST = 100_000;
/** Most letters of them together: long lines must not fill the computer. */
const MOST_LETTERS = 128 * 1024 * 1024;
/** How many are let go at once, as each time moves all others. */
const STEP = 2_000;

/** @typedef {import('../line.js').Line} Line */

export class Held {
  constructor(most = MOST, mostLetters = MOST_LETTERS) {
    this.most = most;
    this.mostLetters = mostLetters;
    /** How many letters they have. */
    this.letters = 0;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {Set<string>} */
    this.ids = new Set();
    /** How many were let go because there was no room. */
    this.gone = 0;
    /** Told of lines that were let go. @type {((lines: Line[]) => void) | undefined} */
    this.onForget = undefined;
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

  /** Whether there are more than `share` of what there may be. */
  isOver(share = 1) {
    return this.lines.length > this.most * share || this.letters > this.mostLetters * share;
  }

  /** How many of the newest have to go so that these lines fit. @param {Line[]} lines */
  over(lines) {
    let letters = this.letters - this.mostLetters;
    for (const line of lines) letters += weight(line);
    let count = Math.max(0, this.lines.length + lines.length - this.most);
    for (let at = 1; at <= this.lines.length && (letters > 0 || at <= count); at += 1) {
      letters -= weight(this.lines[this.lines.length - at]);
      count = Math.max(count, at);
    }
    return Math.min(count, this.lines.length);
  }

  /** Lets the oldest go if there are too many; gives how many went. */
  trim(least = 0) {
    const over = Math.max(this.lines.length - this.most, least, this.heavy());
    if (over <= 0) return 0;
    const count = Math.min(this.lines.length, Math.max(over, Math.min(STEP, this.most / 10, Math.ceil(this.lines.length / 10))));
    this.forget(this.lines.splice(0, count));
    this.gone += count;
    return count;
  }

  /** Lets the newest go. */
  pop(count) {
    this.forget(this.lines.splice(Math.max(0, this.lines.length - count)));
  }

  /** How many of the oldest have too many letters. */
  heavy() {
    let count = 0;
    for (let left = this.letters - this.mostLetters; left > 0 && count < this.lines.length; count += 1) left -= weight(this.lines[count]);
    return count;
  }

  forget(lines) {
    for (const line of lines) {
      this.ids.delete(line.id);
      this.letters -= weight(line);
    }
    this.onForget?.(lines);
  }

  clear() {
    this.lines = [];
    this.ids.clear();
    this.letters = 0;
    this.gone = 0;
  }

  fresh(lines) {
    return lines.filter((line) => {
      if (this.ids.has(line.id)) return false;
      this.ids.add(line.id);
      this.letters += weight(line);
      return true;
    });
  }
}

/** The letters of a line: its message, its fields, and some for all else. */
function weight({ message = '', own = null }) {
  let letters = message.length + 256;
  for (const name in own) letters += name.length + String(own[name]).length;
  return letters;
}
