/** A model from a file: bytes for the browser, or a page that `inklens export` wrote. */

const MAX_BYTES = 64e6;

/**
 * Return a model's bytes.
 * @param {File} file @returns {Promise<ArrayBuffer>}
 */
export async function modelBytes(file) {
  if (file.size > MAX_BYTES) throw new Error(`expected at most ${MAX_BYTES / 1e6} MB, got ${Math.ceil(file.size / 1e6)} MB`);
  return /\.html?$/i.test(file.name) ? bytesInPage(await file.text()) : file.arrayBuffer();
}

/** Nothing of the page runs: a parsed document has no scripts that do. */
async function bytesInPage(text) {
  const held = new DOMParser().parseFromString(text, 'text/html').getElementById('model');
  if (!held) throw new Error('expected a page that inklens export wrote, got one without a model');
  const packed = Uint8Array.from(atob(held.textContent), (char) => char.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}
