// Signing in and out, and what stands around each page.
import { answer, axe, expect, fits, shots, signIn, test, token } from './support.js';

test('a token signs in, whatever stands around it', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'Sign in with a token' })).toBeVisible();
  await shots(page, 'signin');
  await axe(page);
  await fits(page);
  await page.getByLabel('Token').fill(`  Authorization: Bearer ${token}\n`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { name: 'Apps' })).toBeVisible();
  await expect(page.locator('.org')).toContainText('personal');
  // Kept for the tab, not for the next visit.
  expect(await page.evaluate(() => [Boolean(sessionStorage['logway.token']), 'logway.token' in localStorage])).toEqual([true, false]);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Apps' })).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByLabel('Token')).toBeVisible();
  expect(await page.evaluate(() => 'logway.token' in sessionStorage)).toBe(false);
});

test('a wrong token says what to do, and stays out', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toHaveText('Paste a token first.');
  await page.getByLabel('Token').fill('nonsense');
  await page.getByLabel('Token').press('Enter');
  await expect(page.getByRole('alert')).toContainText('This token is not let in');
  await expect(page.getByLabel('Token')).toBeFocused();
  await shots(page, 'signin-refused');
  await axe(page);
});

test('a link signs in, and its token leaves the address', async ({ page }) => {
  await page.goto(`/#/codes?find=PU&token=${encodeURIComponent(token)}`);
  await expect(page.locator('.nav')).toBeVisible();
  expect(new URL(page.url()).hash).toBe('#/codes?find=PU');
});

test('one stays signed in if one asks for it', async ({ page, context }) => {
  await page.goto('/');
  await page.getByLabel('Token').fill(token);
  await page.getByLabel('Keep me signed in').check();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { name: 'Apps' })).toBeVisible();
  const other = await context.newPage();
  await other.goto('/');
  await expect(other.getByRole('heading', { name: 'Apps' })).toBeVisible();
});

test('a token that is over leads back, with the reason', async ({ page }) => {
  await signIn(page);
  await answer(page, '**/api/v1/apps', { error: 'the token is good no more: sign in again', code: 'LR13' }, 401);
  await page.getByRole('button', { name: 'Look again' }).click();
  await expect(page.getByRole('alert')).toContainText('You were signed out: the token is good no more');
});

test('keys, themes and pages that are none', async ({ page }) => {
  await signIn(page);
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await shots(page, 'keys');
  await axe(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  for (const [keys, hash] of [['gs', '#/search'], ['gc', '#/codes'], ['ga', '#/apps']]) {
    for (const key of keys) await page.keyboard.press(key);
    await expect.poll(() => new URL(page.url()).hash).toBe(hash);
  }
  const theme = page.getByRole('button', { name: /^Theme/ });
  await theme.click();
  await expect(theme).toHaveAccessibleName('Theme: light');
  await theme.click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.evaluate(() => { location.hash = '#/nowhere'; });
  await expect(page.getByRole('heading', { name: 'There is no such page' })).toBeVisible();
  // From the top: the first stop leads past the bar.
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the page' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('main')).toBeFocused();
});

test('files come from here alone, and nobody may frame them', async ({ request }) => {
  const reply = await request.get('/');
  const policy = reply.headers()['content-security-policy'];
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  expect((await request.get('/', { headers: { 'If-None-Match': reply.headers().etag } })).status()).toBe(304);
  expect((await request.get('/tests/package.json')).ok()).toBe(false);
});

test('a link whose token is refused takes nobody’s own token away', async ({ page }) => {
  await signIn(page);
  await page.goto('/#token=logway.nonsense');
  await expect(page.getByText('The token of the link was refused')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Apps' })).toBeVisible();
  expect(await page.evaluate(() => sessionStorage['logway.token'])).toBe(token);
  // One that was cut is none.
  await page.goto('/#token=%E0');
  await expect(page.getByRole('heading', { name: 'Apps' })).toBeVisible();
  expect(new URL(page.url()).hash).not.toContain('token');
});
