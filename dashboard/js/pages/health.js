// Health.

import { html } from '../ui.js';

export default function Health() {
  return html`<div class="content"><h1>Health</h1></div>`;
}
