// Light or dark: as the system has it, until somebody chooses. Loaded first, so that no page flashes in the wrong one.

import { signal } from '../vendor/signals.js';

const KEY = 'logway.theme';
/** What is chosen, in the order in which the button goes through it. */
const CHOICES = ['auto', 'light', 'dark'];

/** `auto`, `light` or `dark`. @type {import('../vendor/signals.js').Signal<string>} */
export const theme = signal(read());

function read() {
  try {
    const kept = localStorage.getItem(KEY);
    return CHOICES.includes(kept ?? '') ? kept : 'auto';
  } catch {
    // A browser that keeps nothing for anybody.
    return 'auto';
  }
}

theme.subscribe((choice) => {
  document.documentElement.dataset.theme = choice;
});

/** Goes to the next choice, and keeps it. */
export function nextTheme() {
  theme.value = CHOICES[(CHOICES.indexOf(theme.value) + 1) % CHOICES.length];
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // It holds for this page then.
  }
}
