// Large files of lines: in pieces that the server can sort, to the disk where the browser can, and none that looks whole and is not.
import { readFileSync } from 'node:fs';
import { axe, expect, fits, shots, signIn, test } from './support.js';

/** Has `/select/logsql/query` answered in the page by `reply`, which gets the form and gives a Response. */
const answered = (page, reply) => page.evaluate((source) => {
  const real = window.fetch;
  // eslint-disable-next-line no-eval
  const make = (0, eval)(source);
  window.fetch = (path, options) => (String(path).includes('logsql/query') ? make(options.body, options.signal) : real(path, options));
}, `(${reply})`);

test('a piece that is too much is asked for in shorter ones, and a server without room again', async ({ page }) => {
  await signIn(page, '#/codes');
  const found = await page.evaluate(async () => {
    const { sliced } = await import('/js/download.js');
    const [start, end] = [Date.UTC(2026, 10, 26), Date.UTC(2026, 10, 26, 1)];
    const asked = [];
    let busy = 2;
    window.fetch = (path, { body }) => {
      const [from, to] = [body.get('start'), body.get('end')].map((text) => Date.parse(text));
      asked.push([(from - start) / 60_000, (to - start) / 60_000]);
      if ((to - from) > 5 * 60_000) return Promise.resolve(new Response('LQ05: the query needs too much memory', { status: 400 }));
      if (from === start && (busy -= 1) >= 0) return Promise.resolve(new Response('busy', { status: 503, headers: { 'Retry-After': '1' } }));
      return Promise.resolve(new Response(`${(from - start) / 60_000}-${(to - start) / 60_000}\n`));
    };
    let text = '';
    const shares = [];
    for await (const [chunk, share] of sliced('error #why', start, end)(new AbortController().signal)) {
      text += new TextDecoder().decode(chunk);
      shares.push(share);
    }
    const pieces = text.trim().split('\n').map((line) => line.split('-').map(Number));
    // A mistake in the query is said at once.
    window.fetch = () => Promise.resolve(new Response('LQ01: not a query', { status: 400 }));
    const wrong = await (async () => { for await (const one of sliced('x', start, end)(new AbortController().signal)) return one; return ''; })().catch((error) => error.code);
    return { pieces, isRising: shares.every((share, at) => !at || share >= shares[at - 1]), asked: asked.length, wrong };
  });
  // Each minute once, in order, though how long pieces are changes.
  expect(found.pieces[0][0]).toBe(0);
  expect(found.pieces.at(-1)[1]).toBe(60);
  found.pieces.slice(1).forEach(([from], at) => expect(from).toBe(found.pieces[at][1]));
  expect(found.isRising).toBe(true);
  expect(found.asked).toBeLessThan(60);
  expect(found.wrong).toBe('LQ01');
});

test('what is large can be written to the disk as it comes', async ({ page }) => {
  await signIn(page, '#/search?from=-5m&q=app%3A%3Dmailer%20%7C%20limit%2010');
  await expect(page.locator('.found-says')).toContainText('found');
  await answered(page, (_, signal) => {
    // A line of a million letters, again and again, as long as the page takes them.
    const line = new TextEncoder().encode(`{"_msg":"${'x'.repeat(999_988)}"}\n`);
    let left = 60;
    window.go = null;
    const body = new ReadableStream({
      async pull(to) {
        if (signal.aborted) return to.error(signal.reason);
        if (left === 30) await new Promise((done) => { window.go = done; });
        if (left === 0) return to.close();
        left -= 1;
        return to.enqueue(line.slice());
      },
    }, { highWaterMark: 0 });
    return Promise.resolve(new Response(body));
  });
  // What somebody would choose in the dialog of the browser, which no test sees.
  await page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle('here', { create: true });
    window.showSaveFilePicker = async ({ suggestedName }) => { window.chosen = suggestedName; return handle; };
  });
  await page.getByLabel('More').click();
  await page.getByRole('button', { name: /Download all rows/ }).click();
  const bar = page.getByRole('region', { name: 'Downloads' });
  await expect(bar).toContainText('28.6 MiB');
  await shots(page, 'download');
  await axe(page, '.downloads');
  await fits(page);
  await bar.getByRole('button', { name: 'Write to the disk as it comes' }).click();
  await expect.poll(() => page.evaluate(() => window.chosen)).toMatch(/^logway-.*\.ndjson$/);
  await page.evaluate(() => window.go());
  await expect(page.getByRole('status').filter({ hasText: '57.2 MiB saved as logway-' })).toBeVisible();
  await expect(bar).toHaveCount(0);
  expect(await page.evaluate(async () => (await (await (await navigator.storage.getDirectory()).getFileHandle('here')).getFile()).size)).toBe(60_000_000);
});

test('one that breaks off or is stopped leaves no file', async ({ page }) => {
  const files = [];
  page.on('download', (file) => files.push(file.suggestedFilename()));
  await signIn(page, '#/app/mailer');
  await expect(page.locator('.row').last()).toBeVisible();
  await answered(page, () => Promise.resolve(new Response(new ReadableStream({
    start(to) {
      to.enqueue(new TextEncoder().encode('{"_msg":"one"}\n'));
      setTimeout(() => to.error(new TypeError('network error')), 100);
    },
  }))));
  const hour = async () => {
    await page.getByRole('button', { name: 'Download' }).click();
    await page.getByRole('button', { name: 'The last hour' }).click();
  };
  await hour();
  await expect(page.getByRole('status').filter({ hasText: 'The download failed' })).toBeVisible();
  await answered(page, (_, signal) => Promise.resolve(new Response(new ReadableStream({
    start(to) {
      to.enqueue(new TextEncoder().encode('{"_msg":"one"}\n'));
      signal.addEventListener('abort', () => to.error(signal.reason));
    },
  }))));
  await hour();
  await page.getByRole('region', { name: 'Downloads' }).getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'was stopped: no file was made' })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Downloads' })).toHaveCount(0);
  expect(files).toEqual([]);
});

test('a place on the disk that cannot be written to loses nothing, and leaves nothing', async ({ page }) => {
  await signIn(page, '#/codes');
  const found = await page.evaluate(async () => {
    const { download, downloads } = await import('/js/download.js');
    const folder = await navigator.storage.getDirectory();
    const saved = [];
    URL.createObjectURL = (blob) => { saved.push(blob.text()); return 'blob:none'; };
    HTMLAnchorElement.prototype.click = () => {};
    const asks = (wrong) => {
      window.showSaveFilePicker = async () => {
        const handle = await folder.getFileHandle(wrong, { create: true });
        const real = handle.createWritable.bind(handle);
        if (wrong === 'refused') handle.createWritable = async () => { throw new DOMException('no', 'NotAllowedError'); };
        if (wrong === 'full') handle.createWritable = async () => Object.assign(await real(), { write: async () => { throw new DOMException('no room', 'QuotaExceededError'); } });
        if (wrong === 'slow') handle.createWritable = async () => { const to = await real(); window.stop(); return to; };
        return handle;
      };
    };
    const names = async () => { const all = []; for await (const [name] of folder.entries()) all.push(name); return all; };
    // Each: how the download ends when the place goes wrong between its two pieces; `late`: it is whole before the place is chosen.
    const run = async (wrong) => {
      let go;
      const middle = new Promise((done) => { go = done; });
      const end = download(wrong, async function* pieces() {
        yield [new TextEncoder().encode('one\n'), 0];
        await middle;
        yield [new TextEncoder().encode('two\n'), 0.5];
      });
      const [it] = downloads.value;
      window.stop = () => it.cancel();
      await new Promise((done) => { setTimeout(done); });
      asks(wrong);
      const chosen = it.toDisk();
      if (wrong !== 'late') await chosen;
      // Its message is there before the next one takes its place.
      await new Promise((done) => { setTimeout(done, 50); });
      const said = document.querySelector('.notices').textContent;
      if (said.startsWith('It cannot')) saved.push(said);
      go();
      await end.catch((error) => saved.push(error.message));
      await chosen;
      const here = await names();
      const text = here.length ? await (await (await folder.getFileHandle(here[0])).getFile()).text() : '';
      for (const name of here) await folder.removeEntry(name);
      return [here, text, ...(await Promise.all(saved.splice(0)))];
    };
    return { refused: await run('refused'), full: await run('full'), slow: await run('slow'), late: await run('late') };
  });
  const keeps = (why) => `It cannot be written there: ${why}. The browser keeps the file as before`;
  expect(found).toEqual({
    refused: [[], '', keeps('no'), 'one\ntwo\n'], full: [[], '', keeps('no room'), 'one\ntwo\n'], slow: [[], ''], late: [['late'], 'one\ntwo\n'],
  });
});

test('a download is of who began it: another token gets nothing of it', async ({ page }) => {
  const files = [];
  page.on('download', (file) => files.push(file.suggestedFilename()));
  await signIn(page, '#/codes');
  const found = await page.evaluate(async () => {
    const { download, downloads, sliced } = await import('/js/download.js');
    const { signIn: signInAs, token } = await import('/js/session.js');
    const real = window.fetch;
    const [own, sent] = [token.value, []];
    let go;
    const isAsked = new Promise((done) => { go = done; });
    window.fetch = async (path, options) => {
      if (!String(path).includes('logsql/query')) return real(path, options);
      sent.push(options.headers.Authorization === `Bearer ${own}`);
      if (sent.length === 2) go();
      // One that does not mind being aborted.
      if (sent.length >= 2) await new Promise((done) => { setTimeout(done, 200); });
      return new Response('{"_msg":"one"}\n');
    };
    const end = Date.UTC(2026, 10, 26);
    const all = [download('a', sliced('*', end - 24 * 3_600_000, end)), download('b', async function* held() { for (let n = 0; n < 9; n += 1) { yield [new Uint8Array(3), 0]; await isAsked; } })];
    await isAsked;
    signInAs('of-another-org', null);
    await Promise.all(all);
    const left = downloads.value.length;
    signInAs(own, null);
    return { sent, left };
  });
  expect(found).toEqual({ sent: [true, true], left: 0 });
  await expect(page.getByRole('status').filter({ hasText: 'as its token is not in use any more: no file was made' })).toBeVisible();
  expect(files).toEqual([]);
  // Each piece has the token it was begun with, whatever is in use: nothing depends on when it is stopped.
  const tokens = await page.evaluate(async () => {
    const { sliced } = await import('/js/download.js');
    const sent = [];
    window.fetch = async (_, { headers }) => { sent.push(headers.Authorization); return new Response('x\n'); };
    for await (const one of sliced('*', 0, 3_600_000)(new AbortController().signal, 'first')) if (!one) break;
    return [...new Set(sent)];
  });
  expect(tokens).toEqual(['Bearer first']);
});

test('lines come oldest first, over all pieces', async ({ page }) => {
  await signIn(page, '#/app/mailer');
  await expect(page.locator('.row').last()).toBeVisible();
  await page.getByRole('button', { name: 'Download' }).click();
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'The last 24 hours' }).click()]);
  const times = readFileSync(await file.path(), 'utf8').trim().split('\n').map((row) => JSON.parse(row)._time);
  expect(times.length).toBeGreaterThan(500);
  expect(times).toEqual(times.toSorted());
});
