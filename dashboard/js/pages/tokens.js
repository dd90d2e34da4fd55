// Tokens.

import { html } from '../ui.js';

export default function Tokens() {
  return html`<div class="content"><h1>Tokens</h1></div>`;
}
