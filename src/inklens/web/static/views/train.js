/** Train: fit models of your own, watch the bound close, keep and compare them, and add your own digits. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';
import { addBlock } from '../block.js';
import { percent } from '../texts.js';
import { train as texts } from '../texts/train.js';
import { change, formOf, parametersOf, plan } from './train-form.js';
import { gapText } from '../points.js';
import { mountRun, Run } from './train-job.js';
import { hintsOf } from './train-hints.js';
import { modelsTable } from './train-models.js';
import { digitsOf } from './train-digits.js';

/** Runs outlive the view, one for each app. @type {WeakMap<object, Session>} */
const sessions = new WeakMap();

/**
 * @typedef {{
 *   run: Run, before: import('../vendor/signals-core.js').Signal<object | null>,
 *   after: import('../vendor/signals-core.js').Signal<object | null>, trouble: import('../vendor/signals-core.js').Signal<string>,
 *   fetching: import('../vendor/signals-core.js').Signal<string>
 * }} Session
 *   decoded models: the one on the pad when a fit began, and the one that it made
 */

export const train = {
  key: 'train',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const { library } = app.host;
    const section = (name) => addBlock(root, 'train', name);
    const [intro, form, run, outcome, digits, models] = ['intro', 'planning', 'run', 'outcome', 'digits', 'kept'].map(section);
    const session = sessionOf(app);
    const asked = signal(null);
    const label = signal(null);
    const attempt = async (work) => {
      session.trouble.value = '';
      try {
        await work();
      } catch (error) {
        session.trouble.value = error.message;
        app.announce(error.message);
      }
    };
    const fit = (changes = {}) => attempt(async () => {
      session.before.value = app.model.value;
      session.after.value = null;
      await session.run.start(parametersOf({ ...plan.value, ...changes }), (job) => finish(app, session, job));
    });
    if (library.models.value === null) attempt(() => library.refresh());
    render(html`<h1>${app.t('train.title')}</h1><p class="lead">${app.t('train.lead')}</p>`, intro);
    const ends = [
      effect(() => render(formOf(app, {
        submit: () => fit(), busy: session.run.isRunning.value, datasets: library.datasets.value, nDigits: library.digits.value?.length ?? 0, trouble: session.trouble.value,
        fetching: session.fetching.value,
        bring: (file) => attempt(() => bringData(app, session, file)),
        fetchOpenml: (name) => attempt(() => fetchData(app, session, name)),
      }), form)),
      mountRun(run, app, session.run),
      effect(() => {
        const job = session.run.job.value;
        outcome.hidden = job === null || ['failed', 'died'].includes(job.state);
        if (!outcome.hidden) render(session.after.value ? outcomeOf(app, session, form) : html`<h2>${app.t('train.done')}</h2><p class="state">${app.t('train.done.later')}</p>`, outcome);
      }),
      effect(() => render(digitsOf(app, library, {
        attempt, label: label.value, choose: (name) => { label.value = name; }, busy: session.run.isRunning.value,
        before: session.after.value ? session.before.value : app.model.value, after: session.after.value,
        refit: () => { fit({ digits: true }); run.scrollIntoView({ block: 'start' }); },
      }), digits)),
      effect(() => render(modelsTable(app, library, { attempt, asked: asked.value, ask: (id) => { asked.value = id; } }), models)),
    ];
    return () => ends.forEach((end) => end());
  },
};

/** @returns {Session} */
function sessionOf(app) {
  if (!sessions.has(app)) sessions.set(app, { run: new Run(app.host.library.api), before: signal(null), after: signal(null), trouble: signal(''), fetching: signal('') });
  return sessions.get(app);
}

async function bringData(app, session, file) {
  session.fetching.value = app.t('train.data.reading', { name: file.name });
  try {
    await chooseData(app, (await app.host.library.api.addDataset(file, file.name.replace(/\.\w+$/, ''))).spec);
  } finally {
    session.fetching.value = '';
  }
}

/** Follow a download to its end. */
async function fetchData(app, session, name) {
  const { library } = app.host;
  const tell = (done) => { session.fetching.value = app.t('train.data.fetching', { name, done }); };
  tell('');
  try {
    const job = await library.ended(library.api.addOpenml(name), ({ done, total }) => tell(total ? percent(done / total, app.language.value) : ''));
    await chooseData(app, job.result?.spec ?? name);
  } finally {
    session.fetching.value = '';
  }
}

async function chooseData({ host: { library } }, spec) {
  library.datasets.value = (await library.api.datasets()).datasets;
  change({ data: spec });
}

/** A job has ended: its model, whole or the best so far, goes on the pad. */
async function finish(app, session, job) {
  const { library } = app.host;
  if (job.state === 'failed' || job.state === 'died') return app.announce(job.error?.detail ?? app.t(`train.state.${job.state}`));
  if (!job.model) return undefined;
  try {
    await library.refreshModels();
    await library.use(app, job.model);
    session.after.value = (await library.open(job.model)).model;
    app.announce(app.t('train.done.spoken'));
  } catch (error) {
    session.trouble.value = error.message;
  }
  return undefined;
}

/** What the fit proved, and what to try next. */
function outcomeOf(app, session, form) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const { header } = session.after.value;
  const { certificate, accuracy } = header;
  const lang = app.language.value;
  const entry = app.host.library.models.value?.find(({ id }) => id === session.run.job.value?.model);
  const apply = (changes) => {
    change(changes);
    form.scrollIntoView({ block: 'start' });
    form.querySelector('button[type=submit]').focus({ preventScroll: true });
  };
  const hints = hintsOf(header, entry?.data.train && entry.data.test ? entry.data : null, lang);
  return html`<h2>${t('done')}</h2>
    ${certificate ? html`<p>${t(`proof.${certificate.status}`, { gap: gapText(certificate.relative_gap, app.language.value) })}</p>` : nothing}
    ${accuracy?.test != null ? html`<p>${t('done.accuracy', { train: percent(accuracy.train, lang), test: percent(accuracy.test, lang) })} ${t('done.pad')}</p>` : nothing}
    <ul class="proof-hints">${hints.map(({ key, text, values, apply: changes }) => html`<li><strong>${app.t(text, values)}</strong><details><summary>${app.t('hint.why')}</summary><p>${app.t(`${text}.why`, values)}</p></details>
      ${changes ? html`<button type="button" class="quiet" @click=${() => apply(changes)}>${t(`hint.${key}.plan`)}</button>` : nothing}</li>`)}</ul>`;
}
