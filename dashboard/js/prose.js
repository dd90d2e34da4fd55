// Sentences with commands in them: what stands between backquotes is shown as code.

import { html } from './ui.js';

/** @param {{text: string}} props */
export const Prose = ({ text }) => text.split(/`([^`\n]+)`/).map((part, n) => (n % 2 ? html`<code key=${n}>${part}</code>` : part));
