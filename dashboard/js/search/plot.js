// What charts have in common: the width of their place, the colours of the theme, and when to be drawn anew.

import { useEffect, useState } from '../ui.js';
import { theme } from '../theme.js';

/** A colour, or another value, of the style sheets as it is now. */
export const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** How axes look. */
export function axisLook() {
  const grid = { stroke: styleOf('--rule'), width: 1 };
  return { stroke: styleOf('--dim'), grid, ticks: { ...grid, size: 4 }, font: `11px ${styleOf('--ui') || 'sans-serif'}` };
}

/** The width of an element in pixels; 0 until it is known. */
export function useWidth(ref) {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    seen.observe(ref.current);
    return () => seen.disconnect();
  }, []);
  return width;
}

/** Another text for each look of the page: what is painted with its colours has to be painted again. */
export function useScheme() {
  const [isDark, setIsDark] = useState(matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const media = matchMedia('(prefers-color-scheme: dark)');
    const turn = () => setIsDark(media.matches);
    media.addEventListener('change', turn);
    return () => media.removeEventListener('change', turn);
  }, []);
  return `${theme.value} ${isDark}`;
}
