/**
 * Starts an exported page. Code and model stand in the page as base64 of gzip; the code is run as an inline module whose
 * hash the page's policy names, so nothing else ever runs here.
 *
 * `inklens.ready` is kept by hosts/page.js, or broken here: then the page that reads without a script is shown again.
 */
async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}

const start = {};
const ready = new Promise((keep, fail) => Object.assign(start, { keep, fail }));
globalThis.inklens = { ready };
const stop = (event) => start.fail(event.error ?? new Error(event.message));
addEventListener('error', stop);
ready.then(
  () => removeEventListener('error', stop),
  (error) => {
    document.documentElement.classList.remove('live');
    document.getElementById('trouble').hidden = false;
    document.getElementById('trouble-is').textContent = String(error);
  },
);

try {
  const [code, bytes] = await Promise.all([unpacked('code'), unpacked('model')]);
  globalThis.inklens.start = { ...start, bytes };
  const module = document.createElement('script');
  module.type = 'module';
  module.textContent = new TextDecoder().decode(code);
  document.head.append(module);
} catch (error) {
  start.fail(error);
}
