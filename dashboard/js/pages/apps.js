// Apps.

import { html } from '../ui.js';

export default function Apps() {
  return html`<div class="content"><h1>Apps</h1></div>`;
}
