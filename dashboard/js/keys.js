// The keyboard: what can be pressed where, and the list of it that `?` shows.

import { useContext, useEffect, useRef } from '../vendor/hooks.js';
import { createContext } from '../vendor/preact.js';
import { signal } from '../vendor/signals.js';

/**
 * @typedef {object} Key
 * @property {string} keys  `/`, `g a`, `Escape`: names as KeyboardEvent.key has them, one after another
 * @property {string} does  what it does, for the list
 * @property {(event: KeyboardEvent) => void} act
 * @property {boolean} [typing]  whether it counts while somebody types too
 */

/** In how many dialogs a component stands: what lies below the last one takes no keys. */
export const Depth = createContext(0);

/** What can be pressed now, by who offers it. @type {import('../vendor/signals.js').Signal<{title: string, depth: number, keys: Key[]}[]>} */
export const offered = signal([]);

/** How long the second key of two may take: milliseconds. */
const PAUSE = 900;

let before = '';
let pressed = 0;

/** Offers keys as long as a component is there. They may change with each of its renderings. */
export function useKeys(title, keys) {
  const now = useRef(keys);
  now.current = keys;
  const depth = useContext(Depth);
  useEffect(() => {
    const entry = { title, depth, get keys() { return now.current; } };
    offered.value = [...offered.value, entry];
    return () => { offered.value = offered.value.filter((one) => one !== entry); };
  }, [title, depth]);
}

/** Begins to listen. */
export function listen() {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTaken(event)) return;
    const pair = event.timeStamp - pressed < PAUSE && before ? `${before} ${event.key}` : '';
    // Those who came last are in front: a dialog takes Escape before the page does.
    const dialogs = document.querySelectorAll('dialog[open]').length;
    const all = offered.value.toReversed().filter((entry) => entry.depth >= dialogs).flatMap((entry) => entry.keys);
    const isTyping = types(event.target);
    const found = [pair, event.key].map((keys) => all.find((one) => one.keys === keys && (one.typing || !isTyping)));
    const key = found.find(Boolean);
    [before, pressed] = key || isTyping ? ['', 0] : [event.key, event.timeStamp];
    if (!key) return;
    event.preventDefault();
    key.act(event);
  });
}

const types = (element) => element instanceof HTMLElement
  && (element.isContentEditable || ['TEXTAREA', 'SELECT'].includes(element.tagName)
    || (element.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(element.type)));

/** Keys that press what has the focus, and those that scroll it. */
const PRESS = [' ', 'Enter'];
const SCROLL = [' ', 'ArrowUp', 'ArrowDown'];

/** Whether a key means something already where the focus is: on what can be pressed, or in a part that scrolls by itself. */
function isTaken({ key, target }) {
  if (!(target instanceof HTMLElement)) return false;
  if (PRESS.includes(key) && ['BUTTON', 'A', 'INPUT', 'SUMMARY'].includes(target.tagName)) return !types(target);
  const part = SCROLL.includes(key) && target.closest('.row-detail, [tabindex="0"]');
  return Boolean(part) && !part.classList.contains('lines');
}
