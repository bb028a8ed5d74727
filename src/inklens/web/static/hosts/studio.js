/** The studio: models come from the server of this computer, and so does what takes training or Python. */
import { mount } from '../app.js';
import { StudioApi } from '../api.js';
import { Library } from '../library.js';
import { LANGUAGES } from '../texts.js';
import { otherModels } from '../views/others.js';
import { draw } from '../views/draw.js';
import { see } from '../views/see.js';
import { awaited } from '../views/awaited.js';
import { door } from './door.js';

/** What is seen first; hosts/studio_views.js brings the others. */
const VIEWS = [draw, see, ...['fool', 'penalty', 'judge', 'train', 'learn'].map(awaited)];

const outcome = {};
const ready = new Promise((keep, fail) => Object.assign(outcome, { keep, fail }));
ready.catch(() => {}); // what went wrong is shown; whoever waits for it hears it, too
globalThis.inklens = { ready };
start();

async function start() {
  const root = document.getElementById('face');
  try {
    const api = new StudioApi();
    const { id, bytes } = await firstModel(api);
    const library = new Library(api, id);
    const spoken = navigator.language.slice(0, 2);
    const language = spoken in LANGUAGES ? spoken : 'en';
    const app = mount(root, { bytes, language, host: { kind: 'studio', api, library, others: otherModels }, views: VIEWS });
    Object.defineProperties(globalThis.inklens, Object.getOwnPropertyDescriptors(door(app)));
    outcome.keep(globalThis.inklens);
    app.fill((await library.open(library.current.value)).bytes);
    document.head.append(Object.assign(document.createElement('script'), { type: 'module', src: '/views.js' }));
  } catch (error) {
    const words = Object.assign(document.createElement('p'), { className: 'state error', textContent: error.message });
    words.setAttribute('role', 'alert');
    root.replaceChildren(words);
    outcome.fail(error);
  }
}

/** The model that the address names, or the one to begin with, lightly. @param {StudioApi} api */
async function firstModel(api) {
  const asked = new URLSearchParams(location.hash.slice(1)).get('model');
  const first = asked ? null : await api.first();
  if (first) return first;
  const { models } = await api.models();
  const { start: usual } = await api.about();
  const id = models.some((model) => model.id === asked) ? asked : usual;
  if (!id) throw new Error('the studio has no model yet; its terminal says why');
  return { id, bytes: await api.modelBytes(id, { lightly: true }) };
}
