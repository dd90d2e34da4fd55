// A list of very many lines, of which only those in view are in the page. It follows its end until somebody scrolls up.

import { Rows } from './rows.js';

/** How near to its end the list follows again. */
const NEAR = 6;
/** How near to its beginning older lines are asked for. */
const NEAR_TOP = 400;
/** How long after somebody has touched the list its scrolling is theirs: milliseconds. A scroll goes on after the finger is up. */
const BY_HAND = 1_500;

/**
 * @typedef {object} Hooks
 * @property {(state: {following: boolean, fresh: number}) => void} [onState]  it follows or not; lines that came while it did not
 * @property {() => void} [onOlder]   its beginning comes into view
 * @property {(line: Line, element: HTMLElement) => (() => void)} [openDetail]  shows a line's details in an element; gives what ends that
 * @property {(code: string, anchor: HTMLElement) => void} [onCode]  a code in a row was pressed
 */

export class LineList extends Rows {
  /** Puts the list into an element, which scrolls; `heads` is one above it for the names of columns. */
  mount(host, heads = null) {
    this.host = host;
    this.heads = heads;
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
    this.setWidths();
    this.dress();
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

  // What people do with lines.

  clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const code = target.closest('[data-code]');
    if (code) return void this.hooks.onCode?.(code.dataset.code, code);
    const pressed = target.closest('.row-times, .row-wrap');
    if (pressed) {
      const { line } = this.rows.get(Number(pressed.closest('.row').dataset.number)) ?? {};
      if (line) return pressed.matches('.row-wrap') ? this.turn(line.id) : this.unfold(line);
    }
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

  /** Shows each of the equal lines that a line stands for, or that one alone. @param {import('./rows.js').Line} line */
  unfold(line, is = !line.group?.isOpen) {
    const { group } = line;
    if (!group || group.isOpen === is) return;
    const anchor = this.anchor();
    this.follow(false);
    group.isOpen = is;
    const first = this.held.indexOf(group.head.id);
    for (let index = first; index < first + group.count; index += 1) this.heights.set(index, this.guess(this.held.at(index)));
    this.drawNow(anchor);
  }

  /** Wraps one line where the others are cut, or cuts it where they are wrapped. */
  turn(id) {
    const index = this.held.indexOf(id);
    if (index < 0) return;
    const anchor = this.anchor();
    this.follow(false);
    if (!this.turned.delete(id)) this.turned.add(id);
    const row = this.rows.get(this.base + index);
    if (row) this.remove(this.base + index, row);
    this.heights.set(index, this.guess(this.held.at(index)));
    this.drawNow(anchor);
    this.select(id, { focus: true });
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
    const step = Math.sign(by) || 1;
    let index = Math.max(0, Math.min(this.length - 1, start));
    while (this.folds.hides(this.held.at(index)) && index + step < this.length) index += step;
    // Equal lines up to the end: the one that stands for them is the last that is shown.
    while (index > 0 && this.folds.hides(this.held.at(index))) index -= 1;
    this.reveal(index, { focus: true });
  }

  /** Brings a line into view and marks it. `middle`: into the middle of the view. */
  reveal(index, { focus = false, middle = false } = {}) {
    this.follow(false);
    if (this.folds.hides(this.held.at(index))) this.unfold(this.held.at(index), true);
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
