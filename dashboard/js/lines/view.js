// The list of lines as a part of a page, with the keys that work on it and the help for codes.

import { html, signal, useEffect, useMemo, useRef } from '../ui.js';
import { useKeys } from '../keys.js';
import { copy } from '../notice.js';
import { link } from '../router.js';
import { CodeHelp } from './code.js';
import { openDetail } from './detail.js';
import { LineList } from './list.js';

/**
 * Makes a list for a page; it lives as long as the page does.
 * @param {Omit<ConstructorParameters<typeof LineList>[0], 'openDetail' | 'onCode'> & import('./detail.js').Offers} options
 *   `onState` and `onOlder` of the list, and what a page offers for a line; they may change with each rendering
 */
export function useLines(options) {
  const now = useRef(options);
  now.current = options;
  return useMemo(() => {
    const code = signal('');
    const list = new LineList({
      label: options.label, follow: options.follow, most: options.most, look: options.look,
      onState: (state) => now.current.onState?.(state),
      onOlder: () => now.current.onOlder?.(),
      openDetail: (line, box) => openDetail(line, box, now.current),
      onCode: (name) => { code.value = name; },
    });
    return { list, code, offers: () => now.current };
  }, []);
}

/** @param {{lines: ReturnType<typeof useLines>, children?: any}} props  `children` lie above the list, as a button to its end */
export function LineView({ lines, children }) {
  const host = useRef(null);
  const heads = useRef(null);
  const { list, code, offers } = lines;
  useEffect(() => {
    list.mount(host.current, heads.current);
    return () => list.unmount();
  }, [list]);
  const selected = (act) => () => {
    const line = list.held.at(list.held.indexOf(list.selected));
    if (line) act(line);
  };
  useKeys('Lines', [
    { keys: 'j', does: 'Next line', act: () => list.move(1) },
    { keys: 'k', does: 'Line before', act: () => list.move(-1) },
    { keys: 'ArrowDown', does: '', act: () => list.move(1) },
    { keys: 'ArrowUp', does: '', act: () => list.move(-1) },
    { keys: 'Enter', does: 'Open or close the line', act: selected((line) => list.toggle(line.id)) },
    { keys: 'W', does: 'Wrap this line, or cut it', act: selected((line) => list.turn(line.id)) },
    { keys: 'e', does: 'Show each of equal lines, or one', act: selected((line) => list.unfold(line)) },
    { keys: 'h', does: 'Hide lines like this', act: selected((line) => offers().onHide?.(line)) },
    { keys: 'y', does: 'Copy the message', act: selected((line) => copy(line.message, 'Message')) },
    { keys: 'l', does: 'Copy a link to the line', act: selected((line) => line.boot && offers().linkOf && copy(new URL(offers().linkOf(line), location.href).href, 'Link')) },
    { keys: 'G', does: 'Go to the end', act: () => { list.follow(true); } },
  ]);
  return html`<div class="lines-frame">
    <div class="lines-heads" ref=${heads} aria-hidden="true"></div>
    <div class=${list.look.wrap ? 'lines wrap' : 'lines'} ref=${host}></div>
    ${children}
    ${code.value && html`<${CodeHelp} code=${code.value} close=${() => { code.value = ''; }} />`}
  </div>`;
}

/** The address of a line, in the page of its app. @param {import('../line.js').Line} line */
export const linkOfLine = (line) => link('app', line.app, { at: line.id });
