// What the page of an app's lines costs a browser, as `cargo xtask bench dashboard` asks: prints one JSON object.
//   LOGWAY_URL, LOGWAY_TOKEN      where the dashboard is, and a token for its org
//   LOGWAY_PRODUCE                a command that runs an app, as a JSON list; app, lines and rate are put behind it
//   LOGWAY_LINES                  lines for the memory's growth
//   LOGWAY_ONLY=memory            nothing but that
//   LOGWAY_CHROMIUM               the browser [default: Debian's]
const { spawn } = require('node:child_process');
const { chromium } = require('@playwright/test');

const base = process.env.LOGWAY_URL;
const token = process.env.LOGWAY_TOKEN;
const produce = JSON.parse(process.env.LOGWAY_PRODUCE);
const many = Number(process.env.LOGWAY_LINES ?? 1_000_000);
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--enable-precise-memory-info'];

/** An app that writes `lines` lines at `rate` a second; resolves when it has ended. */
function app(name, lines, rate) {
  const [program, ...args] = produce.map((word) => word.replace('{app}', name).replace('{lines}', lines).replace('{rate}', rate));
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((done, fail) => child.on('exit', (code) => (code ? fail(new Error(`the app ended with ${code}`)) : done())));
}

const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const spread = (values) => {
  const sorted = values.slice().sort((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), most: sorted.at(-1), count: sorted.length };
};

/** The page's clock against the machine's monotonic one, in ms: the smallest of some tries. */
async function offset(page) {
  let best = { took: Infinity, offset: 0 };
  for (let at = 0; at < 50; at++) {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const there = await page.evaluate(() => performance.now());
    const after = Number(process.hrtime.bigint()) / 1e6;
    if (after - before < best.took) best = { took: after - before, offset: (before + after) / 2 - there };
  }
  return best.offset;
}

async function open(browser, name) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.addInitScript((value) => sessionStorage.setItem('bench', value), name);
  const page = await context.newPage();
  await page.goto(`${base}/#token=${encodeURIComponent(token)}`);
  await page.waitForFunction(() => !location.hash.includes('token='));
  return page;
}

/** Ms from opening the app's page, signed in, until a line of it is painted. */
async function firstLine(browser, name) {
  const page = await open(browser, name);
  const took = await page.evaluate((hash) => new Promise((done) => {
    const begun = performance.now();
    location.hash = hash;
    const look = () => (document.querySelector('.row-message') ? requestAnimationFrame(() => done(performance.now() - begun)) : requestAnimationFrame(look));
    look();
  }), `#/app/${name}`);
  await page.context().close();
  return took;
}

/** Watches the page of an app while it writes: ages of lines when they are in the page (from the app's write), and times between frames. */
async function follow(browser, name, rate, seconds) {
  const page = await open(browser, name);
  await page.evaluate((hash) => { location.hash = hash; }, `#/app/${name}`);
  await page.waitForTimeout(1500);
  const shift = await offset(page);
  await page.evaluate((shift) => {
    const seen = new Set();
    const found = { ages: [], frames: [] };
    let last = performance.now();
    const frame = (now) => {
      found.frames.push(now - last);
      last = now;
      const at = performance.now() + shift;
      for (const row of document.querySelectorAll('.row-message')) {
        const mark = / at=(\d+)/.exec(row.textContent);
        if (mark && !seen.has(mark[1])) {
          seen.add(mark[1]);
          found.ages.push(at - Number(mark[1]) / 1e6);
        }
      }
      window.benchFrame = requestAnimationFrame(frame);
    };
    window.bench = found;
    window.benchFrame = requestAnimationFrame(frame);
  }, shift);
  await app(name, rate * seconds, rate);
  await page.waitForTimeout(500);
  const { ages, frames } = await page.evaluate(() => {
    cancelAnimationFrame(window.benchFrame);
    return window.bench;
  });
  await page.context().close();
  // The first second is left out: connections and caches.
  return { ages: spread(ages.slice(Math.floor(ages.length / seconds))), frames: spread(frames.slice(60)) };
}

/** Watches the time between frames in a page, without keeping each: in whole ms, the last one for all that took longer. */
const FRAMES = 2_000;
const watchFrames = (page) => page.evaluate((most) => {
  const counts = new Array(most + 1).fill(0);
  let last = performance.now();
  const frame = (now) => {
    counts[Math.min(most, Math.round(now - last))] += 1;
    last = now;
    requestAnimationFrame(frame);
  };
  window.benchCounts = counts;
  requestAnimationFrame(frame);
}, FRAMES);

/** The quantiles of what was counted, and the longest. */
function framesOf(counts) {
  const all = counts.reduce((sum, one) => sum + one, 0);
  const at = (part) => {
    let left = all * part;
    return counts.findIndex((one) => (left -= one) <= 0);
  };
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), most: counts.findLastIndex(Boolean), count: all };
}

/** How many lines the page has been given: those that it holds, and those that it has let go. */
const passed = (page) => page.evaluate(() => {
  const text = document.querySelector('.live-foot')?.textContent ?? '';
  return [...text.matchAll(/([\d,]+) (?:line|older)/g)].reduce((sum, [, number]) => sum + Number(number.replaceAll(',', '')), 0);
});

/** How long the page may take to catch up when the app has ended, in ms. */
const CATCH_UP = 1_800_000;

/** Bytes of the page's heap behind 100,000 lines, on the way, and behind `many` more; and the times between frames meanwhile. */
async function memory(browser, name) {
  const page = await open(browser, name);
  const debug = await page.context().newCDPSession(page);
  await page.evaluate((hash) => { location.hash = hash; }, `#/app/${name}`);
  await page.waitForTimeout(1500);
  const heap = async () => {
    await debug.send('HeapProfiler.collectGarbage');
    return (await debug.send('Runtime.getHeapUsage')).usedSize;
  };
  const until = async (lines) => {
    const end = Date.now() + CATCH_UP;
    while ((await passed(page)) < lines) {
      if (Date.now() > end) throw new Error(`the page has ${await passed(page)} of ${lines} lines`);
      await page.waitForTimeout(500);
    }
  };
  await app(name, 100_000, 10_000);
  await until(100_000);
  const few = await heap();
  await watchFrames(page);
  const begun = Date.now();
  const whole = app(name, many, 10_000);
  const steps = [];
  for (let at = 1; at <= 10; at += 1) {
    await until(100_000 + (many / 10) * at);
    steps.push({ lines: await passed(page), heap: await heap(), nodes: (await debug.send('Memory.getDOMCounters')).nodes });
    process.stderr.write(`${JSON.stringify(steps.at(-1))}\n`);
  }
  await whole;
  const seconds = (Date.now() - begun) / 1000;
  const all = await heap();
  const frames = framesOf(await page.evaluate(() => window.benchCounts));
  const text = await page.evaluate(() => [...document.querySelectorAll('.row-message')].at(-1)?.textContent ?? '');
  await page.context().close();
  return { few, all, steps, frames, seconds, passed: steps.at(-1).lines, hasLines: text.length > 0 };
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.LOGWAY_CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
  try {
    const result = {};
    if (process.env.LOGWAY_ONLY === 'memory') {
      process.stdout.write(`${JSON.stringify({ memory: await memory(browser, 'memory') })}\n`);
      return;
    }
    await app('first', 1000, 100_000);
    // The first page loads the files, the others have them.
    await firstLine(browser, 'first');
    result.first = [];
    for (let at = 0; at < 5; at++) result.first.push(await firstLine(browser, 'first'));
    result.slow = await follow(browser, 'slow', 100, 5);
    result.fast = await follow(browser, 'fast', 1000, 5);
    result.faster = await follow(browser, 'faster', 2000, 10);
    result.memory = await memory(browser, 'memory');
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
