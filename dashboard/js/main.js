// Where it begins.

import { effect, html, render } from './ui.js';
import { ApiError } from './api.js';
import { listen } from './keys.js';
import { follow } from './router.js';
import { Shell } from './shell.js';
import { signOut, start, takeLinked, token, who } from './session.js';
import { whose } from './whoami.js';

start();
follow(takeLinked);
listen();

// Whose token it is, each time there is another one.
effect(() => {
  const asked = token.value;
  if (!asked || who.peek()) return;
  whose(asked).then(
    (found) => { if (token.peek() === asked) who.value = found; },
    (error) => {
      // Whoever is away for a moment is asked again by the pages themselves.
      const isRefused = error instanceof ApiError && [401, 403].includes(error.status);
      if (isRefused && token.peek() === asked) signOut(error.message);
    },
  );
});

const page = document.getElementById('page');
page.replaceChildren();
render(html`<${Shell} />`, page);
