/** The studio's page: the same face, with a server that trains and keeps. */
import { mount } from '../app.js';
import { StudioApi } from '../api.js';
import { Library } from '../library.js';
import { PAGE_VIEWS } from '../views/all.js';
import { train } from '../views/train.js';
import { door } from './door.js';

/** Train stands before Learn: one judges, trains, and reads on. */
const VIEWS = [...PAGE_VIEWS.slice(0, -1), train, ...PAGE_VIEWS.slice(-1)];

const root = document.getElementById('face');
const api = new StudioApi();

try {
  const [{ start }, { models }] = await Promise.all([api.about(), api.models()]);
  const asked = new URLSearchParams(location.hash.slice(1)).get('model');
  const first = models.some(({ id }) => id === asked) ? asked : start;
  const library = new Library(api, first);
  const { bytes } = await library.open(first);
  const app = mount(root, { bytes, host: { kind: 'studio', api, library }, views: VIEWS });
  globalThis.inklens = { ready: Promise.resolve() };
  Object.defineProperties(globalThis.inklens, Object.getOwnPropertyDescriptors(door(app)));
  library.models.value = models;
} catch (error) {
  root.replaceChildren(Object.assign(document.createElement('p'), { className: 'state error', textContent: error.message }));
  root.lastChild.setAttribute('role', 'alert');
}
