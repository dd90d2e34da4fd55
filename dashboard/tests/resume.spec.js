// A page goes on where it was: its server is killed and comes again, on its data or on an emptied store; and its cursor is no good.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { axe, expect, fits, shots, signIn, test, token } from './support.js';

const { LOGWAY_BIN: bin } = process.env;
const rows = (page) => page.getByRole('feed').getByRole('article');
const state = (page) => page.locator('.live-state');

/** A free port below those that connections are given: nobody takes it while the server is dead. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const isFree = await new Promise((done) => {
      server.on('error', () => done(false));
      server.listen(port, '127.0.0.1', () => done(true));
    });
    if (!isFree) continue;
    await new Promise((done) => { server.close(done); });
    return String(port);
  }
}

/** `logway up` in a folder of its own, on ports that it keeps. */
class Server {
  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'lw-'));
    this.data = path.join(this.folder, 'd');
    this.ports = null;
  }

  /** Resolves when it is ready. */
  async start() {
    this.ports ??= { http: await freePort(), nats: await freePort(), proxy: await freePort() };
    const ports = Object.entries(this.ports).flatMap(([what, port]) => [`--${what}-port`, port]);
    this.process = spawn(bin, ['up', '--data', this.data, ...ports], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    await new Promise((done, fail) => {
      this.process.stderr.on('data', (text) => {
        said += text;
        if (/\bready\b/.test(said)) done();
      });
      this.process.on('exit', (code) => fail(new Error(`up ended with ${code}: ${said}`)));
    });
    this.url = `http://127.0.0.1:${this.ports.http}`;
    this.token = readFileSync(path.join(this.data, 'token'), 'utf8').trim();
  }

  /** `kill -9`. */
  async kill() {
    const over = new Promise((done) => { this.process.on('exit', done); });
    this.process.kill('SIGKILL');
    await over;
  }

  /** An app that says `beat 1`, `beat 2`, … until it is told to stop, which gives how many there were. */
  beat(app) {
    const stop = path.join(this.folder, `stop-${app}`);
    const script = `n=0; while [ ! -e '${stop}' ]; do n=$((n+1)); echo "beat $n"; sleep 0.02; done; echo "over $n"`;
    const child = spawn(bin, ['run', '--data', this.data, '--app', app, '--', 'sh', '-c', script], { stdio: 'ignore' });
    const over = new Promise((done) => { child.on('exit', done); });
    return async () => {
      writeFileSync(stop, '');
      await over;
    };
  }

  async end() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The numbers of the beats that the page holds, in its order, as it hands them out itself. */
async function beats(page) {
  await page.getByRole('button', { name: 'Download' }).click();
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /^The .* shown here$/ }).click()]);
  const lines = readFileSync(await file.path(), 'utf8').trim().split('\n').map((line) => JSON.parse(line)._msg);
  return lines.map((text) => Number(/^beat (\d+)$/.exec(text)?.[1])).filter(Boolean);
}

test('a server that is killed under the page comes again, and each line is there once', async ({ page }) => {
  test.skip(!bin, 'LOGWAY_BIN says which server is killed');
  const server = new Server();
  await server.start();
  const stop = server.beat('beat');
  try {
    await page.goto(`${server.url}/#token=${encodeURIComponent(server.token)}`);
    await expect(page.getByRole('link', { name: 'beat', exact: true })).toBeVisible();
    await page.evaluate(() => { location.hash = '#/app/beat'; });
    await expect(state(page)).toHaveText('live');
    await expect(rows(page).last()).toContainText(/beat \d\d/);
    for (let round = 0; round < 2; round += 1) {
      await server.kill();
      await expect(state(page)).toContainText('reconnecting; what is missed is filled in');
      if (!round) {
        await shots(page, 'live-reconnecting');
        await axe(page, '.live-head');
        await fits(page);
      }
      await server.start();
      await expect(state(page)).toHaveText('live');
    }
    await stop();
    const last = rows(page).filter({ hasText: /over \d+$/ });
    await expect(last).toHaveCount(1);
    const count = Number(/over (\d+)$/.exec(await last.textContent())[1]);
    // What the killed server took with it is filled in a moment later.
    await expect.poll(async () => (await beats(page)).length).toBe(count);
    expect(await beats(page)).toEqual(Array.from({ length: count }, (_, at) => at + 1));
    await expect(page.locator('.row.gap')).toHaveCount(0);
  } finally {
    await stop();
    await server.end();
  }
});

test('a store that was emptied meanwhile knows no cursor of before: that is said, and the page goes on', async ({ page }) => {
  test.skip(!bin, 'LOGWAY_BIN says which server is killed');
  const server = new Server();
  await server.start();
  try {
    const say = async (text) => {
      const reply = await fetch(`${server.url}/insert/jsonline`, { method: 'POST', headers: { Authorization: `Bearer ${server.token}` }, body: JSON.stringify({ _msg: text, app: 'web' }) });
      expect(reply.status).toBe(200);
    };
    await say('from before');
    await page.goto(`${server.url}/#token=${encodeURIComponent(server.token)}`);
    await expect(page.getByRole('link', { name: 'web', exact: true })).toBeVisible();
    await page.evaluate(() => { location.hash = '#/app/web'; });
    await expect(rows(page)).toHaveCount(1);
    const asked = [];
    page.on('request', (request) => { if (request.url().includes('/logs/tail')) asked.push(request.headers()['last-event-id'] ?? ''); });
    await server.kill();
    rmSync(path.join(server.data, 'store'), { recursive: true });
    await server.start();
    await expect(page.locator('.row.gap')).toContainText('Lines between may be missing: the cursor was refused');
    await expect(state(page)).toContainText('live');
    await say('from behind');
    await expect(rows(page).last()).toContainText('from behind');
    await expect(rows(page).first()).toContainText('from before');
    await expect(page.locator('.row.gap')).toHaveCount(1);
    expect(asked.at(-1)).toBe('');
  } finally {
    await server.end();
  }
});

test('a cursor that is none, or part of one, is said once, and the page goes on from history', async ({ page, request }, info) => {
  const app = `cursor-${info.retry}${Date.now().toString(36)}`;
  const say = async (text) => {
    const reply = await request.post('/insert/jsonline', { headers: { Authorization: `Bearer ${token}` }, data: JSON.stringify({ _msg: text, app }) });
    expect(reply.status()).toBe(200);
  };
  await page.clock.install();
  await say('line 0');
  await signIn(page, `#/app/${app}`);
  await expect(rows(page)).toHaveCount(1);
  const look = (is) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, !is);
  const bad = [() => 'nonsense', (cursor) => cursor.slice(0, cursor.length / 2), (cursor) => `${cursor}A`, () => 'x'.repeat(40_000)];
  for (const [round, spoil] of bad.entries()) {
    const asked = [];
    await page.route('**/logs/tail*', (route) => {
      const headers = route.request().headers();
      asked.push(Boolean(headers['last-event-id']));
      return route.continue({ headers: headers['last-event-id'] ? { ...headers, 'last-event-id': spoil(headers['last-event-id']) } : headers });
    });
    const over = page.waitForEvent('requestfailed', (one) => one.url().includes('/logs/tail'));
    await look(false);
    await page.clock.runFor(31_000);
    await over;
    await say(`line ${round + 1}`);
    await look(true);
    // Waits are the page's own; its clock goes on by itself.
    await expect(page.locator('.row.gap')).toHaveCount(round + 1);
    await expect(page.locator('.row.gap').last()).toContainText('Lines between may be missing: the cursor was refused');
    await expect(state(page)).toHaveText('live');
    await expect(rows(page).last()).toContainText(`line ${round + 1}`);
    expect(asked).toEqual([true, false]);
    await page.unroute('**/logs/tail*');
  }
  for (let line = 0; line <= bad.length; line += 1) await expect(rows(page).filter({ hasText: `line ${line}` })).toHaveCount(1);
});

test('a connection that is cut again and again is asked for less and less often', async ({ page }) => {
  await page.clock.install();
  await signIn(page, '#/codes');
  await page.evaluate(async () => {
    const { Tail } = await import('/js/tail.js');
    const t = { asked: 0, lost: 0 };
    // Each second one is refused for its cursor, the others bring a line and break off.
    window.fetch = (path, { headers }) => {
      t.asked += 1;
      if (headers['Last-Event-ID']) return Promise.resolve(new Response('{"error":"no"}', { status: 400 }));
      return Promise.resolve(new Response(`event: state\ndata: {"state":"live"}\n\nid: c${t.asked}\ndata: {"message":"x"}\n\n`));
    };
    new Tail('/api/v1/apps/a/logs/tail', {}, { onLines: () => {}, onState: () => {}, onLost: () => { t.lost += 1; } }).start();
    window.t = t;
  });
  for (let at = 0; at < 60; at += 1) await page.clock.runFor(500);
  const { asked, lost } = await page.evaluate(() => window.t);
  expect(asked).toBeGreaterThan(3);
  expect(asked).toBeLessThan(15);
  expect(lost).toBeLessThan(8);
});
