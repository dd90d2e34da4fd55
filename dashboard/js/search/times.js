// Marks on an axis of time.

import { shortTime } from './state.js';

/** What stands below the marks, in seconds of Unix time: as little as tells them apart. */
export function timeLabelsOf(marks) {
  const step = (marks[1] - marks[0]) || 60;
  return marks.map((mark, n) => {
    const [day, clock] = shortTime(mark * 1000).split(' ');
    const isNewDay = n === 0 ? step >= 43_200 : shortTime(marks[n - 1] * 1000).slice(0, 10) !== day;
    if (isNewDay || step >= 86_400) return day.slice(5);
    return step < 60 ? clock : clock.slice(0, 5);
  });
}

/** The same as uPlot asks for it. */
export const timeLabels = (plot, marks) => timeLabelsOf(marks);
