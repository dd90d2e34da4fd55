// A list of very many lines: only those in view are in the page. It follows its end until somebody scrolls up.

import { goesOn, shortId } from '../line.js';
import { Heights } from './heights.js';
import { Held, MOST } from './held.js';
import { makeRow } from './row.js';

/** How far beyond the view rows are made, in pixels. */
const MARGIN = 300;
/** How much more than it should a list may hold while somebody reads. */
const SLACK = 1.2;
/** How near to its end the list follows again. */
const NEAR = 6;
/** How near to its beginning older lines are asked for. */
const NEAR_TOP = 400;
/** How long after somebody has touched the list its scrolling is theirs: milliseconds. A scroll goes on after the finger is up. */
const BY_HAND = 1_500;
/** Browsers place nothing right below some 17 million pixels. */
const MAX_HEIGHT = 15_000_000;

/** @typedef {import('../line.js').Line} Line */

/**
 * @typedef {object} Hooks
 * @property {(state: {following: boolean, fresh: number}) => void} [onState]  it follows or not; lines that came while it did not
 * @property {() => void} [onOlder]   its beginning comes into view
 * @property {(line: Line, element: HTMLElement) => (() => void)} [openDetail]  shows a line's details in an element; gives what ends that
 * @property {(code: string, anchor: HTMLElement) => void} [onCode]  a code in a row was pressed
 */

export class LineList {
  /** @param {Hooks & {label: string, follow?: boolean, most?: number, look?: Partial<import('./row.js').Look>}} options */
  constructor({ label, follow = true, most = MOST, look = {}, ...hooks }) {
    this.label = label;
    this.hooks = hooks;
    this.held = new Held(most);
    this.heights = new Heights();
    this.look = { wrap: false, dates: false, apps: false, instances: true, mark: null, ...look };
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
    this.widths = { instance: 6, app: 4 };
  }

  get length() {
    return this.held.length;
  }

  /** Puts the list into an element, which scrolls. */
  mount(host) {
    this.host = host;
    host.setAttribute('aria-label', this.label);
    host.tabIndex = 0;
    this.space = document.createElement('div');
    this.space.className = 'lines-space';
    this.box = document.createElement('div');
    this.box.className = 'lines-box';
    this.space.append(this.box);
    host.replaceChildren(this.space);
    this.listen();
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(host);
    this.widen([]);
    this.measure();
    this.draw();
  }

  unmount() {
    this.observer?.disconnect();
    cancelAnimationFrame(this.asked);
    this.asked = 0;
    this.clearRows();
    this.off?.abort();
    this.host = null;
  }

  listen() {
    this.off = new AbortController();
    const on = (name, act, options) => this.host.addEventListener(name, act, { signal: this.off.signal, passive: true, ...options });
    on('scroll', () => this.scrolled());
    // Only what somebody does pauses: the view scrolls by itself when its size changes, or when lines are let go.
    const byHand = () => { this.touched = performance.now(); };
    for (const name of ['wheel', 'touchmove', 'pointerdown', 'pointermove', 'keydown']) on(name, byHand);
    on('wheel', (event) => { if (event.deltaY < 0) this.pauseIfLong(); });
    on('touchmove', () => this.pauseIfLong());
    on('click', (event) => this.clicked(event));
    // Where text is marked: not on the bar that scrolls, nor with a button that opens a menu, whose end is not heard here.
    on('pointerdown', (event) => { this.isPressed = event.button === 0 && this.box.contains(event.target); });
    const release = () => { this.isPressed = false; };
    for (const name of ['pointercancel', 'contextmenu']) on(name, release);
    addEventListener('blur', release, { signal: this.off.signal });
    addEventListener('pointerup', () => {
      release();
      // Who marks text wants it to stay.
      if (this.following && String(getSelection()) && this.host?.contains(getSelection().anchorNode)) this.follow(false);
      this.draw();
    }, { signal: this.off.signal });
  }

  // What is in it.

  /** Adds lines at the end. Gives how many were new. @param {Line[]} lines */
  append(lines) {
    const fresh = this.held.push(lines);
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
    const fresh = this.held.unshift(lines);
    this.widen(fresh);
    this.heights.unshift(fresh.map((line) => this.guess(line)));
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
    }
    for (const [name, letters] of Object.entries(this.widths)) this.host?.style.setProperty(`--${name}`, `${letters}ch`);
  }

  trim() {
    const over = this.heights.total > MAX_HEIGHT ? Math.ceil(this.held.length / 10) : 0;
    const anchor = this.following ? null : this.anchor();
    const gone = this.held.trim(over);
    if (!gone) return;
    this.heights.drop(gone);
    this.base += gone;
    if (anchor) this.drawNow(anchor);
  }

  // How it is shown.

  /** Changes how rows look. @param {Partial<import('./row.js').Look>} look */
  setLook(look) {
    const isSame = Object.entries(look).every(([name, value]) => String(this.look[name]) === String(value));
    if (isSame) return;
    const anchor = this.anchor();
    this.look = { ...this.look, ...look };
    this.host?.classList.toggle('wrap', this.look.wrap);
    this.measure();
    this.remake();
    this.drawNow(anchor);
  }

  /** Follows the end, or stays. */
  follow(is) {
    if (this.following === is) return;
    this.following = is;
    this.fresh = 0;
    this.tell();
    this.draw();
  }

  /** A list that fits into its view has nothing to scroll up to. */
  pauseIfLong() {
    if (this.heights.total > this.host.clientHeight) this.follow(false);
  }

  tell() {
    this.hooks.onState?.({ following: this.following, fresh: this.fresh });
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.host;
    const isAtEnd = scrollHeight - clientHeight - scrollTop <= NEAR;
    const isOurs = Math.abs(scrollTop - (this.placed ?? scrollTop)) <= 2;
    if (!isOurs && performance.now() - (this.touched ?? -BY_HAND) < BY_HAND) {
      if (this.following && !isAtEnd && scrollTop < (this.placed ?? 0)) this.follow(false);
      else if (!this.following && isAtEnd && scrollTop > (this.lastTop ?? 0) && this.canFollow) this.follow(true);
    }
    this.lastTop = scrollTop;
    if (scrollTop < NEAR_TOP && !this.following) this.hooks.onOlder?.();
    this.draw();
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
    const line = { level: 'info', ms: 0, time: '', instance: 'x', region: '', message: 'x'.repeat(40), stream: '', provider: '', app: 'x', code: '', gap: null };
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
    if (!this.look.wrap || line.gap) return this.rowHeight;
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
      if (index < first || index > last) this.remove(number, row);
    }
    let next = this.box.firstChild;
    for (let index = first; index <= last; index += 1) {
      const number = this.base + index;
      const row = this.rows.get(number) ?? this.make(number, index);
      if (row.element === next) next = next.nextSibling;
      else this.box.insertBefore(row.element, next);
    }
    this.box.style.transform = `translateY(${this.heights.before(first)}px)`;
  }

  make(number, index) {
    const line = this.held.at(index);
    const element = makeRow(line, this.look, goesOn(line, this.held.lines.slice(Math.max(0, index - 3), index)));
    const row = { line, element };
    element.dataset.number = String(number);
    if (line.id === this.selected) element.classList.add('selected');
    this.rows.set(number, row);
    if (this.open.has(line.id)) this.show(row);
    return row;
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

  // What people do with lines.

  clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const code = target.closest('[data-code]');
    if (code) return void this.hooks.onCode?.(code.dataset.code, code);
    const head = target.closest('.row-head');
    if (!head || target.closest('a') || String(getSelection())) return undefined;
    const row = this.rows.get(Number(head.parentElement.dataset.number));
    if (!row) return undefined;
    this.select(row.line.id, { focus: true });
    return this.toggle(row.line.id);
  }

  /** Shows the details of a line, or hides them. */
  toggle(id, is = !this.open.has(id)) {
    const row = [...this.rows.values()].find((one) => one.line.id === id);
    if (row?.line.gap) return;
    if (is) {
      this.open.add(id);
      this.follow(false);
    } else {
      this.open.delete(id);
    }
    if (!row) return;
    const anchor = this.anchor();
    if (is) this.show(row);
    else this.hide(row);
    this.drawNow(anchor);
    if (is) this.uncover(this.held.indexOf(id));
  }

  /** Scrolls on until all of a row is in view, or its beginning is at the top. */
  uncover(index) {
    const top = this.heights.before(index);
    const below = top + this.heights.get(index) - this.host.scrollTop - this.host.clientHeight;
    if (below <= 0) return;
    this.host.scrollTop = Math.min(top, this.host.scrollTop + below);
    this.drawNow();
  }

  show(row) {
    if (row.close || !this.hooks.openDetail) return;
    const box = document.createElement('div');
    box.className = 'row-detail';
    row.element.append(box);
    row.element.classList.add('open');
    row.element.querySelector('.row-toggle')?.setAttribute('aria-expanded', 'true');
    const end = this.hooks.openDetail(row.line, box);
    // Parts of it open and close by themselves.
    const observer = new ResizeObserver(() => this.draw());
    observer.observe(box);
    row.close = () => {
      observer.disconnect();
      end();
      box.remove();
    };
  }

  hide(row) {
    row.close?.();
    row.close = undefined;
    row.element.classList.remove('open');
    row.element.querySelector('.row-toggle')?.setAttribute('aria-expanded', 'false');
  }

  /** Marks a line as the one that keys work on. */
  select(id, { focus = false } = {}) {
    this.selected = id;
    for (const row of this.rows.values()) {
      const is = row.line.id === id;
      row.element.classList.toggle('selected', is);
      if (is && focus) row.element.focus({ preventScroll: true });
    }
  }

  /** Goes some lines down or up, and takes the focus there. */
  move(by) {
    if (!this.length) return;
    const now = this.selected ? this.held.indexOf(this.selected) : -1;
    const start = now >= 0 ? now + by : this.following ? this.length - 1 : this.heights.find(this.host.scrollTop);
    this.reveal(Math.max(0, Math.min(this.length - 1, start)), { focus: true });
  }

  /** Brings a line into view and marks it. `middle`: into the middle of the view. */
  reveal(index, { focus = false, middle = false } = {}) {
    this.follow(false);
    const top = this.heights.before(index);
    const height = this.heights.get(index);
    const { scrollTop, clientHeight } = this.host;
    let wanted = scrollTop;
    if (middle) wanted = top - (clientHeight - height) / 2;
    else if (top < scrollTop) wanted = top;
    else if (top + height > scrollTop + clientHeight) wanted = top + height - clientHeight;
    this.selected = this.held.at(index).id;
    this.space.style.height = `${this.heights.total}px`;
    this.host.scrollTop = wanted;
    this.drawNow();
    this.select(this.selected, { focus });
  }

  /** The same for a line that is known by its id; false if it is not held. */
  revealId(id, options) {
    const index = this.held.indexOf(id);
    if (index >= 0) this.reveal(index, options);
    return index >= 0;
  }
}
