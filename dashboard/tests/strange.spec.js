// Lines that try a page: deep, large and very wide documents, markup, control sequences, and letters that turn text around.
import { axe, expect, fits, shots, signIn, test, token } from './support.js';

const nested = (depth, open, close) => `${open.repeat(depth)}1${close.repeat(depth)}`;

/** What each says, by a name that its row can be found by. */
const ODD = {
  deep: `{"msg":"deep","in":${nested(1_000, '{"a":', '}')}}`,
  list: `{"msg":"list","in":${nested(1_000, '[', ']')}}`,
  large: JSON.stringify({ msg: 'large', data: 'x'.repeat(255 * 1024), tail: 'end' }),
  wide: JSON.stringify({ msg: 'wide', ...Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`k${at}`, at])) }),
  markup: JSON.stringify({ msg: 'markup <img src=x onerror="document.title=1">', '<b>key</b>': '<script>document.title=2</script>', href: 'javascript:alert(1)' }),
  control: JSON.stringify({ msg: 'control \u001b[31mred\u001b[0m \u001b]0;title\u0007 \u0000', 'k\u0007': '\u009b2J\u0085\r' }),
  rtl: JSON.stringify({ msg: 'rtl \u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd', '\u05de\u05e4\u05ea\u05d7': '\u0645\u0631\u062d\u0628\u0627', '\u202ekey': '\u2066x\u2069' }),
  names: '{"msg":"names","__proto__":{"x":1},"constructor":"c","toString":"t","":"empty","a.b":1,"_time":"then","level":"odd"}',
};

/** Text that acts on a page or a reader. A tab and a line's end are none. */
const ACTS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** How many ms opening a line may take, on a machine that does other things as well. */
const PATIENT = 4_000;

/** An app of its own for each time this is run. */
const app = `odd-${Date.now().toString(36)}`;

test.beforeAll(async ({ request }) => {
  const now = Date.now() - 60_000;
  const lines = Object.values(ODD).map((message, at) => JSON.stringify({ _time: new Date(now + at).toISOString(), _msg: message, app, region: 'lhr', instance: `${app}-1` }));
  const reply = await request.post('/insert/jsonline', { headers: { Authorization: `Bearer ${token}` }, data: lines.join('\n') });
  expect(reply.status()).toBe(200);
});

/** Opens each line in turn, and looks at what it makes of the page. */
async function lookAtEach(page, shot) {
  for (const name of Object.keys(ODD)) {
    const row = page.locator('.row').filter({ has: page.locator('.row-message', { hasText: new RegExp(`^(\\{"msg":")?${name}\\b`) }) }).last();
    const took = await row.evaluate(async (element) => {
      const begun = performance.now();
      element.querySelector('.row-head').click();
      await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
      return performance.now() - begun;
    });
    expect(took, `${name} opens`).toBeLessThan(PATIENT);
    const open = page.locator('.row.open');
    await expect(open).toContainText('Where it is from');
    expect(await open.evaluate((element) => element.querySelectorAll('*').length), `elements of ${name}`).toBeLessThan(5_000);
    expect(await open.textContent(), name).not.toMatch(ACTS);
    for (const label of await open.locator('[aria-label], [title]').evaluateAll((all) => all.map((one) => `${one.ariaLabel ?? ''}${one.title}`))) expect(label).not.toMatch(ACTS);
    // The same details everywhere: all of it is looked at once, and the line that turns text around on each page.
    if (name === 'rtl') {
      // A name, then its value, whichever way each is written.
      const places = await row.locator('.row-name, .row-value').evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().left)));
      expect(places).toEqual(places.toSorted((a, b) => a - b));
    }
    if (name === 'rtl' || (name === 'wide' && shot === 'odd-live')) {
      await shots(page, `${shot}-${name}`);
      await axe(page, '.row.open');
      await fits(page);
    }
    await open.locator('.row-head').click();
    await expect(page.locator('.row.open')).toHaveCount(0);
  }
  await expect(page.locator('main :is(img, script, b.key)')).toHaveCount(0);
  expect(await page.title()).not.toMatch(/^[12]$/);
}

for (const [name, hash] of [['live', `#/app/${app}`], ['search', `#/search?from=-3h&q=app%3A%3D${app}`], ['machine', `#/machine/${app}-1`]]) {
  test(`odd lines do no harm: ${name}`, async ({ page }) => {
    await signIn(page, hash);
    await expect(page.locator('.row').filter({ hasText: 'names' })).toHaveCount(1);
    await lookAtEach(page, `odd-${name}`);
  });
}
