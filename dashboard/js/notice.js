// Short messages: what was done, for a moment, at the edge of the page; and errors, where what failed would have been.

import { signal } from '../vendor/signals.js';
import { html } from './ui.js';
import { link } from './router.js';

/** How long a message stays: milliseconds. */
const STAYS = 4_000;

/** How long one stays that has a button. */
const STAYS_LONG = 10_000;

const said = signal({ text: '', offer: null });
let timer = 0;

/** Says for a moment what was done. Screen readers say it too. @param {string} text @param {{name: string, act: () => void} | null} [offer]  a button beside it */
export function say(text, offer = null) {
  said.value = { text, offer };
  clearTimeout(timer);
  timer = setTimeout(unsay, offer ? STAYS_LONG : STAYS);
}

const unsay = () => { said.value = { text: '', offer: null }; };

/** Where messages are shown; once on the page. */
export const Notices = () => html`<div class="notices" role="status" aria-live="polite">
  ${said.value.text && html`<p class="notice">${said.value.text}${said.value.offer && html` <button class="notice-act" onClick=${() => { said.value.offer.act(); unsay(); }}>${said.value.offer.name}</button>`}</p>`}
</div>`;

/** What went wrong, and a way to try again. @param {{error: any, again?: () => void}} props */
export function Problem({ error, again }) {
  if (!error) return null;
  return html`<div class="problem" role="alert">
    <p class="problem-text">${error.message ?? String(error)}</p>
    ${error.code && html`<a class="code" href=${link('codes', error.code)}>${error.code}</a>`}
    ${again && html`<button class="button" onClick=${again}>Try again</button>`}
  </div>`;
}

/** Copies text and says so. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    // Browsers have no clipboard on plain http from another machine.
    say(copyOldWay(text) ? `${what} copied` : 'This browser does not let pages copy here: select the text instead');
  }
}

function copyOldWay(text) {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'offscreen';
  document.body.append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  return isDone;
}
