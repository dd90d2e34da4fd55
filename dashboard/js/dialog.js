// A dialog: the browser's own, which keeps the focus inside and gives it back.

import { html, useContext, useEffect, useRef } from './ui.js';
import { Icon } from './icons.js';
import { Depth } from './keys.js';

/** @param {{title: string, close: () => void, wide?: boolean, children: any}} props */
export function Dialog({ title, close, wide = false, children }) {
  const ref = useRef(null);
  const depth = useContext(Depth);
  useEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const isBeside = (event) => { if (event.target === ref.current) close(); };
  const cancelled = (event) => { event.preventDefault(); close(); };
  return html`<dialog ref=${ref} class=${wide ? 'dialog wide' : 'dialog'} aria-label=${title} onClick=${isBeside} onCancel=${cancelled}>
    <div class="dialog-in">
      <header class="dialog-head">
        <h2>${title}</h2>
        <button class="button bare" onClick=${close} aria-label="Close"><${Icon} name="close" /></button>
      </header>
      <${Depth.Provider} value=${depth + 1}>${children}<//>
    </div>
  </dialog>`;
}
