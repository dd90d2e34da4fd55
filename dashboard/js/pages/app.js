// The live logs of an app, or one line of it with those around it.

import { html } from '../ui.js';
import { Context } from '../live/context.js';
import { Live } from '../live/live.js';

export default function App({ parts, args }) {
  const [app = ''] = parts;
  const title = html`<a href="#/apps">Apps</a><span class="dim" aria-hidden="true">/</span><span>${app}</span>`;
  if (args.at) return html`<${Context} key=${`${app} ${args.at}`} app=${app} at=${args.at} title=${title} />`;
  return html`<${Live} key=${app} app=${app} args=${args} title=${title} />`;
}
