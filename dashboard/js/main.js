// Where it begins.

import { effect, html, render } from './ui.js';
import { ApiError, turnedOut } from './api.js';
import { listen } from './keys.js';
import { follow } from './router.js';
import { Shell } from './shell.js';
import { start, takeLinked, token, who } from './session.js';
import { whose } from './whoami.js';

start();
follow(takeLinked);
listen();

/** How long it is until a server that was away is asked again: milliseconds. */
const AGAIN = 5_000;

/** Asks whose a token is, until the server says it or another one is in use. */
async function ask(asked) {
  try {
    const found = await whose(asked);
    if (token.peek() === asked) who.value = found;
  } catch (error) {
    if (token.peek() !== asked) return;
    const isRefused = error instanceof ApiError && [401, 403].includes(error.status);
    if (isRefused) turnedOut(error.message);
    else setTimeout(() => { if (token.peek() === asked) ask(asked); }, AGAIN);
  }
}

// Each time there is another token.
effect(() => {
  const asked = token.value;
  if (asked && !who.peek()) ask(asked);
});

const page = document.getElementById('page');
page.replaceChildren();
render(html`<${Shell} />`, page);
