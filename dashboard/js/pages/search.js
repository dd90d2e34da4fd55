// Search.

import { html } from '../ui.js';

export default function Search() {
  return html`<div class="content"><h1>Search</h1></div>`;
}
