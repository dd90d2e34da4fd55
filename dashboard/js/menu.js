// A button that opens a list of things to do.

import { html, useEffect, useRef, useState } from './ui.js';
import { Icon } from './icons.js';
import { useKeys } from './keys.js';

/** @param {{label: string, icon: string, items: [string, () => void][]}} props */
export function Menu({ label, icon, items }) {
  const [isOpen, setIsOpen] = useState(false);
  const box = useRef(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    box.current.querySelector('.menu-list button')?.focus();
    const outside = (event) => { if (!box.current?.contains(event.target)) setIsOpen(false); };
    addEventListener('pointerdown', outside);
    addEventListener('focusin', outside);
    return () => {
      removeEventListener('pointerdown', outside);
      removeEventListener('focusin', outside);
    };
  }, [isOpen]);
  const close = () => {
    setIsOpen(false);
    box.current.querySelector('button').focus();
  };
  return html`<div class="menu" ref=${box}>
    <button class="button" aria-expanded=${isOpen} aria-label=${label} title=${label} onClick=${() => setIsOpen(!isOpen)}><${Icon} name=${icon} /></button>
    ${isOpen && html`<div class="menu-list"><${MenuKeys} close=${close} box=${box} />
      ${items.map(([title, act]) => html`<button key=${title} onClick=${() => { close(); act(); }}>${title}</button>`)}</div>`}
  </div>`;
}

/** Arrows go through the list. */
function MenuKeys({ close, box }) {
  const move = (by) => {
    const all = [...box.current.querySelectorAll('.menu-list button')];
    all[(all.indexOf(document.activeElement) + by + all.length) % all.length].focus();
  };
  useKeys('Menu', [
    { keys: 'Escape', does: 'Close', typing: true, act: close },
    { keys: 'ArrowDown', does: '', act: () => move(1) },
    { keys: 'ArrowUp', does: '', act: () => move(-1) },
  ]);
  return null;
}
