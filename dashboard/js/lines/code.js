// What an error code means, where it stands.

import { html, useEffect, useState } from '../ui.js';
import { get } from '../api.js';
import { Dialog } from '../dialog.js';
import { Problem } from '../notice.js';
import { Prose } from '../prose.js';
import { link } from '../router.js';

/** What has been asked for already. @type {Map<string, Promise<any>>} */
const known = new Map();

/** What the server says of a code: `{code, title, cause, remedy, family}`. */
export function explained(code) {
  if (!known.has(code)) {
    const asked = get(`/api/v1/codes/${encodeURIComponent(code)}`);
    asked.catch(() => known.delete(code));
    known.set(code, asked);
  }
  return known.get(code);
}

export function CodeHelp({ code, close }) {
  const [found, setFound] = useState({ entry: null, error: null });
  const load = () => {
    setFound({ entry: null, error: null });
    explained(code).then((entry) => setFound({ entry, error: null }), (error) => setFound({ entry: null, error }));
  };
  useEffect(load, [code]);
  const { entry, error } = found;
  return html`<${Dialog} title=${entry ? `${code}: ${entry.title}` : code} close=${close}>
    ${error && html`<${Problem} error=${error} again=${load} />`}
    ${entry && html`<dl class="code-help"><dt>Why it happens</dt><dd><${Prose} text=${entry.cause} /></dd><dt>What to do</dt><dd><${Prose} text=${entry.remedy} /></dd></dl>`}
    <p><a href=${link('codes', code)}>All codes</a></p>
  <//>`;
}
