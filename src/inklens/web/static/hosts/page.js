/** The page that `inklens export` writes, and the live output of a notebook: everything is in the page itself. */
import { mount } from '../app.js';
import { door } from './door.js';

const { bytes, keep, fail } = globalThis.inklens.start;
const { kind, language } = document.documentElement.dataset;

try {
  const app = mount(document.getElementById('face'), { bytes, language, host: { kind } });
  Object.defineProperties(globalThis.inklens, Object.getOwnPropertyDescriptors(door(app)));
  keep(globalThis.inklens);
} catch (error) {
  fail(error);
}
