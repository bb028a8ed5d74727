/** A model from a file: bytes for the browser, or a page that `inklens export` wrote. */
import { inflated } from './hosts/packed.js';

const MAX_BYTES = 64e6;

/**
 * Return a model's bytes.
 * @param {File} file @returns {Promise<ArrayBuffer>}
 */
export async function modelBytes(file) {
  if (file.size > MAX_BYTES) throw new Error(`expected at most ${MAX_BYTES / 1e6} MB, got ${Math.ceil(file.size / 1e6)} MB`);
  return /\.html?$/i.test(file.name) ? bytesInPage(await file.text()) : file.arrayBuffer();
}

/** The page is read as text: nothing of it runs. */
async function bytesInPage(text) {
  const [, packed] = text.match(/<script type="application\/gzip" id="model">([^<]+)<\/script>/) ?? [];
  if (!packed) throw new Error('expected a page that inklens export wrote, got one without a model');
  return inflated(packed);
}
