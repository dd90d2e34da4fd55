// Live.

import { html } from '../ui.js';

export default function Live() {
  return html`<div class="content"><h1>Live</h1></div>`;
}
