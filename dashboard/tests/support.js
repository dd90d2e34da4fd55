// What the specs share: signing in, screenshots, axe, and answers that stand in for the server's.
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test as base } from '@playwright/test';

/** The token that the specs sign in with. */
export const token = process.env.LOGWAY_TOKEN ?? '';

/** Widths and themes of screenshots and of axe. */
const WIDTHS = [1440, 390];
const THEMES = ['light', 'dark'];
/** What axe looks for: everything in the first theme, and in the other one what it changes. */
const RULES = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
const COLOURS = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] };

/**
 * `test` that fails when the page broke one of its own rules: an exception nobody caught, or something that the
 * Content-Security-Policy refused.
 */
export const test = base.extend({
  page: async ({ page }, use) => {
    const broken = [];
    page.on('pageerror', (error) => broken.push(`exception: ${error.stack ?? error}`));
    page.on('console', (message) => {
      if (/Content.Security.Policy|violates the following/i.test(message.text())) broken.push(message.text());
    });
    await use(page);
    expect(broken, 'exceptions and refusals of the policy').toEqual([]);
  },
});

export { expect };

/** Opens `hash` signed in, as the link that `up` prints does. */
export async function signIn(page, hash = '#/apps', as = token) {
  await page.goto('/');
  await page.evaluate(() => {
    sessionStorage.clear();
    localStorage.clear();
  });
  await page.goto(`/#token=${encodeURIComponent(as)}`);
  await page.waitForFunction(() => !location.hash.includes('token='));
  await page.evaluate((to) => { location.hash = to; }, hash);
  await expect(page.locator('main')).toBeVisible();
}

/** Calls `look` at each width and in each theme, and puts the page back as it was. */
export async function everyLook(page, look) {
  const before = page.viewportSize();
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      await page.setViewportSize({ width, height: width < 600 ? 844 : 900 });
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await look(width, theme);
    }
  }
  await page.setViewportSize(before);
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}

/** Screenshots of what is shown now, at 1440 and 390 px, light and dark, into LOGWAY_SHOTS. */
export async function shots(page, name) {
  const folder = process.env.LOGWAY_SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await everyLook(page, async (width, theme) => {
    await page.screenshot({ path: path.join(folder, `${name}-${width}-${theme}.png`) });
  });
}

/**
 * Fails on each serious or critical finding of axe, at both widths and in both themes. `part`: only there, where all else was looked at
 * before, or lies below a menu.
 */
export async function axe(page, part = '') {
  const source = require.resolve('axe-core/axe.min.js');
  await everyLook(page, async (width, theme) => {
    // By the debugger's protocol: the page's policy lets no script in.
    if (!(await page.evaluate(() => 'axe' in window))) {
      await page.evaluate(readFileSync(source, 'utf8'));
    }
    const found = await page.evaluate(async ([within, runOnly]) => {
      const { violations } = await window.axe.run(within || document, {
        runOnly,
        resultTypes: ['violations'],
      });
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, help, nodes }) => ({
          id, help, nodes: nodes.slice(0, 5).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`),
        }));
    }, [part, theme === THEMES[0] ? RULES : COLOURS]);
    expect(found, `axe at ${width} px, ${theme}`).toEqual([]);
  });
}

/** Nothing sticks out at the side: a phone is not to be scrolled sideways. */
export async function fits(page) {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
  await expect.poll(wide, { message: 'width of the page on a phone' }).toBeLessThanOrEqual(390);
  await page.setViewportSize(before);
}

/** Has requests for `pattern` answered with this JSON and status, whatever the server would say. */
export async function answer(page, pattern, body, status = 200) {
  await page.route(pattern, (route) => route.fulfill({
    status,
    contentType: typeof body === 'string' ? 'text/plain' : 'application/json',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }));
}
