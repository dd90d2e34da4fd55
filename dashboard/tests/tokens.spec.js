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
  await axe(page, 'dialog[open]');
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
  await axe(page, 'dialog[open]');
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
  await axe(page, 'dialog[open]');
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

test('a token is limited by region and Machine, to a day, and to some actions', async ({ page, request }) => {
  await signIn(page, '#/tokens');
  await page.getByRole('button', { name: 'Create a token' }).click();
  const dialog = page.getByRole('dialog');
  const create = dialog.getByRole('button', { name: 'Create', exact: true });
  const sentence = dialog.getByRole('status').last();
  await dialog.getByLabel('Name').fill('narrow');
  await dialog.getByLabel('Read lines').uncheck();
  await expect(dialog).toContainText('Choose at least one.');
  await expect(create).toBeDisabled();
  await dialog.getByLabel('Read lines').check();
  await dialog.getByLabel('Insert lines').check();
  await dialog.getByRole('button', { name: 'web', exact: true }).click();
  await dialog.getByText('Regions and Machines').click();
  await dialog.getByRole('button', { name: 'lhr', exact: true }).click();
  // Only Machines of the chosen app are offered.
  await expect(dialog.getByRole('button', { name: 'c0ffee01' })).toHaveCount(0);
  await dialog.getByRole('button', { name: 'web-148e0f', exact: true }).click();
  await dialog.getByLabel('Ends after').selectOption({ label: 'A day of my own choice' });
  await expect(create).toBeDisabled();
  await dialog.getByLabel('Last day').fill('2020-01-01');
  await expect(create).toBeDisabled();
  await dialog.getByLabel('Last day').fill('2077-01-31');
  await expect(sentence).toHaveText('It may do read, write, of app web; region lhr; Machine web-148e0f. It ends after 2077-01-31.');
  await dialog.getByRole('textbox', { name: 'Apps' }).fill('web wbe');
  await expect(dialog).toContainText('Nothing is stored of wbe yet: is it spelt so?');
  await dialog.getByRole('textbox', { name: 'Apps' }).fill('web');
  await shots(page, 'tokens-limits');
  await axe(page, 'dialog[open]');
  await fits(page);
  await create.click();
  const made = await page.getByRole('textbox', { name: 'The token' }).inputValue();
  const who = async (text) => (await request.get('/api/v1/whoami', { headers: { Authorization: `Bearer ${text}` } })).json();
  expect(await who(made)).toMatchObject({ actions: ['read', 'write'], apps: ['web'], regions: ['lhr'], instances: ['web-148e0f'], expires: expect.stringMatching(/^2077-01-31T23:59:59/) });
  // Narrower still, by whoever has it: what it may not is said before it is asked for.
  await signIn(page, '#/tokens', made);
  await expect(page.locator('.mine')).toContainText('Machine web-148e0f');
  await page.getByRole('button', { name: 'Narrow my own' }).click();
  await expect(dialog.getByLabel('Everything')).toBeDisabled();
  await dialog.getByRole('textbox', { name: 'Apps' }).fill('db');
  await expect(dialog).toContainText('Your own token does not see db.');
  await expect(dialog.getByRole('button', { name: 'Make it' })).toBeDisabled();
  await shots(page, 'tokens-beyond');
  await dialog.getByRole('textbox', { name: 'Apps' }).fill('');
  await dialog.getByLabel('Ends after').selectOption({ label: '1 hour' });
  await expect(sentence).toHaveText('It may do read, of app web; region lhr; Machine web-148e0f. It ends in 1 h.');
  await dialog.getByRole('button', { name: 'Make it' }).click();
  const narrower = await page.getByRole('textbox', { name: 'The token' }).inputValue();
  expect(await who(narrower)).toMatchObject({ actions: ['read'], apps: ['web'], regions: ['lhr'], instances: ['web-148e0f'] });
  // It sees that Machine alone.
  await signIn(page, '#/app/web', narrower);
  await expect(page.locator('.row').last()).toBeVisible();
  expect([...new Set(await page.locator('.row-instance').allTextContents())]).toEqual(['web-148e0f']);
});

test('what is refused is said where it was asked for', async ({ page }) => {
  await signIn(page, '#/tokens');
  await page.getByRole('button', { name: 'Create a token' }).click();
  const dialog = page.getByRole('dialog');
  const create = dialog.getByRole('button', { name: 'Create', exact: true });
  await dialog.getByRole('textbox', { name: 'Apps' }).fill('x'.repeat(2_000));
  await expect(dialog).toContainText('is too long: an app has a name of at most 63 bytes');
  await expect(create).toBeDisabled();
  // What only the server knows.
  await dialog.getByRole('textbox', { name: 'Apps' }).fill(Array.from({ length: 5_000 }, (_, at) => `app-${at}`).join(' '));
  await create.click();
  await expect(dialog.getByRole('alert')).toContainText(/\w/);
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
});
