/** Two models on the same pad: both answers, and where their evidence differs. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { computed, effect, signal } from '../vendor/signals-core.js';
import { between } from '../core.js';
import { largest } from '../canvas.js';
import { MapFigure } from '../maps.js';
import { decimal, percent } from '../texts.js';
import { seen } from '../seen.js';
import { modelBytes } from '../modelfile.js';

/** @param {HTMLElement} root @param {import('../app.js').App} app @returns {() => void} */
export function mountComparing(root, app) {
  const [head, body] = ['about', 'versus'].map((name) => root.appendChild(Object.assign(document.createElement('div'), { className: name })));
  const trouble = signal('');
  const take = async (file) => {
    try {
      app.compare(await modelBytes(file));
      if (app.host.library) app.host.library.beside.value = null;
      check(app);
      trouble.value = '';
    } catch (error) {
      app.compare(null);
      trouble.value = app.t('judge.compare.refused', { name: file.name, problem: error.message });
      app.announce(trouble.value);
    }
  };
  let endBody = () => {};
  const ends = [
    effect(() => render(chooser(app, take, trouble), head)),
    effect(() => {
      endBody();
      body.replaceChildren();
      endBody = app.other.value ? mountVersus(body, app) : () => {};
    }),
  ];
  return () => {
    ends.forEach((end) => end());
    endBody();
  };
}

/** Both models have to know the same pictures. */
function check(app) {
  const [a, b] = [app.model.value, app.other.value];
  if (a.rows !== b.rows || a.cols !== b.cols) {
    throw new Error(app.t('judge.compare.size', { expected: `${a.rows} x ${a.cols}`, got: `${b.rows} x ${b.cols}` }));
  }
}

function chooser(app, take, trouble) {
  const t = (key, values) => app.t(`judge.compare.${key}`, values);
  const drop = (event) => {
    event.preventDefault();
    event.currentTarget.classList.remove('over');
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  };
  return html`<h2>${t('title')}</h2>
    <div class="drop-zone" data-explain="judge.compare"
      @dragover=${(event) => { event.preventDefault(); event.currentTarget.classList.add('over'); }}
      @dragleave=${(event) => event.currentTarget.classList.remove('over')} @drop=${drop}>
      <p>${t(app.host.library ? 'text.studio' : 'text')}</p>
      <div class="row">${app.host.library?.models.value ? kept(app, trouble) : nothing}<label class="button"><input type="file" accept=".html,.htm,.bin" class="hidden" @change=${(event) => { const [file] = event.target.files; if (file) take(file); event.target.value = ''; }}>${t('file')}</label>
        ${app.other.value ? html`<button type="button" class="quiet" @click=${() => (app.host.library ? app.host.library.compare(app, null) : app.compare(null))}>${t('end')}</button>` : nothing}</div>
    </div>
    ${trouble.value ? html`<p class="state error" role="alert">${trouble.value}</p>` : nothing}`;
}

/** A choice among the models that the studio keeps. */
function kept(app, trouble) {
  const { library } = app.host;
  const choose = async (event) => {
    try {
      trouble.value = '';
      await library.compare(app, event.target.value || null);
    } catch (error) {
      trouble.value = error.message;
    }
  };
  const others = library.models.value.filter(({ id }) => id !== library.current.value);
  return html`<select aria-label=${app.t('judge.compare.choose')} @change=${choose}><option value="" .selected=${library.beside.value === null}>${app.t('judge.compare.none')}</option>
    ${others.map(({ id, name }) => html`<option value=${id} .selected=${library.beside.value === id}>${name}</option>`)}</select>`;
}

/** Answers beside each other, and the maps of the same question to both. */
function mountVersus(root, app) {
  const table = document.createElement('div');
  table.className = 'scroll';
  const maps = document.createElement('div');
  maps.className = 'maps-large versus-maps';
  root.append(table, maps);
  const parts = ['a', 'b', 'difference'].map((name) => {
    const figure = maps.appendChild(document.createElement('figure'));
    return new MapFigure(figure, app, { name: `evidence-${name}`, readout: (at) => readout(app, evidence.value, name, at) });
  });
  const evidence = computed(() => contrast(app));
  const ends = [
    seen(table, app, () => render(answers(app), table)),
    seen(maps, app, () => {
      const { maps: values, names } = evidence.value;
      maps.hidden = values === null;
      if (!values) return;
      const scale = Math.max(...values.map(largest));
      parts.forEach((part, i) => {
        part.signed(values[i], scale, 0, { zeros: false });
        const words = app.t(`judge.compare.map.${['a', 'b', 'difference'][i]}`, names);
        part.caption(html`${words} ${part.saving()}`, words);
      });
    }),
  ];
  return () => ends.forEach((end) => end());
}

/** Evidence for the pair of classes by either model, and the difference; null where one does not know both classes. */
function contrast(app) {
  const [model, other] = [app.model.value, app.other.value];
  const [a, b] = app.pair.value;
  const names = { a: model.classes[a], b: model.classes[b] };
  const [theirA, theirB] = [names.a, names.b].map((name) => other?.classes.indexOf(name) ?? -1);
  if (theirA < 0 || theirB < 0) return { names, maps: null };
  const ours = between(model, app.answer.value, a, b, app.weights.value);
  const theirs = between(other, app.otherAnswer.value, theirA, theirB);
  return { names, maps: [ours, theirs, ours.map((value, i) => value - theirs[i])] };
}

function readout(app, { maps, names }, which, at) {
  const { cols } = app.model.value;
  const values = maps?.map((map) => decimal(map[at], 3, app.language.value)) ?? ['', '', ''];
  return app.t('judge.compare.pixel', { row: Math.floor(at / cols), col: at % cols, a: names.a, b: names.b, first: values[0], second: values[1], difference: values[2] });
}

function answers(app) {
  const [model, other] = [app.model.value, app.other.value];
  const [ours, theirs] = [app.answer.value, app.otherAnswer.value];
  if (!other || !theirs) return nothing;
  const lang = app.language.value;
  const names = [...new Set([...model.classes, ...other.classes])];
  const of = (one, given, name) => {
    const k = one.classes.indexOf(name);
    const isBest = k === given.best && !app.isBlank.value;
    return k < 0 ? html`<td>–</td><td>–</td>` : html`<td class=${isBest ? 'best' : ''}>${percent(given.p[k], lang)}</td><td class=${isBest ? 'best' : ''}>${decimal(given.z[k], 2, lang)}</td>`;
  };
  const agrees = model.classes[ours.best] === other.classes[theirs.best];
  return html`<p class="versus-words">${app.isBlank.value ? app.t('answer.blank') : app.t(agrees ? 'judge.compare.agree' : 'judge.compare.differ', { first: model.classes[ours.best], second: other.classes[theirs.best] })}</p>
    <table class="numbers versus-answers"><thead>
      <tr><td></td><th scope="colgroup" colspan="2">${app.t('judge.compare.this')}</th><th scope="colgroup" colspan="2">${app.t('judge.compare.other')}</th></tr>
      <tr><th scope="col">${app.t('bars.class')}</th>${[0, 1].map(() => html`<th scope="col">p</th><th scope="col">z</th>`)}</tr></thead>
    <tbody>${names.map((name) => html`<tr><th scope="row">${name}</th>${of(model, ours, name)}${of(other, theirs, name)}</tr>`)}</tbody>
    <tfoot><tr><th scope="row">${app.t('judge.compare.card')}</th><td colspan="2">${cardOf(app, model)}</td><td colspan="2">${cardOf(app, other)}</td></tr></tfoot></table>`;
}

/** What tells a model from another: what it is fed, its penalty, its accuracy. */
function cardOf(app, { header, features }) {
  const { penalty, accuracy } = header;
  const lang = app.language.value;
  return [
    app.t(`judge.features.${features}`), penalty ? `C = ${penalty.C}${penalty.l1_ratio ? `, L1 ${penalty.l1_ratio}` : ''}` : null,
    accuracy?.test ? app.t('judge.compare.accuracy', { share: percent(accuracy.test, lang) }) : null,
  ].filter(Boolean).map((line) => html`<span class="line">${line}</span>`);
}
