// Where one signs in: with a token, or by a link that carries one.

import { html, useRef, useState } from '../ui.js';
import { reason, signIn } from '../session.js';
import { whose } from '../whoami.js';

/** What people paste around a token: the scheme of a header, quotes, line ends. */
const clean = (text) => text.trim().replace(/^["']|["']$/g, '').replace(/^(authorization:\s*)?(bearer|flyv1)\s+/i, '').trim();

export function SignIn() {
  const [text, setText] = useState('');
  const [stay, setStay] = useState(false);
  const [error, setError] = useState('');
  const [isBusy, setIsBusy] = useState(false);
  const input = useRef(null);

  const submit = async (event) => {
    event.preventDefault();
    const token = clean(text);
    if (!token) return fail('Paste a token first.');
    setIsBusy(true);
    setError('');
    try {
      signIn(token, await whose(token), stay);
    } catch (failed) {
      fail(failed.status === 401 ? `This token is not let in: ${failed.message}` : failed.message);
    } finally {
      setIsBusy(false);
    }
  };
  const fail = (message) => {
    setError(message);
    input.current?.focus();
  };

  const why = error || (reason.value && `You were signed out: ${reason.value}`);
  return html`<main class="signin">
    <form class="signin-card" onSubmit=${submit}>
      <p class="brand big"><span class="brand-mark" aria-hidden="true"></span><span>Logway</span></p>
      <h1>Sign in with a token</h1>
      ${why && html`<p class="signin-error" id="signin-error" role="alert">${why}</p>`}
      <label class="label" for="token">Token</label>
      <textarea id="token" class="input token-input" ref=${input} rows="3" value=${text} spellcheck="false" autocapitalize="off" autocomplete="off"
        aria-describedby=${`token-help${why ? ' signin-error' : ''}`} aria-invalid=${error ? 'true' : undefined}
        onInput=${(event) => setText(event.target.value)}
        onKeyDown=${(event) => { if (event.key === 'Enter' && !event.shiftKey) submit(event); }}></textarea>
      <label class="check"><input type="checkbox" checked=${stay} onChange=${(event) => setStay(event.target.checked)} /> Keep me signed in on this computer</label>
      <button class="button strong wide" disabled=${isBusy}>${isBusy ? 'Checking' : 'Sign in'}</button>
      <div class="signin-help" id="token-help">
        <p>The machine that runs <code>logway up</code> keeps one in its data folder, in the file <code>token</code>. A link to sign in is printed in the terminal as well.</p>
        <p>Make one that may only read: <code>logway tokens create readonly ORG</code></p>
      </div>
    </form>
  </main>`;
}
