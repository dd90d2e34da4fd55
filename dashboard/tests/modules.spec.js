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
