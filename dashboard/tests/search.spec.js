// Search: the query and its completion, the bars, fields, patterns, tables, and what is kept in the address.
import { axe, expect, fits, shots, signIn, test } from './support.js';

const found = (page) => page.locator('.found-says');
const editor = (page) => page.getByRole('combobox', { name: 'Query in LogsQL' });

/** Writes a query and runs it. */
async function search(page, query) {
  await editor(page).fill(query);
  await editor(page).press('Escape');
  await editor(page).press('Enter');
  await expect(page.locator('.search .editor button', { hasText: 'Search' })).toBeVisible();
}

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
  await shots(page, 'search');
  await axe(page);
  await fits(page);
});
