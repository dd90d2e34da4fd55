// Equal lines behind each other: shown as one, with how many there are, until somebody wants to see each.

import { said } from '../line.js';

/** @typedef {import('../line.js').Line} Line */

/**
 * @typedef {object} Group  equal lines, all of them behind each other
 * @property {Line} head     the first one, which is shown
 * @property {number} count
 * @property {Line} last
 * @property {boolean} isOpen  each of them is shown
 */

/** How much the lengths of two lines may differ that say the same at different times. */
const SLACK = 4;
/** The longest document that is compared by what it shows, in letters: to look into each that comes must cost little. */
const LONGEST = 2_048;
/** How long lines are compared at once: milliseconds. */
const AT_ONCE = 8;

export class Folds {
  constructor() {
    this.isOn = false;
    /** What the line that was looked at last shows beside its time. */
    this.seen = { line: null, shows: null };
  }

  /** Whether a line is not shown, as one like it is. @param {Line} line */
  hides(line) {
    return Boolean(line.group) && line.group.head !== line && !line.group.isOpen;
  }

  /** The group that a line stands for; null if it stands for itself alone. @param {Line} line @returns {Group | null} */
  of(line) {
    return line.group?.head === line && line.group.count > 1 ? line.group : null;
  }

  /** Groups lines, the first of which stands behind `before`. @param {Line[]} lines @param {Line} [before] */
  append(lines, before) {
    let last = before;
    for (const line of lines) {
      line.group = undefined;
      if (this.isOn && last && this.areEqual(last, line)) join(last, line);
      last = line;
    }
  }

  /** Compares lines with those before them, from `from` on, for a moment; gives where it has come to. What it finds stays with the lines. @param {Line[]} lines */
  compare(lines, from) {
    const end = performance.now() + AT_ONCE;
    let at = Math.max(1, from);
    for (; at < lines.length && performance.now() < end; at += 1) this.areEqual(lines[at - 1], lines[at]);
    return at;
  }

  /** Groups older lines, which stand before those that are `held`. @param {Line[]} lines @param {Line[]} held */
  prepend(lines, held) {
    this.append(lines);
    const [first] = held;
    const last = lines.at(-1);
    if (!this.isOn || !last || !first || !this.areEqual(last, first)) return;
    const old = first.group;
    for (let at = 0; at < held.length && (at === 0 || (old && held[at].group === old)); at += 1) join(last, held[at]);
    if (old?.isOpen) last.group.isOpen = true;
  }

  /** Lines are let go, at either end. @param {Line[]} lines @param {Line} [first]  the first one that is left */
  forget(lines, first) {
    for (const { group } of lines) if (group) group.count -= 1;
    if (first?.group) first.group.head = first;
  }

  /** Whether two lines of one place show the same, whenever they were written. */
  areEqual(a, b) {
    if (a.gap || b.gap || a.instance !== b.instance || a.boot !== b.boot || a.stream !== b.stream || a.level !== b.level || a.provider !== b.provider) return false;
    if (a.message === b.message) return a.own === b.own || JSON.stringify(a.own) === JSON.stringify(b.own);
    if (Math.abs(a.message.length - b.message.length) > SLACK || Math.max(a.message.length, b.message.length) > LONGEST) return false;
    if (b.comparedTo !== a.id) {
      const shows = this.shows(a);
      b.showsSame = shows !== null && shows === this.shows(b);
      // By its id: the line itself may be let go.
      b.comparedTo = a.id;
    }
    return b.showsSame;
  }

  /** What a row shows of a document beside its time; null for plain text. */
  shows(line) {
    if (this.seen.line === line) return this.seen.shows;
    const inside = said(line);
    // Fields of the message may stand beside it once more.
    const beside = inside && Object.entries(line.own ?? {}).filter(([name]) => !inside.names.has(name));
    const shows = inside && JSON.stringify([inside.text, inside.pairs, beside]);
    this.seen = { line, shows };
    return shows;
  }
}

function join(last, line) {
  last.group ??= { head: last, count: 1, last, isOpen: false };
  line.group = last.group;
  line.group.count += 1;
  line.group.last = line;
}
