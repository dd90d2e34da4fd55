// How live lines are shown: kinds of them hidden, equal ones as one, columns, one line wrapped; and what screen readers are told.
import { readFileSync } from 'node:fs';
import { axe, expect, fits, shots, signIn, test, token } from './support.js';

const rows = (page) => page.getByRole('feed').getByRole('article');
const head = (page, text) => rows(page).filter({ hasText: text }).last().locator('.row-head');

async function say(request, lines) {
  const reply = await request.post('/insert/jsonline', { headers: { Authorization: `Bearer ${token}` }, data: lines.map((line) => JSON.stringify(line)).join('\n') });
  expect(reply.status()).toBe(200);
}

/** An app of its own, with these lines. */
async function open(page, request, info, lines) {
  const app = `v-${info.title.replace(/[^a-z]+/gi, '-').toLowerCase().slice(0, 16)}-${Date.now().toString(36)}`;
  const now = Date.now() - 60_000;
  await say(request, lines.map((line, at) => ({ _time: new Date(now + at).toISOString(), app, region: 'lhr', instance: `${app}-1`, ...line })));
  await signIn(page, `#/app/${app}`);
  await expect(page.locator('.live-foot')).toContainText(`${lines.length} lines here`);
  return app;
}

test('lines like one are hidden, counted, and shown again', async ({ page }) => {
  await signIn(page, '#/app/checkout');
  await expect(rows(page).last()).toBeVisible();
  await head(page, 'retrying upstream').click();
  await page.locator('.row.open').getByRole('button', { name: 'Hide lines like this' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Lines like this are hidden' })).toBeVisible();
  const chip = page.getByRole('button', { name: '1 kind of lines hidden' });
  await expect(chip).toBeVisible();
  await expect(page.locator('.live-foot')).toContainText(/\d+ lines here/);
  await expect(rows(page).filter({ hasText: 'declined' }).first()).toBeVisible();
  await expect(rows(page).filter({ hasText: 'retrying' })).toHaveCount(0);
  expect(new URL(page.url()).hash).toContain('hide=');
  // By the keyboard, and taken back at once.
  await head(page, 'order=').click();
  await page.keyboard.press('h');
  await expect(page.getByRole('button', { name: '2 kinds of lines hidden' })).toBeVisible();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(chip).toBeVisible();
  // The address is all of it.
  const link = page.url();
  await page.goto('/#/codes');
  await page.goto(link);
  await expect(rows(page).filter({ hasText: 'order=' }).first()).toBeVisible();
  await expect(rows(page).filter({ hasText: 'retrying' })).toHaveCount(0);
  await chip.click();
  const dialog = page.getByRole('dialog', { name: 'Hidden lines' });
  await expect(dialog).toContainText('retrying upstream inventory-N in Nms');
  await expect(dialog).toContainText(/[1-9]\d* in the last hour/);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(chip).toBeVisible();
  await expect(dialog).toBeVisible();
  await page.setViewportSize({ width: 1440, height: 900 });
  await shots(page, 'live-hidden');
  await axe(page, 'dialog[open]');
  await fits(page);
  await dialog.getByRole('button', { name: 'Show again' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(rows(page).filter({ hasText: 'retrying' }).first()).toBeVisible();
  await page.goBack();
  await expect(chip).toBeVisible();
});

test('templates are those of the server', async ({ page, request }) => {
  const texts = [
    'took 12ms, 3 of 45', 'abc12x a1b2 dead beef', '10.0.0.1:8080', 'at 2026-11-22T10:00:00.123Z from 10.0.0.1', '2edfed59-3e98-4073-bbb2-28d321ca71a7 10:20:30', 'id=3f2a99ee v1.2',
    'été1 x 1é', 'abT12 x_7_ 5µs 3GB 0x1f deadbeef12', '2026/11/22 10:00:00,5 x', 'a12 12a 1a2b3 😀5 5😀', '', 'no numbers', '<N> 5',
  ];
  await signIn(page, '#/codes');
  const ours = await page.evaluate(async (all) => {
    const { templateOf } = await import('/js/template.js');
    return all.map(templateOf);
  }, texts);
  const theirs = [];
  for (const text of texts) {
    const query = `app:=strange | limit 1 | format ${JSON.stringify(text)} as t | collapse_nums at t prettify | fields t`;
    const reply = await request.get('/select/logsql/query', { headers: { Authorization: `Bearer ${token}` }, params: { query } });
    theirs.push(JSON.parse((await reply.text()) || '{}').t ?? '');
  }
  // `<N>` in a format is a field.
  expect(ours.slice(0, -1)).toEqual(theirs.slice(0, -1));
  expect(ours.at(-1)).toBe('<N> <N>');
});

test('equal lines are one, until somebody wants to see each', async ({ page, request }, info) => {
  const beat = (ts) => ({ _msg: JSON.stringify({ level: 'info', ts, msg: 'beat', user: 'u1' }) });
  const app = await open(page, request, info, [
    { _msg: 'begin' }, ...Array.from({ length: 12 }, () => ({ _msg: 'same' })), { _msg: 'other' }, beat(1001), beat(1002), beat(1003), { _msg: 'same' },
  ]);
  await expect(rows(page)).toHaveCount(5);
  const times = page.getByRole('button', { name: 'Show each of the 12 equal lines' });
  await expect(times).toHaveText('×12');
  await expect(page.getByRole('button', { name: 'Show each of the 3 equal lines' })).toHaveText('×3');
  await shots(page, 'live-folded');
  await axe(page);
  await fits(page);
  await times.click();
  await expect(rows(page)).toHaveCount(16);
  await page.getByRole('button', { name: 'Show the 12 equal lines as one' }).click();
  await expect(rows(page)).toHaveCount(5);
  // Keys go past those that are not shown.
  await head(page, 'other').click();
  await page.keyboard.press('Enter');
  await page.keyboard.press('k');
  await expect(page.locator('.row.selected')).toContainText('same');
  await page.keyboard.press('e');
  await expect(rows(page)).toHaveCount(16);
  await page.keyboard.press('e');
  await page.keyboard.press('k');
  await expect(page.locator('.row.selected')).toContainText('begin');
  // The number grows while lines come.
  await page.keyboard.press('G');
  await say(request, [{ _msg: 'same', app, region: 'lhr', instance: `${app}-1` }, { _msg: 'same', app, region: 'lhr', instance: `${app}-1` }]);
  await expect(rows(page).last()).toContainText('×3');
  // All of them are there, and the switch shows them; it is remembered.
  await page.keyboard.press('f');
  await expect(rows(page)).toHaveCount(20);
  await page.reload();
  await expect(rows(page)).toHaveCount(20);
  await page.keyboard.press('f');
  await expect(rows(page)).toHaveCount(5);
  await page.getByRole('button', { name: 'Download' }).click();
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /shown here$/ }).click()]);
  expect(readFileSync(await file.path(), 'utf8').trim().split('\n')).toHaveLength(20);
});

test('columns are chosen, for fields as well, and remembered', async ({ page }) => {
  await signIn(page, '#/app/web');
  await expect(rows(page).last()).toBeVisible();
  await page.keyboard.press('v');
  const dialog = page.getByRole('dialog', { name: 'How lines are shown' });
  await dialog.getByLabel('Region').check();
  await dialog.getByLabel('Written by').check();
  await dialog.getByLabel('Machine', { exact: true }).uncheck();
  await dialog.getByRole('button', { name: 'Column for took_ms' }).click();
  await dialog.getByLabel('Name of a field').fill('user');
  await dialog.getByLabel('Name of a field').press('Enter');
  await dialog.getByRole('button', { name: 'user: further to the left' }).click();
  await shots(page, 'live-view');
  await axe(page, 'dialog[open]');
  await fits(page);
  await dialog.getByRole('button', { name: 'Done' }).click();
  const row = rows(page).filter({ hasText: 'GET' }).last();
  await expect(page.locator('.lines-heads')).toHaveText(/TimeRegionWriterLeveluser.*took_ms.*Message/);
  await expect(row.locator('.f0 bdi')).toHaveText(/^u\d+$/);
  await expect(row.locator('.f1 bdi')).toHaveText(/^\d+$/);
  await expect(row.locator('.row-region')).toHaveText(/lhr|iad|syd/);
  await expect(row.locator('.row-instance')).toHaveCount(0);
  // What has a column is not said twice.
  await expect(row.locator('.row-message')).not.toContainText('took_ms=');
  await shots(page, 'live-columns');
  await axe(page, '.lines-frame');
  await fits(page);
  await page.reload();
  await expect(rows(page).last().locator('.f0')).toBeVisible();
  // From a line itself.
  await head(page, 'GET').click();
  await page.locator('.row.open').getByRole('button', { name: 'Column for status' }).click();
  await expect(page.locator('.lines-heads .f2')).toHaveText('status');
  await page.keyboard.press('v');
  for (const name of ['user', 'took_ms', 'status']) await dialog.getByRole('button', { name: `No column for ${name}` }).click();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(page.locator('.lines-heads')).toBeEmpty();
});

test('one line is wrapped alone, and an article of the feed says its place', async ({ page, request }, info) => {
  const long = `long ${'word '.repeat(200)}`;
  await open(page, request, info, [{ _msg: 'first' }, { _msg: long }, { _msg: 'last' }]);
  const row = rows(page).filter({ hasText: 'word' });
  // A row that is being made anew has none for a moment.
  const height = async () => (await row.boundingBox())?.height ?? 0;
  const before = await height();
  await row.hover();
  await row.getByRole('button', { name: 'Wrap this line' }).click();
  await expect.poll(height).toBeGreaterThan(before * 2);
  await expect(row).toBeFocused();
  await shots(page, 'live-wrapped');
  await axe(page, '.lines-frame');
  await page.keyboard.press('W');
  await expect.poll(height).toBe(before);
  await page.keyboard.press('w');
  await expect.poll(height).toBeGreaterThan(before * 2);
  await page.keyboard.press('W');
  await expect.poll(height).toBe(before);
  await page.keyboard.press('w');
  expect(await rows(page).evaluateAll((all) => all.map((one) => [one.ariaPosInSet, one.ariaSetSize]))).toEqual([['1', '3'], ['2', '3'], ['3', '3']]);
  // It is called by what it says.
  await expect(page.getByRole('article', { name: /^\d\d:\d\d:\d\d\.\d{3} info last$/ })).toBeVisible();
});
