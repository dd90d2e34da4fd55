// Machine.

import { html } from '../ui.js';

export default function Machine() {
  return html`<div class="content"><h1>Machine</h1></div>`;
}
