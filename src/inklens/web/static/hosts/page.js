/** The page that `inklens export` writes, and the live output of a notebook: everything is in the page itself. */
import { mount } from '../app.js';
import { PAGE_VIEWS } from '../views/all.js';
import { door } from './door.js';

const { bytes, keep, fail } = globalThis.inklens.start;
const { kind, language } = document.documentElement.dataset;

try {
  const app = mount(document.getElementById('face'), { bytes, language, host: { kind }, views: PAGE_VIEWS });
  Object.defineProperties(globalThis.inklens, Object.getOwnPropertyDescriptors(door(app)));
  if (window.parent !== window) tellHeight();
  keep(globalThis.inklens);
} catch (error) {
  fail(error);
}

/** Tell the page round this frame how high it wants to be. */
function tellHeight() {
  const tell = () => parent.postMessage({ inklens: 'height', height: document.body.scrollHeight }, '*');
  new ResizeObserver(tell).observe(document.body);
}
