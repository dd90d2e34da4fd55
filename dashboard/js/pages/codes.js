// Codes.

import { html } from '../ui.js';

export default function Codes() {
  return html`<div class="content"><h1>Codes</h1></div>`;
}
