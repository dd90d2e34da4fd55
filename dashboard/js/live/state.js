// How the tail is, always to be seen: a mark and a few words.

import { html } from '../ui.js';
import { link } from '../router.js';

/** What is said of each state, and the mark beside it. @type {Record<string, [string, string]>} */
const WORDS = {
  connecting: ['wait', 'connecting'],
  history: ['on', 'reading what is stored'],
  live: ['on', 'live'],
  'catching-up': ['wait', 'catching up'],
  'store-only': ['on', 'live, from the store: lines come within a second'],
  'store-away': ['wait', 'live; the store is away, so what it has comes later'],
  reconnecting: ['wait', 'reconnecting; what is missed is filled in'],
  held: ['wait', 'paused; later lines wait until you follow'],
  resting: ['wait', 'waiting until the page is looked at'],
  stopped: ['bad', 'stopped'],
  ended: ['bad', 'ended'],
};

/** Whether lines come as they are written. */
export const isLive = ({ name }) => name === 'live' || name === 'store-only';

/** @param {{state: import('./feed.js').FeedState, isFollowing: boolean, isEmpty: boolean}} props */
export function State({ state, isFollowing, isEmpty }) {
  const [known, words] = WORDS[state.name] ?? ['wait', state.name];
  const mark = isLive(state) && !isFollowing ? 'paused' : known;
  let text = words;
  if (isLive(state) && isEmpty) text = 'live: connected, no logs yet';
  else if (isLive(state) && !isFollowing) text = 'paused; lines still come in';
  return html`<span class="state live-state" role="status">
    <span class=${`dot ${mark}`} aria-hidden="true"></span>
    <span>${text}${state.why && `: ${state.why}`}${state.code && html` <a class="code" href=${link('codes', state.code)}>${state.code}</a>`}</span>
  </span>`;
}
