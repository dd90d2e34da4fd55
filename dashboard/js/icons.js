// Small drawings, in the colour of the text around them. Next to a word, or on a button that has a name of its own.

import { html } from './ui.js';

/** Lines on a grid of 16. */
const PATHS = {
  apps: 'M2.500 2.500h4.500v4.500h-4.500zM9 2.500h4.500v4.500h-4.500zM2.500 9h4.500v4.500h-4.500zM9 9h4.500v4.500h-4.500z',
  search: 'M7 2.500a4.500 4.500 0 1 0 0 9a4.500 4.500 0 1 0 0 -9zM10.500 10.500l3.500 3.500',
  health: 'M1.500 8h3l2 -5l3 10l2 -5h3',
  codes: 'M5 4l-3.500 4l3.500 4M11 4l3.500 4l-3.500 4M9 3l-2 10',
  tokens: 'M5.500 7.500a3 3 0 1 0 0 6a3 3 0 1 0 0 -6zM7.700 8.300l5.800 -5.800M11 5l2 2',
  auto: 'M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 1 1 0 12',
  light: 'M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0 -6zM8 1v1.500M8 13.500v1.500M1 8h1.500M13.500 8h1.500M3 3l1 1M12 12l1 1M3 13l1 -1M12 4l1 -1',
  dark: 'M13.500 9.500a6 6 0 1 1 -7 -7a5 5 0 0 0 7 7z',
  out: 'M6 2.500h-3.500v11h3.500M10 5l3 3l-3 3M13 8h-7',
  help: 'M5.800 6a2.200 2.200 0 1 1 3.200 2c-.7 .4 -1 .8 -1 1.700M8 12v.1M8 1.500a6.500 6.500 0 1 0 0 13a6.500 6.500 0 1 0 0 -13z',
  pause: 'M5.500 3v10M10.500 3v10',
  play: 'M4.500 3l8 5l-8 5z',
  wrap: 'M2 4h12M2 8h9.500a2.200 2.200 0 0 1 0 4.500h-3M10 10.500l-2 2l2 2M2 12.500h3',
  down: 'M8 2.500v8M4.500 7l3.500 3.500l3.500 -3.500M2.500 13.500h11',
  refresh: 'M13.500 8a5.500 5.500 0 1 1 -1.700 -4M13.500 1.500v3h-3',
  copy: 'M5.500 5.500h8v8h-8zM3 10.500h-.5v-8h8v.5',
  anchor: 'M6.500 9.500l3 -3M7 4.500l1.500 -1.500a2.800 2.800 0 0 1 4 4l-1.500 1.500M9 11.500l-1.500 1.500a2.800 2.800 0 0 1 -4 -4l1.500 -1.500',
  close: 'M3.500 3.500l9 9M12.500 3.500l-9 9',
  machine: 'M2.500 3h11v4.500h-11zM2.500 8.500h11v4.500h-11zM5 5.200h.1M5 10.700h.1',
  menu: 'M2 4h12M2 8h12M2 12h12',
  columns: 'M2 3h12v10h-12zM6 3v10M10 3v10',
  hide: 'M2 8c2.500 -4.500 9.500 -4.500 12 0c-2.500 4.500 -9.500 4.500 -12 0zM2.500 13.500l11 -11',
  more: 'M3.500 8h.1M8 8h.1M12.500 8h.1',
};

/** @param {{name: keyof typeof PATHS}} props */
export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" />
  </svg>`;
