// Live logs of an app: the tail, its filters, and what can be done with a line.
import { readFileSync } from 'node:fs';
import { answer, axe, expect, fits, shots, signIn, test, token } from './support.js';

const feed = (page) => page.getByRole('feed');
const rows = (page) => feed(page).getByRole('article');
const state = (page) => page.locator('.live-state');

/** Brings lines that are heard at once. */
async function say(request, lines) {
  const reply = await request.post('/insert/jsonline', { headers: { Authorization: `Bearer ${token}` }, data: lines.map((line) => JSON.stringify(line)).join('\n') });
  expect(reply.status()).toBe(200);
}

/** An app of its own for a test: no other one writes there. */
const name = (info) => `t-${info.title.replace(/[^a-z]+/gi, '-').toLowerCase().slice(0, 20)}-${info.retry}${Date.now().toString(36)}`;

test('what is stored, then what comes', async ({ page, request }) => {
  await signIn(page, '#/app/web');
  await expect(state(page)).toHaveText('live');
  await expect(page.getByText('500 lines here')).toBeVisible();
  await expect(rows(page).last()).toBeVisible();
  // Few of them are in the page.
  expect(await rows(page).count()).toBeLessThan(120);
  await shots(page, 'live');
  await axe(page);
  await fits(page);
  const newest = `the newest of all, ${Date.now()}`;
  await say(request, [{ _msg: newest, app: 'web', region: 'lhr', instance: 'web-148e0f' }]);
  await expect(rows(page).filter({ hasText: newest })).toBeVisible();
});

test('an app that runs is followed, paused, and followed again', async ({ page }) => {
  await signIn(page, '#/app/ticker');
  await expect(rows(page).filter({ hasText: /tick \d+/ }).first()).toBeVisible();
  await page.keyboard.press(' ');
  await expect(state(page)).toContainText('paused');
  const end = page.getByRole('button', { name: /\d+ new/ });
  await expect(end).toBeVisible();
  await end.click();
  await expect(state(page)).toHaveText('live');
  await expect(page.getByRole('button', { name: 'Pause' })).toBeVisible();
  // The ticks that are held have no hole and are in order.
  await page.keyboard.press(' ');
  const ticks = (await rows(page).allTextContents()).map((text) => Number(/tick (\d+)$/.exec(text)?.[1])).filter(Boolean);
  expect(ticks.length).toBeGreaterThan(1);
  // It counts from 1 again when it is started again.
  ticks.slice(1).forEach((tick, at) => expect([1, ticks[at] + 1]).toContain(tick));
});

test('older lines come when one scrolls up', async ({ page }) => {
  await signIn(page, '#/app/checkout');
  await expect(page.getByText('500 lines here')).toBeVisible();
  await feed(page).hover();
  await page.mouse.wheel(0, -100_000);
  await expect(page.locator('.live-foot')).toContainText(/9\d\d lines here|1,000 lines here/);
  await expect(state(page)).toContainText('paused');
});

test('filters are sent to the server and stand in the address', async ({ page }, info) => {
  await signIn(page, '#/app/checkout');
  await page.getByRole('combobox', { name: 'Level' }).selectOption('error');
  await expect(rows(page).first()).toContainText('declined');
  await page.keyboard.press('/');
  await page.keyboard.type('AFTER 1 tries');
  await expect.poll(() => new URL(page.url()).hash).toContain('text=AFTER');
  await expect(rows(page).filter({ hasNotText: 'after 1 tries' })).toHaveCount(0);
  await expect(rows(page).first().locator('mark')).toHaveText('after 1 tries');
  await page.reload();
  await expect(page.getByRole('combobox', { name: 'Level' })).toHaveValue('error');
  await expect(rows(page).first().locator('mark')).toHaveText('after 1 tries');
  await page.getByRole('combobox', { name: 'Region' }).selectOption('lhr');
  await expect(rows(page).first()).toBeVisible();
  await shots(page, 'live-filtered');
  await page.getByRole('searchbox', { name: 'Filter by text' }).fill(name(info));
  await expect(page.getByText('Nothing matches yet')).toBeVisible();
  await axe(page);
  await page.locator('.idle').getByRole('button', { name: 'Take all filters away' }).click();
  await expect(page.getByText('500 lines here')).toBeVisible();
});

test('a line opens, and its fields filter and exclude', async ({ page }) => {
  await signIn(page, '#/app/web');
  await rows(page).filter({ hasText: 'GET /cart 200' }).last().locator('.row-head').click();
  const row = page.locator('.row.open');
  await expect(row).toContainText('Where it is from');
  await expect(state(page)).toContainText('paused');
  await shots(page, 'live-line');
  await axe(page);
  await row.getByRole('button', { name: 'Only lines with path /cart' }).click();
  await expect(page.getByText('path = /cart')).toBeVisible();
  await expect(rows(page).first()).toBeVisible();
  await expect(rows(page).filter({ hasNotText: 'path=/cart' })).toHaveCount(0);
  await rows(page).filter({ hasText: 'method=GET' }).last().locator('.row-head').click();
  const next = page.locator('.row.open');
  const user = (await next.locator('.tree .field-row').filter({ hasText: /^user/ }).locator('bdi').textContent()) ?? '';
  await next.getByRole('button', { name: `No lines with user ${user}`, exact: true }).click();
  await expect(page.getByText(`user ≠ ${user}`)).toBeVisible();
  await expect(rows(page).first()).toBeVisible();
  await expect(rows(page).filter({ hasText: new RegExp(`user=${user}$`) })).toHaveCount(0);
  await page.getByRole('button', { name: 'Take away: path is /cart' }).click();
  await expect(page.getByText('path = /cart')).toHaveCount(0);
});

test('keys go through the lines', async ({ page }) => {
  await signIn(page, '#/app/checkout');
  await expect(rows(page).last()).toBeVisible();
  await page.keyboard.press('k');
  await expect(page.locator('.row.selected')).toHaveCount(1);
  await page.keyboard.press('k');
  await expect(page.locator('.row.selected')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('.row.open')).toHaveCount(1);
  await page.keyboard.press('Enter');
  await expect(page.locator('.row.open')).toHaveCount(0);
  await page.keyboard.press('w');
  await expect(page.locator('.lines.wrap')).toHaveCount(1);
  await expect(page.locator('.row.selected')).toBeVisible();
  await page.keyboard.press('w');
});

test('a line has an address, with the lines around it', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await signIn(page, '#/app/web?level=error');
  await rows(page).filter({ hasText: 'GET' }).last().locator('.row-head').click();
  // Rows below it may come into the page meanwhile.
  const row = page.locator('.row.open');
  await row.getByRole('button', { name: 'Copy link' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Link copied' })).toBeVisible();
  const address = await page.evaluate(() => navigator.clipboard.readText());
  expect(address).toMatch(/#\/app\/web\?at=web-/);
  await row.getByRole('link', { name: 'Lines around it' }).click();
  await expect(page.getByText('with those before and behind it')).toBeVisible();
  await expect(page.locator('.row.selected')).toBeFocused();
  await expect(page.locator('.row.open')).toHaveCount(1);
  expect(await rows(page).filter({ hasText: 'info' }).count()).toBeGreaterThan(3);
  await shots(page, 'context');
  await axe(page);
  await page.goto('/#/app/web?at=web-148e0f:01a2000000000000:77');
  await expect(page.getByRole('alert')).toContainText('The line is not there');
});

test('strange lines do no harm', async ({ page }) => {
  await signIn(page, '#/app/strange');
  await expect(rows(page)).toHaveCount(5);
  const [title] = [await page.title()];
  expect(title).not.toMatch(/^[12]$/);
  await expect(page.locator('.lines img, .lines script, .lines b')).toHaveCount(0);
  const texts = await rows(page).allTextContents();
  expect(texts.join('')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202a-\u202e]/);
  expect(texts[1]).toContain('red \\x1b]0;title\\x07 bell \\x07 nul \\x00 back\\x08');
  expect(texts[3].length).toBeLessThan(1_000);
  await shots(page, 'live-strange');
  await rows(page).nth(3).locator('.row-head').click();
  await rows(page).nth(3).getByRole('button', { name: 'Show all (256.0 KiB)' }).click();
  expect((await page.locator('.detail-message').textContent()).length).toBeGreaterThan(256 * 1024);
  await axe(page);
});

test('codes have help where they stand', async ({ page }) => {
  await signIn(page, '#/app/web?text=PU02');
  await rows(page).last().getByRole('button', { name: 'What PU02 means' }).click();
  const help = page.getByRole('dialog', { name: /^PU02/ });
  await expect(help).toContainText('What to do');
  await shots(page, 'code-help');
  await axe(page);
  await page.keyboard.press('Escape');
  await expect(help).toHaveCount(0);
});

test('what is shown and what is stored can be taken home', async ({ page }) => {
  await signIn(page, '#/app/checkout?level=error');
  await expect(rows(page).last()).toBeVisible();
  for (const item of [/^The .* shown here$/, 'The last hour']) {
    await page.getByRole('button', { name: 'Download' }).click();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: item }).click();
    const file = await download;
    expect(file.suggestedFilename()).toMatch(/^checkout-.*\.ndjson$/);
    const lines = readFileSync(await file.path(), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) expect(line._msg ?? line.message).toContain('declined');
  }
});

test('gaps are shown, and nothing is said before there is something', async ({ page }, info) => {
  const app = name(info);
  const line = (seq, more) => ({
    event: { provider: 'app' }, fly: { app: { name: app, instance: 'a1' }, region: 'lhr' }, host: 'h1', log: { level: 'info' }, message: `line ${seq}`,
    timestamp: new Date(Date.UTC(2026, 10, 26, 10, 0, seq)).toISOString(), logway: { boot: '019ac0ffee000001', seq, span: 1, stream: 'stdout' }, ...more,
  });
  const lines = [
    line(1), line(2, {
      message: '1204 lines lost: the Machine\'s buffer was full while the host could not take more (LI04)', code: 'LI04', gap: { reason: 'ring_full', hop: 'init', bytes: 9 },
      event: { provider: 'runner' }, log: { level: 'warn' }, logway: { boot: '019ac0ffee000001', seq: 2, span: 1204, stream: 'init' },
    }), line(1206), line(1206),
  ];
  const body = `event: state\ndata: {"state":"live","cursor":"c0"}\n\n${lines.map((one) => `id: c${one.logway.seq}\ndata: ${JSON.stringify(one)}\n\n`).join('')}`
    + 'event: end\ndata: {"why":"done","cursor":"c9"}\n\n';
  const asked = [];
  await page.route(`**/api/v1/apps/${app}/logs/tail*`, (route) => {
    asked.push([route.request().headers()['last-event-id'] ?? '', new URL(route.request().url()).searchParams.get('lines')]);
    return asked.length === 1 ? route.fulfill({ contentType: 'text/event-stream', body: 'event: state\ndata: {"state":"live","cursor":"c0"}\n\n' })
      : route.fulfill({ contentType: 'text/event-stream', body });
  });
  await signIn(page, `#/app/${app}`);
  await expect(rows(page)).toHaveCount(3);
  await expect(page.locator('.row.gap')).toContainText('1,204 lines lost: the Machine\'s buffer was full');
  await expect(page.locator('.row.gap').getByRole('link', { name: 'LI04' })).toBeVisible();
  // It came again from its cursor, and each line is there once.
  expect(asked[0]).toEqual(['', '500']);
  expect(asked[1]).toEqual(['c0', '500']);
  await shots(page, 'live-gap');
  await page.unroute(`**/api/v1/apps/${app}/logs/tail*`);
  await page.evaluate((to) => { location.hash = to; }, `#/app/${app}-quiet`);
  await expect(state(page)).toHaveText('live: connected, no logs yet');
  await expect(page.getByText(`logway run --app ${app}-quiet`)).toBeVisible();
  await shots(page, 'live-idle');
  await axe(page);
});

test('a tail that may not be says so, and a server that is away is waited for', async ({ page }) => {
  await answer(page, '**/logs/tail*', { error: 'this token is for other apps: ask for one for this app', code: 'LR14' }, 403);
  await signIn(page, '#/app/web');
  await expect(state(page)).toContainText('ended: this token is for other apps');
  await shots(page, 'live-ended');
  await axe(page, '.live');
  await page.unroute('**/logs/tail*');
  let times = 0;
  await page.route('**/logs/tail*', (route) => {
    times += 1;
    return times < 3 ? route.abort('connectionrefused') : route.continue();
  });
  await page.evaluate(() => { location.hash = '#/app/checkout'; });
  await expect(state(page)).toContainText('reconnecting');
  await expect(state(page)).toHaveText('live');
});

test('a list that is full waits while somebody reads, and goes back as far as one likes', async ({ page }, info) => {
  const app = name(info);
  const at = Date.UTC(2026, 10, 26, 10);
  const line = (seq) => ({
    event: { provider: 'app' }, fly: { app: { name: app, instance: 'a1' }, region: 'lhr' }, host: 'h1', log: { level: 'info' }, message: `line ${seq}`,
    timestamp: new Date(at + seq).toISOString(), logway: { boot: '019ac0ffee000001', seq, span: 1, stream: 'stdout' },
  });
  const found = await (async () => {
    await signIn(page, '#/codes');
    return page.evaluate(async ([make, count]) => {
      const { LineList } = await import('/js/lines/list.js');
      const { Feed } = await import('/js/live/feed.js');
      const { fromTail } = await import('/js/line.js');
      const template = JSON.stringify(make);
      const lineOf = (seq) => fromTail(JSON.parse(template.replaceAll('line 0', `line ${seq}`).replace('"seq":0', `"seq":${seq}`)));
      const host = document.createElement('div');
      host.className = 'lines';
      host.style.height = '500px';
      document.querySelector('main').append(host);
      const list = new LineList({ label: 'test', most: 1000 });
      list.mount(host);
      const states = [];
      const feed = new Feed(list, 'a', { region: '', instance: '', provider: '', level: '', text: '', fields: [], hidden: [] }, (state) => states.push(state.name));
      feed.tail.start = () => states.push('started');
      const push = (from, to) => feed.came(Array.from({ length: to - from }, (_, index) => lineOf(from + index)));
      // It follows: the oldest go, and its end is in view.
      for (let from = 1; from < count; from += 100) push(from, from + 100);
      await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
      const following = { length: list.length, gone: list.held.gone, last: [...host.querySelectorAll('.row-text')].at(-1).textContent };
      // Somebody reads: nothing goes, and when it is full the tail waits.
      list.follow(false);
      const first = list.held.at(0).message;
      push(count, count + 150);
      const reading = { isSame: list.held.at(0).message === first, isHeld: feed.isHeld, states: [...states] };
      feed.stored = async () => Array.from({ length: 300 }, (_, index) => lineOf(-1000 + index));
      await feed.older();
      const back = { length: list.length, first: list.held.at(0).message, isCut: feed.isCut };
      list.follow(true);
      feed.release();
      return { following, reading, back, anew: { length: list.length, states: states.slice(-1) } };
    }, [line(0), 5001]);
  })();
  expect(found.following.length).toBeLessThanOrEqual(1000);
  expect(found.following.gone + found.following.length).toBe(5000);
  expect(found.following.last).toBe('line 5000');
  expect(found.reading).toEqual({ isSame: true, isHeld: true, states: ['held'] });
  expect(found.back).toEqual({ length: 1000, first: 'line -1000', isCut: true });
  expect(found.anew).toEqual({ length: 0, states: ['started'] });
});

test('keys press what has the focus, and leave alone what lies behind a dialog', async ({ page }) => {
  await signIn(page, '#/app/web?text=PU02');
  await expect(rows(page).last()).toBeVisible();
  const wrap = page.getByRole('button', { name: 'Wrap long lines' });
  await wrap.focus();
  await page.keyboard.press('Enter');
  await expect(wrap).toHaveAttribute('aria-pressed', 'true');
  await page.keyboard.press(' ');
  await expect(wrap).toHaveAttribute('aria-pressed', 'false');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Download' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'The last hour' })).toBeVisible();
  await shots(page, 'live-download');
  await axe(page, '.menu');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('button', { name: 'The last 15 minutes' })).toBeFocused();
  await page.keyboard.press('Escape');
  // A link.
  await page.getByRole('link', { name: 'Search', exact: true }).last().focus();
  // In a dialog nothing behind it is meant.
  await rows(page).last().getByRole('button', { name: 'What PU02 means' }).click();
  const help = page.getByRole('dialog', { name: /^PU02/ });
  await expect(help).toContainText('What to do');
  for (const key of ['j', 'w', 'x', 'G', '/']) await page.keyboard.press(key);
  await expect(page.locator('.lines.wrap')).toHaveCount(0);
  await expect(page.locator('.row.selected')).toHaveCount(0);
  expect(new URL(page.url()).hash).toContain('text=PU02');
  await help.getByRole('button', { name: 'Close' }).focus();
  await page.keyboard.press('Enter');
  await expect(help).toHaveCount(0);
  // A line's own buttons, and its message, which scrolls by itself.
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  const row = page.locator('.row.open');
  await expect(row).toHaveCount(1);
  const chosen = await page.locator('.row.selected').getAttribute('data-number');
  await row.getByRole('group', { name: 'Message' }).first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press(' ');
  expect(await page.locator('.row.selected').getAttribute('data-number')).toBe(chosen);
  await row.getByRole('link', { name: 'Lines around it' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByText('with those before and behind it')).toBeVisible();
});

test('a cursor that is refused is said in the list', async ({ page }, info) => {
  const app = name(info);
  const line = (seq) => ({
    event: { provider: 'app' }, fly: { app: { name: app, instance: 'a1' }, region: 'lhr' }, log: { level: 'info' }, message: `line ${seq}`,
    timestamp: new Date(Date.UTC(2026, 10, 26, 10, 0, seq)).toISOString(), logway: { boot: '019ac0ffee000001', seq, span: 1, stream: 'stdout' },
  });
  const asked = [];
  await page.route(`**/api/v1/apps/${app}/logs/tail*`, (route) => {
    const cursor = route.request().headers()['last-event-id'] ?? '';
    asked.push(cursor);
    if (cursor) return route.fulfill({ status: 400, json: { error: 'this cursor is of another store', code: 'LR09' } });
    const seq = asked.length;
    return route.fulfill({ contentType: 'text/event-stream', body: `event: state\ndata: {"state":"store-only"}\n\nid: c${seq}\ndata: ${JSON.stringify(line(seq))}\n\n` });
  });
  await signIn(page, `#/app/${app}`);
  await expect(page.locator('.row.gap').first()).toContainText('Lines between may be missing: the cursor was refused (this cursor is of another store)');
  await expect(rows(page).filter({ hasText: 'line 3' })).toBeVisible();
  expect(asked.slice(0, 3)).toEqual(['', 'c1', '']);
});

test('a page that nobody looks at gives its connection back, and misses nothing', async ({ page, request }, info) => {
  const app = name(info);
  await page.clock.install();
  await signIn(page, `#/app/${app}`);
  await expect(state(page)).toContainText('live');
  const look = (is) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, !is);
  await say(request, [{ _msg: 'seen', app }]);
  await expect(rows(page)).toHaveCount(1);
  const over = page.waitForEvent('requestfailed', (one) => one.url().includes('/logs/tail'));
  await look(false);
  await page.clock.runFor(31_000);
  await over;
  await expect(state(page)).toContainText('waiting until the page is looked at');
  await say(request, [{ _msg: 'meanwhile 1', app }, { _msg: 'meanwhile 2', app }]);
  await look(true);
  await expect(rows(page).filter({ hasText: 'meanwhile' })).toHaveCount(2);
  await expect(rows(page)).toHaveCount(3);
  await expect(state(page)).toHaveText('live');
});
