// The one way to Preact: pages import from here, so that there is one copy of each module and one spelling of its place.

import htm from '../vendor/htm.js';
import { h } from '../vendor/preact.js';

export { h, render, Fragment, Component, createContext, createRef } from '../vendor/preact.js';
export {
  useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from '../vendor/hooks.js';
export {
  batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect,
} from '../vendor/signals.js';

/** Elements as a tagged template: html`<b>${text}</b>`. What is put in becomes text, never markup. */
export const html = htm.bind(h);
