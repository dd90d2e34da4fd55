// Search: the query and its completion, the bars, fields, patterns, tables, and what is kept in the address.
import { readFileSync } from 'node:fs';
import { EXAMPLES } from '../js/search/examples.js';
import { answer, axe, expect, fits, shots, signIn, test, token } from './support.js';

const found = (page) => page.locator('.found-says');
const editor = (page) => page.getByRole('combobox', { name: 'Query in LogsQL' });

/** Writes a query and runs it. */
async function search(page, query) {
  await editor(page).fill(query);
  await editor(page).press('Escape');
  await editor(page).focus();
  await editor(page).press('Enter');
  await expect(page).toHaveURL((url) => url.href.includes('q=') || query === '');
  await expect(page.locator('.editor button', { hasText: 'Search' })).toBeVisible();
}

/** How many lines are said to be found. */
const number = async (page) => Number((await found(page).locator('b').textContent()).replaceAll(',', ''));

test.beforeEach(async ({ page }) => {
  await signIn(page, '#/search?from=-3h');
  await expect(found(page)).toContainText('found');
});

test('lines are found, and the address holds the search', async ({ page }) => {
  await search(page, 'app:=checkout declined');
  await expect(found(page)).toContainText(/[1-9][\d,]* lines found/);
  await expect(page.locator('.row').first()).toContainText('declined');
  expect(page.url()).toContain('q=app%3A%3Dcheckout+declined');
  await page.reload();
  await expect(editor(page)).toHaveValue('app:=checkout declined');
  await expect(page.locator('.row').first()).toContainText('declined');
  await page.goBack();
  await expect(editor(page)).toHaveValue('');
  await expect(found(page)).toContainText('found');
  await shots(page, 'search');
  await axe(page);
  await fits(page);
});

test('newest first or oldest first, and more at the end', async ({ page }) => {
  const first = async () => page.locator('.row time').first().getAttribute('title');
  const newest = await first();
  await page.getByRole('button', { name: 'Newest first' }).click();
  await expect(page.getByRole('button', { name: 'Oldest first' })).toBeVisible();
  await expect(found(page)).toContainText('found');
  await expect.poll(async () => (await first()) < newest).toBe(true);
  const rows = () => page.locator('.lines').evaluate((list) => list.scrollHeight);
  const before = await rows();
  await page.locator('.lines').evaluate((list) => { list.scrollTop = list.scrollHeight; });
  await expect.poll(rows).toBeGreaterThan(before);
});

test('fields, values, pipes and functions are completed by the keyboard', async ({ page }) => {
  const offers = page.getByRole('listbox');
  await editor(page).fill('');
  await editor(page).pressSequentially('lev');
  await expect(offers.getByRole('option').first()).toContainText('level');
  await expect(editor(page)).toHaveAttribute('aria-expanded', 'true');
  await editor(page).press('ArrowDown');
  await expect(editor(page)).toHaveAttribute('aria-activedescendant', /.+/);
  await editor(page).press('Enter');
  await expect(editor(page)).toHaveValue('level:');
  await expect(offers.getByRole('option', { name: /^error/ })).toBeVisible();
  await shots(page, 'search-complete');
  await axe(page);
  await editor(page).pressSequentially('err');
  await expect(offers.getByRole('option').first()).toContainText('error');
  await editor(page).press('ArrowDown');
  await editor(page).press('Tab');
  await expect(editor(page)).toHaveValue('level:error');
  await editor(page).pressSequentially(' | sta');
  await expect(offers.getByRole('option').first()).toContainText('stats');
  await editor(page).press('ArrowDown');
  await editor(page).press('Enter');
  await editor(page).pressSequentially('coun');
  await expect(offers.getByRole('option').first()).toContainText('count');
  await editor(page).press('Escape');
  await expect(offers).toBeHidden();
});

test('an error shows its place', async ({ page }) => {
  await search(page, 'app:=web | stats by (');
  const wrong = page.getByRole('alert');
  await expect(wrong).toContainText('LQ01');
  await expect(wrong).toContainText('missing field name');
  await expect(page.locator('.wrong-place')).toContainText('^');
  await expect(editor(page)).toHaveAttribute('aria-invalid', 'true');
  await shots(page, 'search-error');
  await axe(page);
  await search(page, 'app:=web');
  await expect(wrong).toHaveCount(0);
  await expect(found(page)).toContainText('found');
});

test('each example can be asked', async ({ page, request }) => {
  for (const [query] of EXAMPLES) {
    const reply = await request.get('/select/logsql/query', { headers: { Authorization: `Bearer ${token}` }, params: { query, start: '-3h', limit: '5' } });
    expect(reply.status(), `${query}: ${await reply.text()}`).toBe(200);
  }
  await search(page, '| |');
  await page.getByRole('button', { name: '"connection refused" -level:=debug' }).click();
  await expect(page.locator('.row').first()).toContainText('connection refused');
});

test('time: steps, bounds, and the bars to zoom in', async ({ page }) => {
  const all = await number(page);
  const plot = page.locator('.histogram .u-over');
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 42, { steps: 5 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=2\d{3}-/);
  await expect.poll(() => number(page)).toBeLessThan(all);
  const zoomed = await number(page);
  await page.getByRole('button', { name: 'Zoom out' }).click();
  await expect.poll(() => number(page)).toBeGreaterThan(zoomed);
  // The same by keys.
  await page.goto('/#/search?from=-3h');
  await expect.poll(() => number(page)).toBeGreaterThan(zoomed);
  const bars = page.getByRole('group', { name: /Rows over time/ });
  await bars.focus();
  await bars.press('End');
  await bars.press('ArrowLeft');
  await bars.press('Shift+ArrowLeft');
  await expect(page.locator('.histogram-says')).toContainText('–');
  await bars.press('Enter');
  await expect(page).toHaveURL(/from=2\d{3}-/);
  await page.getByRole('button', { name: /→/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Time' });
  await dialog.getByLabel('From').fill('nonsense');
  await expect(dialog.getByRole('button', { name: 'Use this time' })).toBeDisabled();
  await dialog.getByLabel('From').fill('-2h');
  await dialog.getByLabel('To').fill('now');
  await shots(page, 'search-time');
  await axe(page);
  await dialog.getByRole('button', { name: 'Use this time' }).click();
  await expect(page).toHaveURL(/from=-2h/);
  await page.getByRole('button', { name: /Last 2h/ }).click();
  await dialog.getByRole('button', { name: 'Last 24 hours' }).click();
  await expect(page).toHaveURL(/from=-24h/);
});

test('a value is kept to and excluded by a click', async ({ page }) => {
  const side = page.getByRole('complementary', { name: 'Fields' });
  await side.getByRole('button', { name: /^level warn/ }).click();
  await expect(editor(page)).toHaveValue('level:=warn');
  await expect(side.getByRole('button', { name: /^level warn/ })).toHaveAttribute('aria-pressed', 'true');
  await side.getByRole('button', { name: 'Exclude app web' }).click();
  await expect(editor(page)).toHaveValue('level:=warn -app:=web');
  await expect(found(page)).toContainText('found');
  await side.getByRole('button', { name: /^level warn/ }).click();
  await expect(editor(page)).toHaveValue('-app:=web');
  await side.getByLabel('Find a field').fill('stat');
  await expect(side.getByText('level')).toHaveCount(0);
});

test('patterns group lines, and one leads to its lines', async ({ page }) => {
  await page.getByRole('button', { name: 'Patterns' }).click();
  await expect(page).toHaveURL(/view=patterns/);
  const pattern = page.locator('.pattern', { hasText: 'payment' });
  await expect(pattern).toContainText('declined');
  await shots(page, 'search-patterns');
  await axe(page);
  await fits(page);
  const lines = Number((await page.locator('tr', { has: pattern }).locator('td').first().textContent()).replaceAll(',', ''));
  await pattern.click();
  await expect(page).not.toHaveURL(/view=patterns/);
  await expect(page.locator('.row').first()).toContainText('declined');
  await expect.poll(() => number(page)).toBe(lines);
  await page.goBack();
  await page.locator('tr', { has: page.locator('.pattern', { hasText: 'queue depth' }) }).getByRole('button', { name: 'Hide lines like this' }).click();
  await expect(page.locator('.pattern', { hasText: 'payment' })).toBeVisible();
  await expect(page.locator('.pattern', { hasText: 'queue depth' })).toHaveCount(0);
});

test('results of pipes are a table, over time a chart', async ({ page }) => {
  await search(page, '* | stats by (app, level) count() lines');
  const table = page.locator('.results-table');
  await expect(table.locator('tbody tr').first()).toBeVisible();
  await table.getByRole('button', { name: 'lines' }).click();
  await expect(table.locator('th', { hasText: 'lines' })).toHaveAttribute('aria-sort', 'descending');
  await expect(table.locator('tbody tr').first()).toContainText('web');
  await shots(page, 'search-table');
  await axe(page);
  await search(page, '* | stats by (_time:5m, level) count() lines');
  await expect(page.locator('.chart canvas')).toBeVisible();
  await shots(page, 'search-chart');
  await axe(page);
  await fits(page);
});

test('a query that orders its lines is shown in its order', async ({ page }) => {
  await search(page, 'app:=web took_ms:* | sort by (took_ms desc) limit 20');
  await expect(page.locator('.row').first()).toContainText('took_ms=222');
  await expect(page.getByRole('button', { name: 'Newest first' })).toHaveCount(0);
});

test('the last hour is the server’s, whatever this computer’s clock says', async ({ page }) => {
  await page.clock.setFixedTime(Date.now() - 40 * 86_400_000);
  await signIn(page, '#/search?from=-3h');
  await expect(page.locator('.row').first()).toContainText('tick');
});

test('all of it goes by the keyboard', async ({ page }) => {
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await expect(page.getByRole('heading', { name: 'Error codes' })).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await expect(found(page)).toContainText('found');
  await page.keyboard.press('/');
  await expect(editor(page)).toBeFocused();
  await page.keyboard.type('tick');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/q=tick/);
  await expect(found(page)).toContainText('found');
  await expect(page.locator('.found-lines.stale')).toHaveCount(0);
  await expect(page.locator('.row').first()).toContainText('tick');
  await page.keyboard.press('Escape');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await expect(page.locator('.row.selected .row-detail')).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.locator('.row-detail')).toHaveCount(0);
  await page.keyboard.press('w');
  await expect(page.locator('.lines')).toHaveClass(/wrap/);
  await page.keyboard.press('p');
  await expect(page.locator('.pattern', { hasText: 'tick' }).first()).toBeVisible();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toContainText('Zoom out');
  await axe(page, 'dialog[open]');
});

test('a line opens, shows what is around it, and has a link of its own', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await search(page, 'app:=web level:=error PU02');
  await page.locator('.row .row-head').first().click();
  await expect(page.locator('.row-detail')).toContainText('Where it is from');
  await shots(page, 'search-line');
  await axe(page);
  await page.getByRole('button', { name: 'Copy link' }).click();
  await expect(page.getByText('Link copied')).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toContain('at=');
  await page.getByRole('link', { name: 'Lines around it' }).click();
  const dialog = page.getByRole('dialog', { name: 'Around the line' });
  await expect(dialog.getByRole('status')).toContainText('lines of its boot');
  await expect(dialog.locator('.row.selected')).toContainText('PU02');
  await expect(dialog.locator('.row', { hasText: 'GET' }).first()).toBeVisible();
  await shots(page, 'search-context');
  await axe(page);
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  await page.goto('/#/search');
  await page.goto(link);
  await expect(page.locator('.row.selected .row-detail')).toBeVisible();
});

test('strange lines do no harm', async ({ page }) => {
  const title = await page.title();
  await search(page, 'app:=strange');
  await expect(page.locator('.row', { hasText: 'onerror' })).toBeVisible();
  await expect(page.locator('.row', { hasText: '[U+202E]' })).toBeVisible();
  await expect(page.locator('main img, main script')).toHaveCount(0);
  expect(await page.title()).toBe(title);
  await page.getByRole('button', { name: 'Wrap', exact: true }).click();
  await expect(page.locator('.lines')).toHaveClass(/wrap/);
  await shots(page, 'search-strange');
  await axe(page, '.search-found');
  await page.getByRole('button', { name: 'Patterns' }).click();
  await expect(page.locator('.pattern', { hasText: 'onerror' })).toBeVisible();
  await expect(page.locator('main img, main script')).toHaveCount(0);
});

test('searches are saved under a name', async ({ page }) => {
  await search(page, 'app:=db duration');
  await page.getByRole('button', { name: 'Saved' }).click();
  const dialog = page.getByRole('dialog', { name: 'Saved searches' });
  await dialog.getByLabel('Save this search as').fill('slow queries');
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await dialog.getByRole('button', { name: 'Rename slow queries' }).click();
  await dialog.getByLabel('New name').fill('slow ones');
  await dialog.getByLabel('New name').press('Enter');
  await shots(page, 'search-saved');
  await axe(page);
  await page.keyboard.press('Escape');
  await search(page, 'something else');
  await page.getByRole('button', { name: 'Saved' }).click();
  await dialog.getByRole('link', { name: /slow ones/ }).click();
  await expect(editor(page)).toHaveValue('app:=db duration');
  await page.getByRole('button', { name: 'Saved' }).click();
  await dialog.getByRole('button', { name: 'Delete slow ones' }).click();
  await expect(dialog.getByText('None yet.')).toBeVisible();
});

test('all rows are downloaded', async ({ page }) => {
  await search(page, 'app:=mailer');
  const lines = await number(page);
  await page.getByLabel('More').click();
  await axe(page, '.more');
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /Download all rows/ }).click()]);
  const rows = readFileSync(await file.path(), 'utf8').trim().split('\n').map((row) => JSON.parse(row));
  expect(rows.length).toBe(lines);
  expect(rows.every((row) => row.app === 'mailer')).toBe(true);
});

test('what an answer lacks is said, and a search can be stopped', async ({ page }) => {
  const row = JSON.stringify({ _time: '2026-11-26T12:00:00Z', _msg: 'one', app: 'web', instance: 'i', level: 'info', region: 'lhr', boot: '019a0c3f2b7c0001', seq: '1' });
  const notice = JSON.stringify({ _time: '2026-11-26T12:00:00Z', _msg: 'this answer is not whole: a store does not answer', 'logway.partial': 'store main does not answer', level: 'warn' });
  await answer(page, '**/select/logsql/query*', `${row}\n${notice}\n`);
  await search(page, 'one');
  await expect(page.getByText('Not all of it:')).toBeVisible();
  await expect(page.locator('.found-head')).toContainText('store main does not answer');
  await expect(page.locator('.row')).toHaveCount(1);
  await shots(page, 'search-partial');
  await axe(page, '.search-found');
  await fits(page);
  await answer(page, '**/select/logsql/hits*', 'the query was ended after 30.0 s: narrow it', 503);
  await search(page, 'one one');
  await expect(page.getByText('These could not be counted: the query was ended after 30.0 s')).toBeVisible();
  await page.unroute('**/select/logsql/hits*');
  await page.unroute('**/select/logsql/query*');
  let release;
  const held = new Promise((done) => { release = done; });
  await page.route('**/select/logsql/query*', async (route) => { await held; await route.abort().catch(() => {}); });
  await editor(page).fill('two');
  await editor(page).press('Enter');
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(page.getByText('stopped', { exact: true })).toBeVisible();
  release();
});

test('nothing found says what to try', async ({ page }) => {
  await search(page, 'nothinglikethis');
  await expect(page.getByRole('heading', { name: 'Nothing is found' })).toBeVisible();
  await shots(page, 'search-nothing');
  await axe(page);
  await page.getByRole('button', { name: 'All lines of this time' }).click();
  await expect(page.locator('.row').first()).toBeVisible();
});

test('on a phone the fields are in a dialog', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('button', { name: 'Fields' }).click();
  const dialog = page.getByRole('dialog', { name: 'Fields' });
  await expect(dialog.getByRole('button', { name: /^level error/ })).toBeVisible();
  await axe(page, 'dialog[open]');
  await dialog.getByRole('button', { name: /^level error/ }).click();
  await expect(dialog).toHaveCount(0);
  await expect(editor(page)).toHaveValue('level:=error');
  await page.getByLabel('More').click();
  await page.getByRole('button', { name: 'Saved searches' }).click();
  await expect(page.getByRole('dialog', { name: 'Saved searches' })).toBeVisible();
});

test('a link shares a search, and no more than it says', async ({ page, browser }) => {
  await search(page, 'app:=web level:=error');
  await page.getByRole('button', { name: 'Share' }).click();
  const dialog = page.getByRole('dialog', { name: 'Share this search' });
  await expect(dialog.getByRole('status')).toContainText('all lines of web');
  await shots(page, 'search-share');
  await axe(page);
  await dialog.getByLabel('Ends after').selectOption({ label: '1 hour' });
  await dialog.getByRole('button', { name: 'Make the link' }).click();
  const link = await dialog.getByRole('textbox', { name: 'The link' }).inputValue();
  await axe(page, 'dialog[open]');
  // Somebody else's browser.
  const other = await browser.newContext();
  const guest = await other.newPage();
  await guest.goto(link);
  await expect(guest.locator('.row').first()).toBeVisible();
  expect(guest.url()).not.toContain('token=');
  await expect(editor(guest)).toHaveValue('app:=web level:=error');
  await editor(guest).fill('app:=db');
  await editor(guest).press('Enter');
  await expect(guest.getByRole('heading', { name: 'Nothing is found' })).toBeVisible();
  await guest.goto(`${new URL(link).origin}/#/tokens`);
  await expect(guest.locator('.mine')).toContainText('app web');
  await expect(guest.locator('.mine')).toContainText('read');
  await other.close();
});

test('what came before a stop stays, and what was there before goes', async ({ page }) => {
  const row = (n) => JSON.stringify({ _time: `2026-11-26T12:00:0${n}Z`, _msg: `came ${n}`, app: 'web', instance: 'i', level: 'info', region: 'lhr', boot: '019a0c3f2b7c0001', seq: String(n) });
  // An answer that goes on: a server of its own, as Playwright gives a body only whole.
  await page.evaluate(([first, second]) => {
    const real = window.fetch;
    window.fetch = (path, options) => {
      const isHits = String(path).includes('logsql/hits');
      if (!isHits && !String(path).includes('logsql/query')) return real(path, options);
      const body = new ReadableStream({
        start(to) {
          options.signal.addEventListener('abort', () => { try { to.error(new DOMException('', 'AbortError')); } catch { /* it is over */ } });
          if (!isHits) to.enqueue(new TextEncoder().encode(`${first}\n${second}\n`));
        },
      });
      return Promise.resolve(new Response(body));
    };
  }, [row(1), row(2)]);
  await editor(page).fill('came');
  await editor(page).press('Enter');
  const stop = page.getByRole('button', { name: 'Stop', exact: true });
  await expect(stop).toBeVisible();
  await page.evaluate(() => new Promise((done) => { setTimeout(done, 100); }));
  await stop.click();
  await expect(page.locator('.found-says')).toContainText('stopped');
  await expect(page.locator('.histogram-says')).toContainText('not counted: the search was stopped');
  await expect(page.locator('.found-list .row')).toHaveCount(2);
  await expect(page.locator('.found-list .row').first()).toContainText('came 2');
});

test('a link to a line that is not loaded leads to it', async ({ page }) => {
  await page.goto('/#/search?from=-3h&q=app%3A%3Dweb&at=web-148e0f%3A019a0c3f2b7c0001%3A7');
  await expect(page.getByText('The line of the link is not among the')).toBeVisible();
  await page.getByRole('link', { name: 'Show it with the lines around it' }).click();
  await expect(page.getByRole('dialog', { name: 'Around the line' })).toBeVisible();
});
