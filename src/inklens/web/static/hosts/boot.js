/**
 * Starts an exported page. Code, look and model stand in it as base85 of gzip; the code is run as an inline module whose
 * hash the page's policy names, so nothing else ever runs here.
 *
 * `inklens.ready` is kept by hosts/page.js, or broken here: then the page that reads without a script is shown again.
 */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%.()*+-;:=,?@^_`{|}~';
const GROUP = 5; // digits for four bytes

function bytesOf(text) {
  const value = new Uint8Array(128);
  for (let i = 0; i < DIGITS.length; i += 1) value[DIGITS.charCodeAt(i)] = i;
  const lacking = (GROUP - (text.length % GROUP)) % GROUP;
  const digits = text + '~'.repeat(lacking);
  const bytes = new DataView(new ArrayBuffer((digits.length / GROUP) * 4));
  for (let i = 0; i < digits.length; i += GROUP) {
    let number = 0;
    for (let k = 0; k < GROUP; k += 1) number = number * 85 + value[digits.charCodeAt(i + k)];
    bytes.setUint32((i / GROUP) * 4, number);
  }
  return bytes.buffer.slice(0, bytes.byteLength - lacking);
}

function unpacked(id) {
  const packed = bytesOf(document.getElementById(id).textContent);
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
  const [code, look, bytes] = await Promise.all(['code', 'look', 'model'].map(unpacked));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(new TextDecoder().decode(look));
  document.adoptedStyleSheets = [sheet];
  globalThis.inklens.start = { ...start, bytes };
  const module = document.createElement('script');
  module.type = 'module';
  module.textContent = new TextDecoder().decode(code);
  document.head.append(module);
} catch (error) {
  start.fail(error);
}
