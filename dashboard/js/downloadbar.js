// What is being downloaded, on each page, and the ways to stop it or to have it written to the disk.

import { html, useEffect } from './ui.js';
import { canWrite, downloads } from './download.js';
import { bytes } from './format.js';

/** From so many bytes on it is offered to write them to the disk as they come. */
const LARGE = 16 * 2 ** 20;

export function Downloads() {
  const all = downloads.value;
  const isAny = all.length > 0;
  useEffect(() => {
    if (!isAny) return undefined;
    // Whoever leaves the page ends it: that is asked.
    const leaves = (event) => event.preventDefault();
    addEventListener('beforeunload', leaves);
    return () => removeEventListener('beforeunload', leaves);
  }, [isAny]);
  if (!isAny) return null;
  return html`<section class="downloads" aria-label="Downloads">${all.map((one) => html`<${One} key=${one.id} one=${one} />`)}</section>`;
}

function One({ one: { name, size, share, isOnDisk, cancel, toDisk } }) {
  const says = `${bytes(size)}${share >= 0 ? `, ${Math.floor(share * 100)} %` : ''}${isOnDisk ? ', to the disk' : ''}`;
  return html`<div class="download">
    <span class="download-name" title=${name}>${name}</span><span class="dim num nowrap">${says}</span>
    <progress class="download-share" aria-label=${`Download of ${name}`} max="1" value=${share >= 0 ? share : undefined}></progress>
    <span class="download-acts">
      ${canWrite() && !isOnDisk && size >= LARGE && html`<button class="button" onClick=${toDisk}>Write to the disk as it comes</button>`}
      <button class="button" onClick=${cancel}>Stop</button>
    </span>
  </div>`;
}
