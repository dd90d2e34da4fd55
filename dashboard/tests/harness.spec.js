// The harness itself: the server answers, the sample is there, the browser runs.
import { expect, test, token } from './support.js';

test('the sample is there', async ({ request, page }) => {
  const headers = { Authorization: `Bearer ${token}` };
  const reply = await request.get('/select/logsql/query', { headers, params: { query: '* | stats by (app) count() n' } });
  expect(reply.status()).toBe(200);
  const apps = (await reply.text()).trim().split('\n').map((row) => JSON.parse(row).app);
  expect(apps).toEqual(expect.arrayContaining(['web', 'checkout', 'db', 'mailer', 'strange', 'crasher']));
  await page.setContent('<p>it runs</p>');
  await expect(page.getByText('it runs')).toBeVisible();
});
