// Tokens: what one has, making, narrowing and revoking, and what somebody sees who may not.
import { axe, expect, fits, shots, signIn, test, token } from './support.js';

test('a token is made, used and revoked', async ({ page, request }) => {
  // A server by hand may have those of the run before.
  const name = `reader ${Date.now()}`;
  await signIn(page, '#/tokens');
  await expect(page.locator('.mine')).toContainText('everything');
  await expect(page.locator('.tokens-table')).toContainText('admin of this machine');
  await page.getByRole('button', { name: 'Create a token' }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'web', exact: true }).click();
  await page.getByLabel('Ends after').selectOption({ label: '1 day' });
  await shots(page, 'tokens-create');
  await axe(page);
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  const made = await page.getByRole('textbox', { name: 'The token' }).inputValue();
  expect(made.length).toBeGreaterThan(40);
  await shots(page, 'tokens-made');
  await axe(page);
  await page.getByRole('button', { name: 'Done' }).click();
  const row = page.locator('.tokens-table tr', { hasText: name });
  await expect(row).toContainText('app web');
  await shots(page, 'tokens');
  await axe(page);
  await fits(page);
  // It does what it says.
  const who = await request.get('/api/v1/whoami', { headers: { Authorization: `Bearer ${made}` } });
  expect(await who.json()).toMatchObject({ actions: ['read'], apps: ['web'] });
  await row.getByRole('button', { name: 'Revoke' }).click();
  await shots(page, 'tokens-revoke');
  await axe(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
  await row.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await expect(row).toContainText('revoked');
  await expect.poll(async () => (await request.get('/api/v1/whoami', { headers: { Authorization: `Bearer ${made}` } })).status()).toBe(401);
});

test('a narrower token of one’s own, and what it may not', async ({ page }) => {
  await signIn(page, '#/tokens');
  await page.getByRole('button', { name: 'Narrow my own' }).click();
  await page.getByRole('textbox', { name: 'Apps' }).fill('db mailer');
  await shots(page, 'tokens-narrow');
  await axe(page);
  await page.getByRole('button', { name: 'Make it' }).click();
  const made = await page.getByRole('textbox', { name: 'The token' }).inputValue();
  expect(made).not.toBe(token);
  await signIn(page, '#/tokens', made);
  await expect(page.locator('.mine')).toContainText('read');
  await expect(page.locator('.mine')).toContainText('apps db, mailer');
  await expect(page.getByText('Your token may not see or make tokens')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Create a token' })).toBeDisabled();
  await shots(page, 'tokens-refused');
  await axe(page);
});

test('what is refused is said where it was asked for', async ({ page }) => {
  await signIn(page, '#/tokens');
  await page.getByRole('button', { name: 'Create a token' }).click();
  await page.getByRole('textbox', { name: 'Apps' }).fill('x'.repeat(2_000));
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).not.toBeEmpty();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});
