// The server's time: what is called "the last hour" ends when the server says that it is now, whatever this computer's clock says.

/** Less is no difference: the server says whole seconds, and an answer takes its time. In ms. */
const LEAST = 5_000;

let ahead = 0;

/** Takes the time from an answer. */
export function heard(response) {
  const said = Date.parse(response.headers.get('Date') ?? '');
  if (Number.isNaN(said)) return;
  const by = said - Date.now();
  ahead = Math.abs(by) < LEAST ? 0 : by;
}

/** Now, in ms of Unix time. */
export const now = () => Date.now() + ahead;
