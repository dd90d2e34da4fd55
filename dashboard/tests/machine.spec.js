// The page of a Machine.
import { axe, expect, fits, shots, signIn, test } from './support.js';

test('a Machine, its exits and its lines', async ({ page }) => {
  await signIn(page, '#/machine/c0ffee01');
  await expect(page.getByRole('heading', { level: 1 })).toContainText('c0ffee01');
  const facts = page.locator('.facts');
  await expect(facts).toContainText('exited');
  await expect(facts).toContainText('code 3');
  const feed = page.getByRole('feed');
  await expect(feed.getByText('no database: connection refused').last()).toBeVisible();
  await expect(feed.locator('.row-stderr').last()).toBeVisible();
  await shots(page, 'machine');
  await page.locator('.boots summary').click();
  await expect(page.getByRole('cell', { name: /Main child exited normally with code: 3/ }).first()).toBeVisible();
  await shots(page, 'machine-boots');
  await axe(page);
  await fits(page);
});

test('one that runs, and one that is not there', async ({ page }) => {
  await signIn(page, '#/machine/71c4e501');
  await expect(page.locator('.facts')).toContainText('running');
  await expect(page.getByRole('feed').getByText(/tick \d+/).last()).toBeVisible();
  await page.evaluate(() => { location.hash = '#/machine/nosuch'; });
  await expect(page.getByRole('heading', { name: 'No Machine nosuch' })).toBeVisible();
  await axe(page);
});
