/** What the model on the pad cannot do, another of the studio's can: a button each, or word of one that is on its way. */
import { html } from '../vendor/lit-html.js';
import { signal, untracked } from '../vendor/signals-core.js';
import { addTexts } from '../texts.js';
import { others as texts } from '../texts/others.js';

addTexts('others', texts);

/** What is asked of a model, as the studio lists it, and the job that gives it. */
const ASKED = {
  pixels: { has: ({ features }) => features === 'pixels', kinds: ['fit'] },
  samples: { has: ({ origin }) => ['starter', 'fit'].includes(origin), kinds: ['fit'] }, // the studio has their rows
  path: { has: ({ has_path: hasPath }) => hasPath, kinds: ['path', 'fit'] },
};
const MOST = 3; // that are offered, the latest first
const AGAIN_MS = 5000; // a studio that starts puts its first fit in line some seconds after its first page
const TRIES = 12;

/**
 * @param {import('../app.js').App} app @param {keyof typeof ASKED} what
 * @returns {() => unknown} its template, to be called in an effect
 */
export function otherModels(app, what) {
  const { library } = app.host;
  const state = signal('unasked');
  return () => {
    if (state.value === 'unasked') untracked(() => follow(library, what, state));
    const found = able(library, what);
    return html`<div class="row others" data-explain="others.model">${found.length
      ? found.slice(-MOST).reverse().map(({ id, name }) => html`<button type="button" class="primary" @click=${() => library.use(app, id)}>${app.t('others.use', { name })}</button>`)
      : state.value === 'known'
        ? html`<button type="button" @click=${() => app.go('train')}>${app.t('others.train')}</button>`
        : html`<span class="state" role="status">${app.t('others.coming')}</span>`}</div>`;
  };
}

/** Models of the studio that can, but for the one on the pad. @param {import('../library.js').Library} library @param {keyof typeof ASKED} what */
function able(library, what) {
  return (library.models.value ?? []).filter((entry) => ASKED[what].has(entry) && entry.id !== library.current.value);
}

/** Load the list of models, and again after each job that may bring one, until one can do it or none is to be expected. */
async function follow(library, what, state) {
  state.value = 'asking';
  try {
    for (let tried = 0; tried < TRIES; tried += 1) {
      await library.refreshModels();
      if (able(library, what).length) break;
      const { jobs } = await library.api.jobs();
      const job = jobs.find((known) => ASKED[what].kinds.includes(known.kind) && ['waiting', 'running'].includes(known.state));
      state.value = job || !tried ? 'asking' : 'known'; // the way to Train, until one comes after all
      await (job ? library.ended(Promise.resolve(job)) : new Promise((done) => { setTimeout(done, AGAIN_MS); }));
    }
  } catch { // the job failed, or the studio has gone: both are told where they are at home
  }
  state.value = 'known';
}
