// The lines that the specs find: two hours of four apps, brought over HTTP, and apps that really run beside `up`
// when LOGWAY_BIN and LOGWAY_DATA say how. Nothing is random: a spec may count.
import { spawn } from 'node:child_process';

const MINUTE = 60_000;
const REGIONS = ['lhr', 'iad', 'syd'];

/** A line of JSON as `/insert/jsonline` takes it. */
const line = (at, app, n, level, message, more = {}) => JSON.stringify({
  _time: new Date(at).toISOString(), _msg: message, app, level,
  region: REGIONS[n % (app === 'db' ? 1 : 3)], instance: `${app}-${'148e0f2a6d'.slice(n % 3, 6 + (n % 3))}`, ...more,
});

/** A request's id: the same in each run. */
const id = (n) => ((n * 2654435761) >>> 0).toString(16).padStart(8, '0');

/** What `app` says at its `n`th moment. */
const VOICES = {
  web(at, n) {
    const path = ['/', '/cart', '/api/items?page=2', '/login', '/healthz'][n % 5];
    const took = 3 + (n * 37) % 220;
    const status = n % 41 === 0 ? 502 : n % 13 === 0 ? 404 : 200;
    const level = status === 502 ? 'error' : status === 404 ? 'warn' : 'info';
    const said = JSON.stringify({
      level, msg: `GET ${path} ${status}`, method: 'GET', path, status, took_ms: took, request_id: id(n), user: `u${n % 17}`,
    });
    const lines = [line(at, 'web', n, level, said)];
    if (status === 502) lines.push(line(at + 3, 'web', n, 'error', `[PU02] could not complete HTTP request to instance: connection closed before message completed`));
    return lines;
  },
  checkout(at, n) {
    if (n % 29 === 7) return [line(at, 'checkout', n, 'error', `payment ${id(n)} declined: card_expired after ${n % 9 + 1} tries`)];
    if (n % 11 === 3) return [line(at, 'checkout', n, 'warn', `retrying upstream inventory-${n % 4} in ${(n % 7) * 100}ms`)];
    return [line(at, 'checkout', n, 'info', `order=${id(n)} customer=${n % 300} total=${(n * 7) % 400}.50 currency=EUR took=${n % 90}ms`)];
  },
  db(at, n) {
    const text = n % 3 ? `checkpoint complete: wrote ${(n * 13) % 900} buffers (${n % 10}.${n % 7}%)` : `duration: ${(n * 3) % 800}.${n % 10} ms  statement: SELECT * FROM orders WHERE id = ${n}`;
    return n % 2 ? [] : [line(at, 'db', n, n % 18 === 0 ? 'warn' : 'info', text)];
  },
  mailer(at, n) {
    return n % 4 ? [] : [line(at, 'mailer', n, n % 32 === 0 ? 'error' : 'debug', n % 32 ? `queue depth ${n % 50}` : `smtp 451 4.7.1 try again later for <user${n % 60}@example.org>`)];
  },
};

/** Lines that try a page: markup, control sequences, bidirectional text, one very long, one of many lines. */
const strange = (at) => [
  '<img src=x onerror="document.title=1"><script>document.title=2</script><b>not bold</b>',
  '\u001b[31mred\u001b[0m \u001b]0;title\u0007 bell \u0007 nul \u0000 back\b',
  'user \u202egnp.exe\u202c from \u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd and \u0645\u0631\u062d\u0628\u0627 ok',
  `long ${'0123456789abcdef'.repeat(16 * 1024)} end`,
  'panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d',
].map((text, n) => line(at + n, 'strange', 0, n === 4 ? 'error' : 'info', text));

/** All sample lines up to `now`, oldest first. */
export function lines(now) {
  const out = [];
  const begin = now - 120 * MINUTE;
  for (let n = 0; n < 120 * 20; n += 1) {
    const at = begin + n * (MINUTE / 20);
    // A bad quarter of an hour, for the histogram and the sparklines to show.
    const isBad = n > 1500 && n < 1650;
    for (const [app, voice] of Object.entries(VOICES)) out.push(...voice(at + app.length, n));
    if (isBad) for (let k = 0; k < 3; k += 1) out.push(...VOICES.checkout(at + 20 + k, 29 * (n % 100) + 7));
  }
  return [...out, ...strange(now - 5 * MINUTE)];
}

async function must(reply) {
  if (!reply.ok) throw new Error(`${reply.status} ${await reply.text()}`);
  return reply.text();
}

/** Brings the lines, once for each server. */
async function insert(url, headers) {
  const there = await must(await fetch(`${url}/select/logsql/query?query=app%3A%3Dstrange%20%7C%20stats%20count()%20n`, { headers }));
  if (Number(JSON.parse(there || '{"n":"0"}').n) > 0) return;
  await must(await fetch(`${url}/insert/jsonline`, { method: 'POST', headers, body: lines(Date.now()).join('\n') }));
}

/** Apps that really run: one that ends with 3, one that goes on saying something each half second. */
const APPS = [
  ['crasher', 'c0ffee01', 'echo starting; echo "no database: connection refused" >&2; exit 3'],
  ['ticker', '71c4e501', 'n=0; while :; do n=$((n+1)); echo "tick $n"; sleep 0.5; done'],
];

/** Begins each app; those that end are waited for. Gives what ends the others. */
async function run(bin, data) {
  const running = [];
  for (const [app, instance, script] of APPS) {
    const child = spawn(bin, ['run', '--data', data, '--app', app, '--instance', instance, '--', 'sh', '-c', script], { stdio: 'ignore' });
    if (script.includes('exit')) await new Promise((done) => { child.on('exit', done); });
    else running.push(child);
  }
  return () => running.forEach((child) => child.kill('SIGTERM'));
}

/** Playwright calls this before the specs, and what it gives after them. */
export default async function setup() {
  const { LOGWAY_URL: url, LOGWAY_TOKEN: token, LOGWAY_BIN: bin, LOGWAY_DATA: data } = process.env;
  if (!url || !token) throw new Error("set LOGWAY_URL and LOGWAY_TOKEN, or run 'cargo test -p logway-tests dashboard'");
  await insert(url, { Authorization: `Bearer ${token}` });
  return bin && data ? run(bin, data) : undefined;
}
