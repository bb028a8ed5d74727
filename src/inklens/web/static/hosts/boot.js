/**
 * Starts an exported page. Code, look and model stand in it as base85 of gzip; the code is run as an inline module whose
 * hash the page's policy names, so nothing else ever runs here.
 *
 * `inklens.ready` is kept by the host whose code this is, or broken here: then the page that reads without a script is
 * shown again.
 */
import { unpacked } from './packed.js';

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

/** Put look and code to work, and leave the model, if the page has one, to the code. */
async function begin() {
  const parts = ['code', 'look', 'model'].filter((id) => document.getElementById(id));
  const [code, look, bytes] = await Promise.all(parts.map(unpacked));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(new TextDecoder().decode(look));
  document.adoptedStyleSheets = [sheet];
  globalThis.inklens.start = { ...start, bytes };
  const module = document.createElement('script');
  module.type = 'module';
  module.textContent = new TextDecoder().decode(code);
  document.head.append(module);
}

begin().catch(start.fail);
