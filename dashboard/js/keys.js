// The keyboard: what can be pressed where, and the list of it that `?` shows.

import { useEffect, useRef } from '../vendor/hooks.js';
import { signal } from '../vendor/signals.js';

/**
 * @typedef {object} Key
 * @property {string} keys  `/`, `g a`, `Escape`: names as KeyboardEvent.key has them, one after another
 * @property {string} does  what it does, for the list
 * @property {(event: KeyboardEvent) => void} act
 * @property {boolean} [typing]  whether it counts while somebody types too
 */

/** What can be pressed now, by who offers it. @type {import('../vendor/signals.js').Signal<{title: string, keys: Key[]}[]>} */
export const offered = signal([]);

/** How long the second key of two may take: milliseconds. */
const PAUSE = 900;

let before = '';
let pressed = 0;

/** Offers keys as long as a component is there. They may change with each of its renderings. */
export function useKeys(title, keys) {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    const entry = { title, get keys() { return now.current; } };
    offered.value = [...offered.value, entry];
    return () => { offered.value = offered.value.filter((one) => one !== entry); };
  }, [title]);
}

/** Begins to listen. */
export function listen() {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const pair = event.timeStamp - pressed < PAUSE && before ? `${before} ${event.key}` : '';
    // Those who came last are in front: a dialog takes Escape before the page does.
    const all = offered.value.toReversed().flatMap((entry) => entry.keys);
    const isTyping = types(event.target);
    const found = [pair, event.key].map((keys) => all.find((one) => one.keys === keys && (one.typing || !isTyping)));
    const key = found.find(Boolean);
    [before, pressed] = key || isTyping ? ['', 0] : [event.key, event.timeStamp];
    if (!key || (event.key === ' ' && presses(event.target))) return;
    event.preventDefault();
    key.act(event);
  });
}

const types = (element) => element instanceof HTMLElement
  && (element.isContentEditable || ['TEXTAREA', 'SELECT'].includes(element.tagName)
    || (element.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(element.type)));

/** Whether the space bar already means something there. */
const presses = (element) => element instanceof HTMLElement && ['BUTTON', 'A', 'INPUT', 'SUMMARY'].includes(element.tagName);
