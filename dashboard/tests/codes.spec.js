// The codes of errors.
import { axe, expect, fits, shots, signIn, test } from './support.js';

test('a code is found, linked and explained', async ({ page }) => {
  await signIn(page, '#/codes');
  await expect(page.getByRole('heading', { name: 'Error codes' })).toBeVisible();
  await expect(page.locator('.codes-one').first()).toBeVisible();
  await shots(page, 'codes');
  await axe(page);
  await fits(page);
  await page.keyboard.press('/');
  await page.keyboard.type('LI04');
  await expect(page.locator('.codes-one')).not.toHaveCount(0);
  await expect(page.locator('.codes-one').first()).toContainText('What to do');
  await expect(page).toHaveURL(/q=LI04/);
  await page.locator('.codes-one a.code').first().click();
  await expect(page).toHaveURL(/#\/codes\/LI04/);
  await expect(page.locator('#code-LI04')).toBeInViewport();
  await expect(page.locator('#code-LI04')).toHaveClass(/chosen/);
  await page.goto('/#/codes/XX99');
  await expect(page.getByText('There is no code XX99')).toBeVisible();
  await page.goto('/#/codes?q=nothinglikethis');
  await page.getByRole('button', { name: 'Show all' }).click();
  await expect(page.locator('.codes-one').nth(20)).toBeAttached();
});
