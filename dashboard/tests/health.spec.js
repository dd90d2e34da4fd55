// Health of the pipeline: as the server says it, and as it looks when something is wrong.
import { answer, axe, expect, fits, shots, signIn, test } from './support.js';

const delivered = (more) => ({ since: '2026-11-26T08:00:00Z', lines: 0, last: null, readers: 0, live: 0, catching_up: 0, behind_s: null, ...more });

const boot = (more) => ({
  instance: '148e0f', region: 'lhr', host: 'h1', boot: '019a0c3f2b7c0001', produced: 1000, stored: 1000, behind: 0, gaps: {}, late: 0, missing: 0, lag_s: null, proved: true, ...more,
});

/** What a bad day looks like. */
const BAD = {
  since: '2026-11-26T14:00:00Z',
  apps: [
    { app: 'web', delivered: delivered({ lines: 240_800, last: '2026-11-26T14:59:58Z', readers: 3, live: 2, catching_up: 1, behind_s: 74.2 }), boots: [boot({ produced: 120_400, stored: 119_000, behind: 196, lag_s: 42.5, gaps: { rate_limited: 1204 }, late: 4, proved: false }), boot({ instance: '9908aa', boot: '019a0c3f2b7c0002' })] },
    { app: 'ledger', delivered: delivered({ lines: 12, last: '2026-11-26T14:00:00Z', readers: 1, live: 1, behind_s: 0.02 }), boots: [boot({ missing: 3, stored: 997, proved: false })] },
    { app: 'quiet', delivered: null, boots: [boot({ produced: 12, stored: 12 })] },
  ],
  hosts: [{ host: 'h1', region: 'lhr', alive: true, age_s: 0.4 }, { host: 'h2', region: 'iad', alive: false, age_s: 95 }, { host: 'h3', region: 'syd', alive: false, age_s: null }],
};

test('apps that run are proved to be stored', async ({ page }) => {
  await signIn(page, '#/health');
  const row = page.locator('.health-app', { hasText: 'crasher' });
  await expect(row).toContainText('proved', { timeout: 40_000 });
  await expect(page.locator('.host')).toContainText('heard');
  await row.getByRole('button', { name: 'Boots of crasher' }).click();
  await expect(page.locator('.health-boot').first()).toContainText('c0ffee01');
  await shots(page, 'health');
  await axe(page);
  await fits(page);
  await page.keyboard.press('Tab');
  await page.getByRole('button', { name: 'Hold' }).click();
  await expect(page.getByText(/held at/)).toBeVisible();
  await page.getByLabel('Find an app').fill('nothing');
  await expect(page.getByText('No app has this name.')).toBeVisible();
});

test('what readers are given is counted', async ({ page, context }) => {
  await signIn(page, '#/health');
  const row = page.locator('.health-app', { hasText: 'crasher' });
  await expect(row).toBeVisible({ timeout: 40_000 });
  const reader = await context.newPage();
  await signIn(reader, '#/app/crasher');
  await expect(row.locator('td').nth(2)).toContainText(/^[1-9][0-9,]* ?\d reader/, { timeout: 20_000 });
  await reader.close();
});

test('what is wrong is said, and where', async ({ page }) => {
  await answer(page, '**/api/v1/doctor', BAD);
  await answer(page, '**/health', 'OK\nwarning: part 0198 of today is damaged: 1,204 rows of web cannot be read');
  await signIn(page, '#/health');
  await expect(page.getByText('part 0198 of today is damaged')).toBeVisible();
  await expect(page.locator('.tile', { hasText: 'Lost, and said' })).toContainText('1,204');
  await expect(page.locator('.tile', { hasText: 'Missing' })).toContainText('3');
  const web = page.locator('.health-app', { hasText: 'web' });
  await expect(web).toContainText('240,800');
  await expect(web).toContainText('3 readers: 1 catching up, 1 min behind');
  await expect(page.locator('.health-app', { hasText: 'ledger' })).toContainText('1 reader');
  await expect(page.locator('.tile', { hasText: 'Delivered' })).toContainText('a reader is 1 min behind');
  await page.getByRole('button', { name: 'Boots of web' }).click();
  await expect(page.locator('.health-boot').first()).toContainText('rate limited 1,204');
  await expect(page.locator('.host', { hasText: 'h2' })).toContainText('silent, last heard 1 min ago');
  await shots(page, 'health-bad');
  await axe(page);
});

test('a server that is away is said, and looked for again', async ({ page }) => {
  await answer(page, '**/api/v1/doctor', { error: 'no store is heard: try again later', code: 'LQ06' }, 503);
  await signIn(page, '#/health');
  await expect(page.getByRole('alert')).toContainText('no store is heard');
  await expect(page.getByText('not heard', { exact: true })).toBeVisible();
  await page.unroute('**/api/v1/doctor');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.locator('.health-app').first()).toBeVisible();
});
