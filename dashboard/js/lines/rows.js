// What a list of very many lines is made of: the lines that are held, how high each is, and the rows in view, which alone are in the page.

import { goesOn, shortId } from '../line.js';
import { Folds } from './fold.js';
import { Heights } from './heights.js';
import { Held, MOST } from './held.js';
import { headsOf, makeRow, setTimes } from './row.js';

/** How far beyond the view rows are made, in pixels. */
const MARGIN = 300;
/** How much more than it should a list may hold while somebody reads. */
const SLACK = 1.2;
/** Browsers place nothing right below some 17 million pixels. */
const MAX_HEIGHT = 15_000_000;
/** Most letters of a column for a field. */
const MOST_LETTERS = 28;
/** Lists of a page are told apart, as the parts of their rows have ids. */
let lists = 0;

/** @typedef {import('../line.js').Line} Line */

export class Rows {
  /** @param {import('./list.js').Hooks & {label: string, follow?: boolean, most?: number, look?: Partial<import('./row.js').Look>}} options */
  constructor({ label, follow = true, most = MOST, look = {}, ...hooks }) {
    this.label = label;
    this.hooks = hooks;
    this.held = new Held(most);
    this.heights = new Heights();
    this.look = {
      wrap: false, fold: false, dates: false, times: true, apps: false, instances: true, regions: false, providers: false, levels: true, fields: [], mark: null, ...look,
    };
    this.folds = new Folds();
    this.folds.isOn = this.look.fold;
    this.held.onForget = (lines) => this.folds.forget(lines, this.held.at(0));
    /** Ids of the lines that are wrapped though the others are not, or the other way round. */
    this.turned = new Set();
    this.name = `l${(lists += 1)}`;
    this.following = follow;
    /** Whether it follows again when somebody scrolls to its end. */
    this.canFollow = true;
    /** Lines that came while it did not follow. */
    this.fresh = 0;
    /** The number of the first line that is held: it rises when lines are let go, and falls when older ones come. */
    this.base = 0;
    /** What is in the page, by number. @type {Map<number, {line: Line, element: HTMLElement, close?: () => void}>} */
    this.rows = new Map();
    /** Ids of the lines whose details are shown. */
    this.open = new Set();
    this.selected = '';
    this.rowHeight = 20;
    this.asked = 0;
    /** How many letters the columns have. */
    this.widths = { instance: 6, app: 4, region: 6, provider: 6 };
  }

  get length() {
    return this.held.length;
  }

  // What is in it.

  /** Adds lines at the end. Gives how many were new. @param {Line[]} lines */
  append(lines) {
    const before = this.held.at(this.length - 1);
    const fresh = this.held.push(lines);
    this.folds.append(fresh, before);
    this.widen(fresh);
    for (const line of fresh) this.heights.push(this.guess(line));
    // What somebody reads stays, if whoever brings lines minds `isFull`.
    if (this.following || this.held.isOver(SLACK)) this.trim();
    if (!this.following) {
      this.fresh += fresh.length;
      this.tell();
    }
    this.draw();
    return fresh.length;
  }

  /** Adds older lines in front; what is in view stays where it is. @param {Line[]} lines */
  prepend(lines) {
    const anchor = this.anchor();
    const { lines: held } = this.held;
    const fresh = this.held.unshift(lines);
    this.folds.prepend(fresh, held);
    this.widen(fresh);
    this.heights.unshift(fresh.map((line) => this.guess(line)));
    // The first one of before may be one of several now.
    if (held.length && this.folds.hides(held[0])) this.heights.set(fresh.length, 0);
    this.base -= fresh.length;
    this.drawNow(anchor);
    return fresh.length;
  }

  /** Shows these lines and no others. @param {Line[]} lines */
  replace(lines) {
    this.clear();
    this.append(lines);
    if (this.host && !this.following) this.host.scrollTop = 0;
  }

  clear() {
    this.clearRows();
    this.held.clear();
    this.heights = new Heights();
    this.base = 0;
    this.fresh = 0;
    this.open.clear();
    this.turned.clear();
    this.selected = '';
    this.draw();
  }

  /** Lets the newest lines go, to make room for older ones. */
  cut(count) {
    this.held.pop(count);
    this.heights.pop(count);
    for (const [number, row] of this.rows) if (number - this.base >= this.length) this.remove(number, row);
  }

  /** Whether there is no room for further lines without letting go of those that somebody reads. */
  get isFull() {
    return !this.following && (this.held.length >= this.held.most || this.held.isOver());
  }

  /** Columns are as wide as what stands in them. @param {Line[]} lines */
  widen(lines) {
    for (const line of lines) {
      this.widths.instance = Math.max(this.widths.instance, shortId(line.instance).length);
      this.widths.app = Math.min(18, Math.max(this.widths.app, line.app.length));
      this.widths.region = Math.min(12, Math.max(this.widths.region, line.region.length));
      this.widths.provider = Math.min(12, Math.max(this.widths.provider, line.provider.length));
    }
    this.setWidths();
  }

  setWidths() {
    for (const [name, letters] of Object.entries(this.widths)) this.host?.parentElement?.style.setProperty(`--${name}`, `${letters}ch`);
  }

  /** Columns of fields are as wide as what was in view: to look for it in each line that comes would cost too much. */
  widenFields(element) {
    let isWider = false;
    element.querySelectorAll('.row-field').forEach((cell, at) => {
      const letters = Math.min(MOST_LETTERS, cell.lastChild.textContent.length);
      if (letters <= (this.widths[`f${at}`] ?? 0)) return;
      this.widths[`f${at}`] = letters;
      isWider = true;
    });
    if (isWider) this.setWidths();
  }

  trim() {
    const over = this.heights.total > MAX_HEIGHT ? Math.ceil(this.held.length / 10) : 0;
    const anchor = this.following ? null : this.anchor();
    const gone = this.held.trim(over);
    if (!gone) return;
    this.heights.drop(gone);
    this.base += gone;
    // Of equal lines the first ones went: the next one stands for the rest.
    if (this.length && this.heights.get(0) === 0) this.heights.set(0, this.guess(this.held.at(0)));
    if (anchor) this.drawNow(anchor);
  }

  // How it is shown.

  /** Changes how rows look. @param {Partial<import('./row.js').Look>} look */
  setLook(look) {
    const isSame = Object.entries(look).every(([name, value]) => String(this.look[name]) === String(value));
    if (isSame) return;
    const anchor = this.anchor();
    const old = this.look;
    this.look = { ...this.look, ...look };
    if (old.wrap !== this.look.wrap) this.turned.clear();
    if (old.fold !== this.look.fold) this.fold(this.look.fold);
    if (String(old.fields) !== String(this.look.fields)) {
      for (const name of Object.keys(this.widths)) if (/^f\d$/.test(name)) delete this.widths[name];
      this.look.fields.forEach((name, at) => { this.widths[`f${at}`] = Math.min(MOST_LETTERS, Math.max(4, name.length)); });
      this.setWidths();
    }
    this.dress();
    this.measure();
    this.remake();
    this.drawNow(anchor);
  }

  /**
   * Groups equal lines, or shows each; the caller makes the rows anew if it gives true. Very many lines are compared in pieces, so that the
   * page answers in between, and grouped when all of those are.
   */
  fold(is, lines = this.held.lines.slice(), from = 0) {
    clearTimeout(this.comparing);
    const reached = is ? this.folds.compare(lines, from) : lines.length;
    if (reached < lines.length) {
      this.comparing = setTimeout(() => {
        const anchor = this.anchor();
        if (!this.fold(is, lines, reached)) return;
        this.remake();
        this.drawNow(anchor);
      });
      return false;
    }
    this.folds.isOn = is;
    this.folds.append(this.held.lines);
    return true;
  }

  /** What of the look is of the whole list: how rows end, and what stands above columns. */
  dress() {
    this.host?.classList.toggle('wrap', this.look.wrap);
    this.heads?.replaceChildren(...headsOf(this.look));
  }

  resized() {
    const width = this.host.clientWidth;
    if (width !== this.width) {
      const anchor = this.anchor();
      this.measure();
      this.remake();
      this.drawNow(anchor);
    } else {
      this.draw();
    }
  }

  /** How high a row of one line is here, and how many letters fit into a row. */
  measure() {
    if (!this.host) return;
    this.width = this.host.clientWidth;
    const line = { level: 'info', ms: 0, time: '', instance: 'x', region: '', own: null, message: 'x'.repeat(40), stream: '', provider: '', app: 'x', code: '', gap: null };
    const probe = makeRow(line, this.look, false);
    this.box.append(probe);
    this.rowHeight = probe.offsetHeight || 20;
    const text = probe.querySelector('.row-text');
    const letter = text.getBoundingClientRect().width / 40 || 8;
    const left = text.getBoundingClientRect().left - probe.getBoundingClientRect().left;
    this.lineHeight = parseFloat(getComputedStyle(text).lineHeight) || this.rowHeight;
    this.letters = Math.max(10, Math.floor((this.width - left - 12) / letter));
    probe.remove();
  }

  /** How high a row probably is; it is measured when it comes into view. */
  guess(line) {
    if (this.folds.hides(line)) return 0;
    if (line.gap || this.look.wrap === this.turned.has(line.id)) return this.rowHeight;
    const rows = Math.ceil(Math.min(line.message.length, 1_500) / (this.letters || 100));
    return this.rowHeight + Math.max(0, rows - 1) * (this.lineHeight ?? this.rowHeight);
  }

  /** All heights anew. */
  remake() {
    this.clearRows();
    this.heights = new Heights();
    for (const line of this.held.lines) this.heights.push(this.guess(line));
  }

  clearRows() {
    for (const row of this.rows.values()) row.close?.();
    this.rows.clear();
    this.box?.replaceChildren();
  }

  // Drawing.

  draw() {
    if (this.asked || !this.host) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.drawNow();
    });
  }

  /** The first line in view, and how far above the view it begins. */
  anchor() {
    if (!this.host || !this.length) return null;
    const index = Math.max(0, this.heights.find(this.host.scrollTop));
    return { number: this.base + index, above: this.host.scrollTop - this.heights.before(index) };
  }

  drawNow(anchor = null) {
    if (!this.host) return;
    // Text that is being marked stays until the pointer is up.
    if (this.following && this.isPressed) return;
    const kept = anchor ?? (this.following ? null : this.anchor());
    this.put(kept);
    this.fill();
    // Once more: rows that were measured may have moved others into view, or out of it.
    if (this.measureRows()) {
      this.put(kept);
      this.fill();
      this.measureRows();
      this.put(kept);
    }
  }

  /** Puts the view to its end, or back to its anchor. */
  put(kept) {
    this.space.style.height = `${this.heights.total}px`;
    const end = Math.max(0, this.heights.total - this.host.clientHeight);
    const index = kept ? kept.number - this.base : -1;
    const wanted = this.following ? end : kept && index >= 0 && index < this.length ? this.heights.before(index) + kept.above : kept ? 0 : this.host.scrollTop;
    if (Math.abs(this.host.scrollTop - wanted) >= 1) this.host.scrollTop = wanted;
    this.placed = this.host.scrollTop;
  }

  /** Makes the rows in view, and takes away those that are not. */
  fill() {
    // A feed has something in it.
    this.host.setAttribute('role', this.length ? 'feed' : 'region');
    if (!this.length) {
      this.clearRows();
      return;
    }
    const { scrollTop, clientHeight } = this.host;
    const first = Math.max(0, this.heights.find(Math.max(0, scrollTop - MARGIN)));
    const last = Math.max(first, this.heights.find(scrollTop + clientHeight + MARGIN));
    for (const [number, row] of this.rows) {
      const index = number - this.base;
      if (index < first || index > last || this.folds.hides(row.line)) this.remove(number, row);
    }
    let next = this.box.firstChild;
    for (let index = first; index <= last; index += 1) {
      if (this.folds.hides(this.held.at(index))) continue;
      const number = this.base + index;
      const row = this.rows.get(number) ?? this.make(number, index);
      this.place(row, index);
      if (row.element === next) next = next.nextSibling;
      else this.box.insertBefore(row.element, next);
    }
    this.box.style.transform = `translateY(${this.heights.before(first)}px)`;
  }

  make(number, index) {
    const line = this.held.at(index);
    const isTurned = this.turned.has(line.id);
    const look = isTurned ? { ...this.look, wrap: !this.look.wrap } : this.look;
    const element = makeRow(line, look, goesOn(line, this.held.lines.slice(Math.max(0, index - 3), index)), `${this.name}-${number}`);
    if (isTurned) element.classList.add(look.wrap ? 'wrapped' : 'cut');
    const row = { line, element, index: -1, length: -1, count: 1 };
    if (look.fields.length) this.widenFields(element);
    element.dataset.number = String(number);
    if (line.id === this.selected) element.classList.add('selected');
    this.rows.set(number, row);
    if (this.open.has(line.id)) this.show(row);
    return row;
  }

  /** The place of a row in the feed, for those who hear it read, and how many it stands for: both change while lines come and go. */
  place(row, index) {
    if (row.index !== index || row.length !== this.length) {
      row.element.ariaPosInSet = String(index + 1);
      row.element.ariaSetSize = String(this.length);
      [row.index, row.length] = [index, this.length];
    }
    const group = this.folds.of(row.line);
    const count = group?.count ?? 1;
    if (row.count !== count || row.isOpen !== group?.isOpen) setTimes(row.element, group);
    row.count = count;
    row.isOpen = group?.isOpen;
  }

  remove(number, row) {
    if (row.element.contains(document.activeElement)) this.host.focus({ preventScroll: true });
    row.close?.();
    row.element.remove();
    this.rows.delete(number);
  }

  /** Takes the heights of the rows in view, which may differ from what was thought; true if one did. */
  measureRows() {
    let isChanged = false;
    for (const [number, row] of this.rows) {
      const height = row.element.offsetHeight;
      const index = number - this.base;
      if (height && this.heights.get(index) !== height) {
        this.heights.set(index, height);
        isChanged = true;
      }
    }
    return isChanged;
  }
}
