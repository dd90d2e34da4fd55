// Numbers and times as people read them.

const GROUPED = new Intl.NumberFormat('en-US');
const SHORT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** 1,204 */
export const count = (number) => GROUPED.format(number);

/** 1.2K, for where there is little room. */
export const short = (number) => (Math.abs(number) < 10_000 ? GROUPED.format(number) : SHORT.format(number));

/** `one` or `many` behind a number: `plural(2, 'line')` is `2 lines`. */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** 14:03:22.417, in the reader's own zone. @param {number} ms Unix milliseconds */
export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

/** 22 Nov 14:03:22.417 */
export const dayClock = (ms) => `${DAY.format(ms)} ${clock(ms)}`;

/** 2026-11-22 14:03:22.417 */
export function stamp(ms) {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(ms)}`;
}

/** `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`. */
export function ago(ms, now = Date.now()) {
  const seconds = Math.max(0, (now - ms) / 1000);
  return seconds < 2 ? 'just now' : `${span(seconds)} ago`;
}

/** `in 3 h`, for what is to come. */
export const ahead = (ms, now = Date.now()) => `in ${span(Math.max(0, (ms - now) / 1000))}`;

/** A length of time with the one unit that says most. @param {number} seconds */
export function span(seconds) {
  for (const [unit, length] of [['d', 86_400], ['h', 3_600], ['min', 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

/** 1.5 KiB */
export function bytes(number) {
  for (const [unit, size] of [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]]) {
    if (number >= size) return `${(number / size).toFixed(1)} ${unit}`;
  }
  return `${number} B`;
}

const two = (number) => String(number).padStart(2, '0');
