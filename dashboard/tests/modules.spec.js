// Modules without a page: what they make of what comes.
import { expect, signIn, test } from './support.js';

test.beforeEach(async ({ page }) => { await signIn(page, '#/codes'); });

test('heights of a long list', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { Heights } = await import('/js/lines/heights.js');
    const heights = new Heights();
    // A model of it: a plain list, against which each step is held.
    let model = [];
    let seed = 7;
    const random = (most) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % most; };
    const sum = (list) => list.reduce((all, one) => all + one, 0);
    const wrong = [];
    for (let step = 0; step < 3000; step += 1) {
      const what = random(10);
      if (what < 4) { const height = 1 + random(60); heights.push(height); model.push(height); }
      else if (what < 5) { const more = Array.from({ length: random(700) }, () => 1 + random(60)); heights.unshift(more); model = [...more, ...model]; }
      else if (what < 6) { const count = random(400); heights.drop(count); model = model.slice(count); }
      else if (what < 7) { const count = random(100); heights.pop(count); model = model.slice(0, Math.max(0, model.length - count)); }
      else if (model.length) { const at = random(model.length); const height = 1 + random(60); heights.set(at, height); model[at] = height; }
      if (heights.length !== model.length || heights.total !== sum(model)) wrong.push(step);
      if (!model.length) continue;
      const index = random(model.length);
      const top = sum(model.slice(0, index));
      if (heights.before(index) !== top || heights.find(top) !== index || heights.find(top + model[index] - 1) !== index) wrong.push(step);
    }
    return { wrong, length: model.length, end: heights.find(1e9) === model.length - 1 };
  });
  expect(found.wrong).toEqual([]);
  expect(found.length).toBeGreaterThan(0);
  expect(found.end).toBe(true);
});

test('lines that are held are bounded, and each is there once', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { Held } = await import('/js/lines/held.js');
    const held = new Held(1000);
    const line = (id) => ({ id: String(id) });
    held.push(Array.from({ length: 900 }, (_, at) => line(at)));
    const twice = held.push([line(899), line(900)]).length;
    const older = held.unshift([line(-1), line(0)]).map(({ id }) => id);
    held.push(Array.from({ length: 300 }, (_, at) => line(1000 + at)));
    const gone = held.trim();
    return { twice, older, gone, length: held.length, first: held.at(0).id, ids: held.ids.size, total: held.gone, has: [held.has('-1'), held.has('1299')] };
  });
  expect(found).toEqual({ twice: 1, older: ['-1'], gone: 202, length: 1000, first: '201', ids: 1000, total: 202, has: [false, true] });
});

test('events of a tail, however they are cut', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { lines } = await import('/js/api.js');
    const { read } = await import('/js/tail.js');
    const text = ': hello\r\nevent: state\ndata: {"a":\ndata: "ö€😀"}\nid:  7\n\ndata\n\ndata:x\n\n';
    const bytes = new TextEncoder().encode(text);
    const all = [];
    for (let size = 1; size <= bytes.length; size += 1) {
      const stream = new ReadableStream({
        start(controller) {
          for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
          controller.close();
        },
      });
      let event = { name: 'message', id: '', data: '' };
      const events = [];
      for await (const line of lines(stream)) {
        if (line === null) continue;
        if (line === '') { events.push(event); event = { name: 'message', id: '', data: '' }; } else read(line, event);
      }
      all.push(JSON.stringify(events));
    }
    return [...new Set(all)];
  });
  expect(found).toHaveLength(1);
  expect(JSON.parse(found[0])).toEqual([
    { name: 'state', id: ' 7', data: '{"a":\n"ö€😀"}' }, { name: 'message', id: '', data: '' }, { name: 'message', id: '', data: 'x' },
  ]);
});

test('what messages say', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { codeOf, fromRow, fromTail, said } = await import('/js/line.js');
    const { shown, visible } = await import('/js/text.js');
    const of = (message) => { const inside = said({ message }); return inside && [inside.kind, inside.text, inside.pairs]; };
    const tail = fromTail({
      event: { provider: 'import' }, fly: { app: { name: 'a', instance: 'i' }, region: 'lhr' }, host: 'h', log: { level: 'warn' }, message: 'm',
      timestamp: '2026-11-26T10:00:00.123456789Z', logway: { boot: 'b', seq: 4, span: 2, stream: 'stdout', fields: { user: 'u' } },
    });
    const row = fromRow({
      _time: '2026-11-26T10:00:00.123456789Z', _msg: 'm', app: 'a', instance: 'i', region: 'lhr', host: 'h', level: 'warn', provider: 'import', stream: 'stdout',
      boot: 'b', seq: '4', span: '2', user: 'u', pos: '9',
    });
    delete tail.raw;
    delete row.raw;
    return {
      said: ['{"msg":"hi","n":1,"o":{"p":[1,2]},"level":"x","e":null}', 'a=1 msg="b c" d=', 'a=1', '{"broken"', '{} x', 'plain'].map(of),
      same: [tail, row],
      codes: ['[PU02] x', 'x error.code=PR01 y', 'x [PU02]', 'PU02', '[AB12]'].map((message) => codeOf({ code: '', message })),
      visible: [visible('\u001b[31m\u202ea\u0000\tb'), shown('\u001b[31mred\u001b[0m', 10), shown('😀😀', 3)],
    };
  });
  expect(found.said).toEqual([
    ['json', 'hi', [['n', '1'], ['o.p', '[1,2]']]], ['logfmt', 'b c', [['a', '1'], ['d', '']]], null, null, null, null,
  ]);
  expect(found.same[0]).toEqual(found.same[1]);
  expect(found.codes).toEqual(['PU02', 'PR01', '', '', '']);
  expect(found.visible).toEqual(['\\x1b[31m[U+202E]a\\x00\tb', 'red', '😀…']);
});

test('conditions cannot be anything else', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { all, atLeast, is, isNot, says } = await import('/js/logsql.js');
    const { link, parse } = await import('/js/router.js');
    const route = parse(link('app', ['a/b?c#d%'], { text: 'x=&y', none: '', f: '[["a","é"]]' }));
    return {
      conditions: [is('a.b', 'x" or *'), isNot('or', ''), is('a b', 'c'), says('a.b'), atLeast('warn'), atLeast('debug'), all('', 'a', 'b or c')],
      route,
    };
  });
  expect(found.conditions).toEqual([
    'a.b:="x\\" or *"', '!"or":=""', '"a b":="c"', '_msg:~"(?i)a\\\\.b"', 'level:in(warn, error)', '', 'a (b or c)',
  ]);
  expect(found.route).toEqual({ page: 'app', parts: ['a/b?c#d%'], args: { text: 'x=&y', f: '[["a","é"]]' } });
});

test('what tries a page: deep documents, long words, joiners, and more letters than there is room for', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { fromRow, goesOn, said } = await import('/js/line.js');
    const { makeRow } = await import('/js/lines/row.js');
    const { openDetail } = await import('/js/lines/detail.js');
    const { Held } = await import('/js/lines/held.js');
    const { visible } = await import('/js/text.js');
    const look = { wrap: false, dates: false, times: true, apps: false, instances: true, levels: true, fields: [], mark: null };
    const deep = (depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const rows = [40, 300, 3000, 10_000].map((depth) => {
      const line = fromRow({ _time: '2026-11-26T10:00:00Z', _msg: deep(depth), instance: 'i', boot: 'b', seq: '1' });
      openDetail(line, document.createElement('div'), {})();
      return makeRow(line, look, false).textContent.length > 0;
    });
    const begun = performance.now();
    for (const text of [`a=b ${'x'.repeat(60_000)}`, `a=b ${'x.'.repeat(30_000)}=`, 'a="b '.repeat(12_000)]) said({ message: text });
    const took = performance.now() - begun;
    const trace = ['Traceback (most recent call last):', '  File "a.py", line 3, in <module>', '    f()', '    ^^^', 'pkg.CustomTimeout: no answer', 'ready: yes']
      .map((message) => ({ message, instance: 'i', stream: 'stderr', boot: 'b', gap: null }));
    const held = new Held(1000, 20_000);
    held.push(Array.from({ length: 10 }, (_, at) => ({ id: String(at), message: 'x'.repeat(4_000 - 256) })));
    const full = [held.isOver(), held.trim(), held.length, held.letters, held.over([{ id: 'n', message: 'y'.repeat(6_000 - 256) }])];
    held.clear();
    return {
      rows, isFast: took < 1_000, depth: said({ message: deep(40) }).pairs[0][0].split('.').length, full, empty: held.letters,
      next: trace.map((line, at) => goesOn(line, trace.slice(Math.max(0, at - 3), at))),
      ids: [fromRow({ instance: 'i', boot: 'b', seq: '4' }).id, fromRow({ instance: 'i', boot: 'b', seq: '4', 'gap.reason': 'ring_full' }).id],
      joiners: ['\u06a9\u0647\u200c\u0647\u0627', '\u{1f469}\u200d\u{1f4bb}', 'pass\u200dword', '\u200d', 'a\u200c'].map(visible),
    };
  });
  expect(found.rows).toEqual([true, true, true, true]);
  expect(found.isFast).toBe(true);
  expect(found.depth).toBe(32);
  expect(found.full).toEqual([true, 5, 5, 20_000, 2]);
  expect(found.empty).toBe(0);
  expect(found.next).toEqual([false, true, true, true, true, false]);
  expect(found.ids).toEqual(['i:b:4', 'i:b:4:gap']);
  expect(found.joiners).toEqual(['\u06a9\u0647\u200c\u0647\u0627', '\u{1f469}\u200d\u{1f4bb}', 'pass[U+200D]word', '[U+200D]', 'a[U+200C]']);
});

test('filters as LogsQL, with the records of lost lines', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { fromArgs, logsql, logsqlWithGaps } = await import('/js/live/filters.js');
    return [{}, { region: 'lhr', level: 'warn', text: 'x', f: '[["a","b",1]]' }, { hide: '[["msg","took <N>ms"],["_msg","a|b"]]' }].map((args) => [logsql('web', fromArgs(args)), logsqlWithGaps('web', fromArgs(args))]);
  });
  expect(found).toEqual([
    ['app:="web"', 'app:="web"'],
    [
      'app:="web" region:="lhr" level:in(warn, error) _msg:~"(?i)x" !a:="b"',
      'app:="web" region:="lhr" (gap.reason:* or (level:in(warn, error) _msg:~"(?i)x" !a:="b"))',
    ],
    [
      'app:="web" -msg:~`^took [0-9a-fA-F]+ms$` (-~`^a\\|b$`)',
      'app:="web" (gap.reason:* or (-msg:~`^took [0-9a-fA-F]+ms$` (-~`^a\\|b$`)))',
    ],
  ]);
});

test('a feed says what it passed over, goes back by time, and rests while nobody looks', async ({ page }) => {
  await page.clock.install();
  await page.evaluate(async () => {
    const { LineList } = await import('/js/lines/list.js');
    const { Feed } = await import('/js/live/feed.js');
    const { fromRow } = await import('/js/line.js');
    const line = (seq, ms) => fromRow({ _time: new Date(Date.UTC(2026, 10, 26) + ms).toISOString(), _msg: `line ${seq}`, instance: 'i', boot: 'b', seq: String(seq + 10_000) });
    const range = (from, to, ms) => Array.from({ length: to - from }, (_, at) => line(from + at, ms ?? from + at));
    const list = new LineList({ label: 'test', follow: false });
    const t = { list, range, states: [], starts: 0, hidden: false };
    t.feed = new Feed(list, 'a', { region: '', instance: '', provider: '', level: '', text: '', fields: [], hidden: [] }, ({ name }) => t.states.push(name));
    t.feed.tail.start = () => { t.starts += 1; };
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => t.hidden });
    t.hide = (is) => { t.hidden = is; document.dispatchEvent(new Event('visibilitychange')); };
    t.feed.start();
    t.feed.came(range(0, 600, 0));
    window.t = t;
  });
  // The newest 500 of the one time are all there already, so more are asked for; then there are no more, until some are let go.
  expect(await page.evaluate(async () => {
    const { feed, list, range } = window.t;
    const asked = [];
    feed.stored = async (condition, limit) => { asked.push([condition, limit]); return limit <= 500 ? range(100, 600, 0) : range(-20, 600, 0); };
    await feed.older();
    const first = [asked, list.length, feed.hasOlder];
    feed.stored = async () => [];
    await feed.older();
    list.held.gone += 1;
    feed.stored = async () => range(-30, -20, -1);
    await feed.older();
    return [...first, list.length];
  })).toEqual([[['_time:<=2026-11-26T00:00:00.000Z', 500], ['_time:<=2026-11-26T00:00:00.000Z', 1000]], 620, false, 630]);
  // Other lines came while it asked: what it got belongs elsewhere.
  expect(await page.evaluate(async () => {
    const { feed, list, range } = window.t;
    list.held.gone += 1;
    feed.stored = async () => { list.clear(); list.append(range(0, 10)); return range(-40, -30); };
    await feed.older();
    return list.length;
  })).toBe(10);
  expect(await page.evaluate(() => {
    window.t.feed.tail.hooks.onLost('Lines between may be missing: the cursor was refused (x)');
    const last = window.t.list.held.at(10);
    return [last.message, last.span, Boolean(last.gap)];
  })).toEqual(['Lines between may be missing: the cursor was refused (x)', 0, true]);
  const hidden = (is) => page.evaluate((to) => window.t.hide(to), is);
  const now = () => page.evaluate(() => [window.t.states.at(-1), window.t.starts, window.t.feed.tail.cursor]);
  await page.evaluate(() => { window.t.feed.tail.cursor = 'c1'; window.t.states.push('live'); });
  await hidden(true);
  await page.clock.runFor(20_000);
  await hidden(false);
  await page.clock.runFor(20_000);
  expect(await now()).toEqual(['live', 1, 'c1']);
  await hidden(true);
  await page.clock.runFor(31_000);
  expect(await now()).toEqual(['resting', 1, 'c1']);
  await hidden(false);
  expect(await now()).toEqual(['resting', 2, 'c1']);
  // After minutes it begins anew, and says what it passed over.
  await hidden(true);
  await page.clock.runFor(31_000);
  await page.clock.fastForward(600_000);
  await hidden(false);
  expect(await now()).toEqual(['resting', 3, '']);
  // So it does when there was no connection for very long.
  expect(await page.evaluate(() => [600_000, 1_000_000].map((ms) => {
    const { feed: { tail } } = window.t;
    tail.cursor = 'c2';
    tail.hooks.onAway(ms);
    return tail.cursor;
  }))).toEqual(['c2', '']);
  expect(await page.evaluate(() => {
    const { feed, list, range } = window.t;
    feed.came(range(5_000, 5_010));
    feed.stop();
    return list.held.at(11).message;
  })).toMatch(/^Lines from .* were passed over/);
});

test('equal lines stay grouped, whatever comes, goes or is put before them', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { LineList } = await import('/js/lines/list.js');
    const { fromRow } = await import('/js/line.js');
    let seed = 11;
    const random = (most) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor(seed / 65_536) % most; };
    const line = (seq) => fromRow({ _time: '2026-11-26T10:00:00Z', _msg: `text ${random(2)}`, instance: 'i', boot: 'b', seq: String(seq) });
    const list = new LineList({ label: 'test', most: 400, look: { fold: true } });
    const host = document.createElement('div');
    host.className = 'lines';
    host.style.height = '300px';
    document.querySelector('main').append(host);
    list.mount(host);
    let [first, last] = [1_000_000, 1_000_000];
    const wrong = [];
    for (let step = 0; step < 400; step += 1) {
      const what = random(10);
      if (what < 5) list.append(Array.from({ length: random(30) }, () => line((last += 1))));
      else if (what < 7) list.prepend(Array.from({ length: random(30) }, () => line((first -= 1))).reverse());
      else if (what < 8) list.cut(random(20));
      else if (what < 9) list.follow(random(2) === 1);
      else if (list.length) list.unfold(list.held.at(random(list.length)));
      // The model: each run of one text is a group, its first line is shown, and all of them if it is open.
      const { lines } = list.held;
      for (let at = 0; at < lines.length; at += 1) {
        const isHead = at === 0 || lines[at].message !== lines[at - 1].message;
        let count = 1;
        while (isHead && lines[at + count]?.message === lines[at].message) count += 1;
        const { group } = lines[at];
        if (isHead && count > 1 && (group?.head !== lines[at] || group.count !== count)) wrong.push([step, at, 'group']);
        if (!isHead && (!group || group !== lines[at - 1].group)) wrong.push([step, at, 'member']);
        if ((list.heights.get(at) === 0) !== (!isHead && !group.isOpen)) wrong.push([step, at, 'height']);
      }
      if (list.heights.length !== lines.length) wrong.push([step, 'length']);
      list.drawNow();
    }
    const shown = [...host.querySelectorAll('.row')].map((row) => Number(row.dataset.number));
    return { wrong: wrong.slice(0, 3), isOrdered: shown.every((number, at) => !at || number > shown[at - 1]), rows: shown.length };
  });
  expect(found.wrong).toEqual([]);
  expect(found.isOrdered).toBe(true);
  expect(found.rows).toBeGreaterThan(5);
});

test('filters that are too long for a request are said, and asked for once', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { Tail } = await import('/js/tail.js');
    const { fitsWith, fromArgs, tailArgs, withHidden } = await import('/js/live/filters.js');
    const states = [];
    for (const status of [413, 414, 431, 503]) {
      let asked = 0;
      window.fetch = () => { asked += 1; return Promise.resolve(new Response('', { status, headers: { 'Retry-After': '9' } })); };
      const state = await new Promise((done) => {
        const tail = new Tail('/api/v1/apps/a/logs/tail', {}, { onLines: () => {}, onState: (now) => { if (['ended', 'reconnecting'].includes(now.name)) done(now); } });
        tail.start();
        setTimeout(() => tail.stop(), 1_000);
      });
      states.push([asked, state.name, state.why.split(':')[0]]);
    }
    // Kinds are hidden as long as they fit: whatever they are written in.
    const lengths = ['a', 'ö', '语', '`|'].map((letter) => {
      let filters = fromArgs({ text: 'x' });
      for (let n = 0; n < 20; n += 1) {
        const kind = ['_msg', `${n}${letter.repeat(400)}`];
        if (!fitsWith(filters, kind)) break;
        filters = fromArgs({ text: 'x', ...withHidden(filters, kind) });
      }
      return [filters.hidden.length, new URLSearchParams(tailArgs(filters)).toString().length];
    });
    return { states, lengths };
  });
  const why = (status) => [1, 'ended', `The filters are too long for one request (${status})`];
  expect(found.states).toEqual([why(413), why(414), why(431), [1, 'reconnecting', 'the server answers 503']]);
  for (const [count, length] of found.lengths) {
    expect(count).toBeGreaterThan(0);
    expect(length).toBeLessThanOrEqual(6 * 1024);
  }
});

test('keys open no equal lines at the end', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { LineList } = await import('/js/lines/list.js');
    const { fromRow } = await import('/js/line.js');
    const list = new LineList({ label: 'test', look: { fold: true } });
    const host = document.createElement('div');
    document.querySelector('main').append(host);
    list.mount(host);
    list.append(['a', 'b', 'b', 'c', 'd', 'd', 'd'].map((text, seq) => fromRow({ _time: '2026-11-26T10:00:00Z', _msg: text, instance: 'i', boot: 'b', seq: String(seq + 1) })));
    const at = [];
    const move = (by) => { list.move(by); at.push(list.held.indexOf(list.selected)); };
    for (const by of [1, 1, -1, -1, -1, -1, 1, 1, 1, 1, 50]) move(by);
    return { at, open: list.held.lines.filter(({ group }) => group?.isOpen).length };
  });
  expect(found).toEqual({ at: [4, 4, 3, 1, 0, 0, 1, 3, 4, 4, 4], open: 0 });
});

test('to group documents costs little: long ones are not looked into, others once, and very many piece by piece', async ({ page }) => {
  const found = await page.evaluate(async () => {
    const { LineList } = await import('/js/lines/list.js');
    const { fromRow } = await import('/js/line.js');
    const line = (seq, text) => fromRow({ _time: '2026-11-26T10:00:00Z', _msg: text, instance: 'i', boot: 'b', seq: String(seq) });
    // Three times in a row the same, at another time.
    const document_ = (seq, more = '') => line(seq, JSON.stringify({ time: 1_000_000 + seq, msg: `n${Math.floor(seq / 3)}`, more }));
    const real = JSON.parse;
    let parsed = 0;
    JSON.parse = (...all) => { parsed += 1; return real(...all); };
    const cost = async (act) => { parsed = 0; await act(); return parsed; };
    const groups = (list) => new Set(list.held.lines.map(({ group }) => group).filter((group) => group?.count === 3)).size;
    const long = new LineList({ label: 'long', look: { fold: true } });
    const ofLong = await cost(() => long.append(Array.from({ length: 300 }, (_, at) => document_(at + 3, 'x'.repeat(3_000)))));
    const list = new LineList({ label: 'many', look: { fold: true } });
    const first = await cost(() => list.append(Array.from({ length: 3_000 }, (_, at) => document_(at + 3))));
    const grouped = groups(list);
    const again = await cost(() => { list.setLook({ fold: false }); list.setLook({ fold: true }); });
    const many = new LineList({ label: 'very many' });
    many.append(Array.from({ length: 90_000 }, (_, at) => document_(at + 3)));
    const atOnce = await cost(() => many.setLook({ fold: true }));
    // What comes and goes meanwhile is grouped as well.
    many.append([document_(90_003), document_(90_004), document_(90_005)]);
    await new Promise((done) => { const look = () => (many.folds.isOn ? done() : setTimeout(look)); look(); });
    const ofMany = groups(many);
    // Nobody wants it any more.
    const other = new LineList({ label: 'taken back' });
    other.append(Array.from({ length: 90_000 }, (_, at) => document_(at + 3)));
    other.setLook({ fold: true });
    other.setLook({ fold: false });
    await new Promise((done) => { setTimeout(done, 100); });
    JSON.parse = real;
    return { ofLong, first, grouped, again, isInPieces: atOnce < 45_000, ofMany, isOff: !other.folds.isOn && groups(other) === 0 };
  });
  expect(found).toEqual({ ofLong: 0, first: 3_000, grouped: 1_000, again: 0, isInPieces: true, ofMany: 30_001, isOff: true });
});
