// The list of apps.
import { answer, axe, expect, fits, shots, signIn, test } from './support.js';

test('apps, how much they write, and what they said last', async ({ page }) => {
  await signIn(page);
  const web = page.getByRole('listitem').filter({ has: page.getByRole('link', { name: 'web', exact: true }) });
  await expect(web.getByText(/^\d+ errors$/)).toBeVisible();
  await expect(web.getByRole('img', { name: /The last hour, minute by minute: at most \d+ lines/ })).toBeVisible();
  await expect(page.getByRole('link', { name: 'crasher' })).toBeVisible();
  await shots(page, 'apps');
  await axe(page);
  await fits(page);
  // What an app writes is no markup.
  await expect(page.locator('.app-said img, .app-said b')).toHaveCount(0);
});

test('finding, sorting, and opening one', async ({ page }) => {
  await signIn(page);
  await expect(page.getByRole('link', { name: 'mailer' })).toBeVisible();
  await page.keyboard.press('/');
  await page.keyboard.type('che');
  await expect(page.getByRole('link', { name: 'mailer' })).toHaveCount(0);
  await page.keyboard.press('Enter');
  await expect.poll(() => new URL(page.url()).hash).toBe('#/app/checkout');
  await page.goBack();
  await page.getByRole('searchbox', { name: 'Find an app' }).fill('');
  await page.getByRole('combobox', { name: 'Order' }).selectOption('errors');
  await expect(page.locator('.app-name').first()).toHaveText('checkout');
  await page.getByRole('searchbox', { name: 'Find an app' }).fill('none such');
  await expect(page.getByText('No app has “none such” in its name')).toBeVisible();
});

test('no app yet, and a server that is away', async ({ page }) => {
  await answer(page, '**/api/v1/apps', { apps: [] });
  await signIn(page);
  await expect(page.getByRole('heading', { name: 'No app has written yet' })).toBeVisible();
  await expect(page.getByText('logway run --app web')).toBeVisible();
  await shots(page, 'apps-none');
  await axe(page);
  await page.unroute('**/api/v1/apps');
  await answer(page, '**/api/v1/apps', { error: 'no store is heard: start one, or wait a moment', code: 'LS01' }, 503);
  await page.reload();
  await expect(page.getByRole('alert')).toContainText('no store is heard');
  await page.unroute('**/api/v1/apps');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('link', { name: 'web', exact: true })).toBeVisible();
});
