// One shape for a line, wherever it came from: a live tail (JSON as Fly has it), or a row of a query.

/**
 * @typedef {object} Line
 * @property {string} id        instance, boot and seq, and `gap` for a record of lost lines: the same line has the same one everywhere
 * @property {string} time      RFC 3339 with nanoseconds
 * @property {number} ms        the same as Unix milliseconds
 * @property {string} level     debug, info, warn or error
 * @property {string} app
 * @property {string} region
 * @property {string} instance
 * @property {string} host
 * @property {string} provider  app, runner, proxy or import
 * @property {string} stream    stdout or stderr, or what else there is
 * @property {string} message
 * @property {string} code      of the catalogue; empty mostly
 * @property {{reason: string, hop: string} | null} gap  lines that are missing: `span` of them; 0: nobody knows how many
 * @property {string} boot
 * @property {number} seq
 * @property {number} span
 * @property {Record<string, string> | null} own  fields that came beside the message
 * @property {object} raw       as it came
 * @property {string} [comparedTo]  of a list: the id of the line that this one was compared with, and whether it shows the same (lines/fold.js)
 * @property {boolean} [showsSame]
 */

/** Names that are Logway's; an app's field of such a name is stored as `app.NAME`. */
const PLATFORM = new Set([
  '_time', '_msg', '_stream', '_stream_id', 'app', 'region', 'instance', 'host', 'provider', 'level', 'stream', 'boot', 'seq', 'pos',
  'span', 'code', 'log.level', 'event.provider', 'logway.level_source', 'logway.clock', 'logway.more', 'logway.open',
]);
const RESERVED = /^(gap|logway|fly)\./;

/** The longest message that is looked into for fields, in characters: in a row of a list, and where a line is shown whole. */
const MAX_PARSED = 64 * 1024;
export const MAX_WHOLE = 2 * 1024 * 1024;

let nameless = 0;

/** A line of a live tail. @returns {Line} */
export function fromTail(json) {
  const { fly = {}, log = {}, event = {}, logway = {}, gap = null } = json;
  const instance = fly.app?.instance ?? '';
  return {
    id: idOf(instance, logway.boot, logway.seq, gap),
    time: json.timestamp ?? '',
    ms: Date.parse(json.timestamp) || 0,
    level: log.level ?? 'info',
    app: fly.app?.name ?? '',
    region: fly.region ?? '',
    instance,
    host: json.host ?? '',
    provider: event.provider ?? '',
    stream: logway.stream ?? '',
    message: json.message ?? '',
    code: json.code ?? '',
    gap,
    boot: logway.boot ?? '',
    seq: logway.seq ?? 0,
    span: logway.span ?? 1,
    own: ownOf(logway),
    raw: json,
  };
}

/** A row of a query: flat, and all its values are text. @returns {Line} */
export function fromRow(row) {
  const own = {};
  for (const [name, value] of Object.entries(row)) {
    if (!PLATFORM.has(name) && !name.startsWith('gap.')) own[name] = value;
  }
  const seq = Number(row.seq) || 0;
  return {
    id: idOf(row.instance, row.boot, seq, row['gap.reason']),
    time: row._time ?? '',
    ms: Date.parse(row._time) || 0,
    level: row.level ?? 'info',
    app: row.app ?? '',
    region: row.region ?? '',
    instance: row.instance ?? '',
    host: row.host ?? '',
    provider: row.provider ?? '',
    stream: row.stream ?? '',
    message: row._msg ?? '',
    code: row.code ?? '',
    gap: row['gap.reason'] ? { reason: row['gap.reason'], hop: row['gap.hop'] ?? '' } : null,
    boot: row.boot ?? '',
    seq,
    span: Number(row.span) || 1,
    own: Object.keys(own).length ? own : null,
    raw: row,
  };
}

/**
 * A row that was made of many, or whose fields are hidden, has no id of its own. The record of a gap has the number of the
 * first line that is missing, which may come after all.
 */
const idOf = (instance, boot, seq, gap) => (boot && seq ? `${instance}:${boot}:${seq}${gap ? ':gap' : ''}` : `row:${(nameless += 1)}`);

/** A rule across the list that no server sent. @param {string} message @param {number} ms @param {string} time @returns {Line} */
export const ruleOf = (message, ms, time) => ({
  id: idOf(), time, ms, level: 'warn', app: '', region: '', instance: '', host: '', provider: '', stream: '', message, code: '',
  gap: { reason: '', hop: '' }, boot: '', seq: 0, span: 0, own: null, raw: null,
});

/** A line as a row of a query has it, wherever it came from. @param {Line} line */
export function toRow(line) {
  const { app, region, instance, host, provider, level, stream, code, boot } = line;
  const own = Object.fromEntries(Object.entries(line.own ?? {}).map(([name, value]) => [name, String(value)]));
  const gap = line.gap && { 'gap.reason': line.gap.reason, 'gap.hop': line.gap.hop };
  const row = { _time: line.time, _msg: line.message, app, region, instance, host, provider, level, stream, code, boot, seq: String(line.seq), span: String(line.span), ...gap, ...own };
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== ''));
}

/** What a tail's line says beside its message: fields of a row that came over HTTP, and facts of an event. */
function ownOf({ fields, event }) {
  const own = { ...fields };
  for (const [name, value] of Object.entries(event ?? {})) own[`logway.event.${name}`] = String(value);
  return Object.keys(own).length ? own : null;
}

/**
 * What a message says itself.
 * @typedef {object} Said
 * @property {'json' | 'logfmt'} kind
 * @property {any} value     the document, for JSON
 * @property {string} text   what it says to people, if it says that in a field
 * @property {[string, string][]} pairs  all other fields but those that a row shows in columns
 * @property {[string, string][]} all    all fields
 * @property {Set<string>} names  all fields, by the names under which they are stored
 */

/** Fields that hold the sentence for people. */
const SENTENCES = ['msg', 'message', 'event', 'text'];
/** Fields that a row shows in columns of its own. */
const IN_COLUMNS = new Set(['level', 'severity', 'lvl', 'time', 'ts', 'timestamp', '@timestamp', '@level', '@message', '@t', '@l']);

/** Looks into a message of at most so many characters. @param {Line} line @returns {Said | null} null: it is plain text */
export function said(line, most = MAX_PARSED) {
  const text = line.message;
  if (text.length > most) return null;
  try {
    if (text[0] === '{' && text.trimEnd().endsWith('}')) return saidJson(text);
  } catch {
    // It is no JSON, or so deep that nothing can be made of it.
    return null;
  }
  return /^[A-Za-z_][\w.@/-]*=\S/.test(text) ? saidLogfmt(text) : null;
}

function saidJson(text) {
  const value = JSON.parse(text);
  const pairs = [];
  flatten(value, '', pairs);
  return { kind: 'json', value, ...divided(pairs) };
}

/** A name begins behind a blank and is not long: else one long word is looked at from each of its letters. */
const PAIR = /(?<!\S)([A-Za-z_@][\w.@/-]{0,127})=("(?:[^"\\]|\\.)*"|[^\s"]\S*|)(?=\s|$)/g;

function saidLogfmt(text) {
  const pairs = [];
  for (const [, name, value] of text.matchAll(PAIR)) pairs.push([name, unquoted(value)]);
  return pairs.length > 1 ? { kind: 'logfmt', value: null, ...divided(pairs) } : null;
}

/** The sentence, and the rest without what stands in columns. */
function divided(pairs) {
  const sentence = SENTENCES.find((name) => pairs.some(([found, value]) => found === name && value !== ''));
  const rest = pairs.filter(([name]) => name !== sentence && !IN_COLUMNS.has(name));
  const names = new Set(pairs.map(([name]) => storedName(name)));
  return { text: pairs.find(([name]) => name === sentence)?.[1] ?? '', pairs: rest, all: pairs, names };
}

/** How deep a document is looked into: what lies deeper stays as it is written. */
export const DEEPEST = 32;

/** Nested objects become names with dots; lists stay as they are written; what is empty is no field. */
function flatten(value, path, pairs, depth = 1) {
  for (const [name, inner] of Object.entries(value)) {
    const full = path ? `${path}.${name}` : name;
    if (inner === null || inner === '') continue;
    if (typeof inner === 'object' && !Array.isArray(inner) && depth < DEEPEST) flatten(inner, full, pairs, depth + 1);
    else pairs.push([full, typeof inner === 'object' ? JSON.stringify(inner) : String(inner)]);
  }
}

function unquoted(text) {
  if (text[0] !== '"') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}

/** The value of a field, beside the message or in it; empty if there is none. @param {Line} line @param {string} name */
export const valueOf = (line, name) => String(line.own?.[name] ?? said(line)?.all.find(([found]) => found === name || storedName(found) === name)?.[1] ?? '');

/** A code that a line begins with, as the proxy writes it, or has in a field. */
const CODE = /^\s*\[((?:P[A-Z]|L[A-Z])\d\d)\]|\berror\.code=(?:"?)((?:P[A-Z]|L[A-Z])\d\d)\b/;

/** The code of the catalogue that a line is about; empty if it has none. @param {Line} line */
export function codeOf(line) {
  if (line.code) return line.code;
  const found = CODE.exec(line.message.slice(0, 2_000));
  return found ? found[1] ?? found[2] : '';
}

/** The name under which an app's field is stored: it can be none of the platform's. */
export const storedName = (name) => (PLATFORM.has(name) || RESERVED.test(name) ? `app.${name}` : name);

/** What goes on with the line before it: a frame of a stack trace, or what is indented. */
const NEXT = /^(\s+\S|at |Caused by: |\.\.\. \d+ more|goroutine \d+ \[|Traceback )/;
/** How a traceback of Python ends, and a frame of one: a frame has at most three lines, so one stands so near to the end. */
const RAISED = /^[A-Za-z_][\w.]*(: |$)/;
const FRAME = /^\s+File ".*", line \d+/;

/** Whether a line goes on with the last one of those before it, the newest three of which are enough. @param {Line} line @param {Line[]} before */
export function goesOn(line, before) {
  const isWith = (one) => !one.gap && line.instance === one.instance && line.stream === one.stream && line.boot === one.boot;
  const last = before.at(-1);
  if (!last || line.gap || !isWith(last)) return false;
  if (NEXT.test(line.message)) return true;
  return RAISED.test(line.message) && /^\s/.test(last.message) && before.slice(-3).some((one) => isWith(one) && FRAME.test(one.message));
}

/** Which of 12 colours an instance has, here and in the next visit. */
export function hue(instance) {
  let hash = 2166136261;
  for (let at = 0; at < instance.length; at += 1) hash = Math.imul(hash ^ instance.charCodeAt(at), 16777619);
  return (hash >>> 0) % 12;
}

/** An instance's id, short enough for a column: ids of one app often begin alike. */
export const shortId = (instance) => (instance.length > 16 ? `${instance.slice(0, 7)}…${instance.slice(-8)}` : instance);
