/** One row in detail: its ink, why it is read so, probabilities, the nearest flip, and its label to decide on. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { effect, signal, untracked } from '../vendor/signals-core.js';
import { answer as answerOf, between, nearestFlip } from '../core.js';
import { largest, Painter } from '../canvas.js';
import { MapFigure } from '../maps.js';
import { decimal, percent } from '../texts.js';
import { nameOf, showRow } from './rows.js';
import { decide, decisionsOf, DROP } from './relabel.js';

const SHOWN = 3; // most probable classes

/**
 * @param {HTMLElement} root @param {import('../app.js').App} app
 * @param {import('../vendor/signals-core.js').Signal<import('./rows.js').Row | null>} picked
 * @returns {() => void}
 */
export function mountPicked(root, app, picked) {
  const [head, figures, words] = ['about', 'maps-large', 'words'].map((name) => {
    const part = document.createElement('div');
    part.className = name;
    return root.appendChild(part);
  });
  const [inkFigure, whyFigure] = [0, 1].map(() => figures.appendChild(document.createElement('figure')));
  const inkMap = new MapFigure(inkFigure, app, { name: 'digit' });
  const more = root.appendChild(Object.assign(document.createElement('div'), { className: 'told-more' }));
  const told = signal(null);
  let shown = null;
  const whyMap = new MapFigure(whyFigure, app, { name: 'why-answer', readout: (at) => readout(app, shown, at) });
  const ends = [effect(() => render(told.value ? reasons(app, told.value, shown) : nothing, more)), effect(() => {
    const row = picked.value;
    untracked(() => ask(app, row, told, picked));
    root.hidden = row === null;
    more.classList.toggle('is-due', Boolean(app.host.library?.current.value));
    more.classList.toggle('has-voters', votes(app.model.value));
    if (row === null) return;
    shown = study(app, row);
    const { a, b, map, names } = shown;
    inkMap.ink(row.frame);
    whyMap.signed(map, largest(map), 0, { zeros: false });
    inkMap.caption(nameOf(app, row), app.t('judge.picked.ink', { name: nameOf(app, row), label: row.label }));
    whyMap.caption(
      html`${app.t('judge.why.caption', { a: names[a], b: names[b] })} ${whyMap.saving()}`, app.t('judge.why.words', { a: names[a], b: names[b] }),
    );
    render(heading(app, row, shown), head);
    render(html`${probabilities(app, row, shown)}${flip(app, row, shown)}${labelling(app, row)}`, words);
  })];
  return () => ends.forEach((end) => end());
}

/** In the studio: words, and the training digits that vote. What comes for a row that was left is dropped. */
async function ask(app, row, told, picked) {
  told.value = null;
  if (!app.host.library?.current.value || !row) return;
  try {
    const found = await app.host.library.told(row);
    if (picked.value === row) told.value = found;
  } catch (error) {
    if (picked.value === row) app.announce(error.message);
  }
}

/** Only a model with an L2 penalty is a sum over its training rows. */
function votes({ header: { penalty } }) {
  return Boolean(penalty) && penalty.l1_ratio === 0 && penalty.C !== 'inf';
}

function reasons(app, { words, votes: voters }, { a, b, names }) {
  const t = (key, values) => app.t(`judge.told.${key}`, values);
  return html`<h3>${t('words')}</h3>${words.map((line) => html`<p>${line}</p>`)}
    ${voters ? html`<p>${t('votes')}</p>${['for', 'against'].map((side) => html`<h4>${t(side, { a: names[a], b: names[b] })}</h4>
      <ul class="voters">${voters[side].map((voter) => voterOf(app, voter))}</ul>`)}` : nothing}`;
}

function voterOf(app, { label, row, vote, frame }) {
  const { rows, cols } = app.model.value;
  const canvas = document.createElement('canvas');
  const words = app.t('judge.told.vote', { label, row, vote: decimal(vote, 2, app.language.value) });
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', words);
  canvas.title = words;
  new Painter(canvas, rows, cols).ink(frame);
  return html`<li>${canvas}</li>`;
}

/** What the model makes of a row: its answer against the true class, or against the second where it is right. */
function study(app, row) {
  const model = app.model.value;
  const given = answerOf(model, row.frame);
  const truth = model.classes.indexOf(row.label);
  const other = truth >= 0 && truth !== given.best ? truth : given.second;
  return { given, truth, names: model.classes, a: given.best, b: other, map: between(model, given, given.best, other) };
}

function readout(app, { a, b, map, names, given }, at) {
  const { cols } = app.model.value;
  const lang = app.language.value;
  return app.t('judge.why.pixel', {
    row: Math.floor(at / cols), col: at % cols, x: decimal(given.frame[at], 2, lang), product: decimal(map[at], 3, lang), a: names[a], b: names[b],
  });
}

function heading(app, row, { given, names }) {
  const isRight = names[given.best] === row.label;
  return html`<h3>${nameOf(app, row)}</h3><p>${app.t(isRight ? 'judge.picked.right' : 'judge.picked.wrong', {
    label: row.label, answer: names[given.best], share: percent(given.p[given.best], app.language.value),
  })}</p>`;
}

function probabilities(app, row, { given, truth, names }) {
  const lang = app.language.value;
  const classes = given.order.slice(0, SHOWN);
  if (truth >= 0 && !classes.includes(truth)) classes.push(truth);
  return html`<table class="numbers"><thead><tr><th scope="col">${app.t('bars.class')}</th><th scope="col">${app.t('bars.probability')}</th><th scope="col">${app.t('bars.score')}</th></tr></thead>
    <tbody>${classes.map((k) => html`<tr class=${k === given.best ? 'best' : ''}><th scope="row">${names[k]}${k === truth ? html` <span class="true-class">${app.t('judge.picked.true')}</span>` : ''}</th>
      <td>${percent(given.p[k], lang)}</td><td>${decimal(given.z[k], 2, lang)}</td></tr>`)}</tbody></table>`;
}

function flip(app, row, { names, a }) {
  const model = app.model.value;
  if (model.features !== 'pixels') return html`<p>${app.t('judge.picked.flip.searched')} ${toFool(app, row)}</p>`;
  const found = nearestFlip(model, row.frame);
  if (!found) return html`<p>${app.t('judge.picked.flip.none', { answer: names[a] })}</p>`;
  const lang = app.language.value;
  return html`<p>${app.t(found.optimal ? 'judge.picked.flip' : 'judge.picked.flip.open', { target: names[found.target], cost: decimal(found.cost, 2, lang), bound: decimal(found.lowerBound, 2, lang) })}</p>
    <p class="row"><button type="button" class="quiet" @click=${() => { showRow(app, row); app.ghost.value = found; }}>${app.t('judge.picked.flip.show')}</button> ${toFool(app, row)}</p>`;
}

function toFool(app, row) {
  if (!app.views.some(({ key }) => key === 'fool')) return nothing;
  return html`<button type="button" class="link" @click=${() => { showRow(app, row); app.go('fool'); }}>${app.t('judge.picked.fool')}</button>`;
}

/** Keep the label, give another, or leave the row out. */
function labelling(app, row) {
  if (row.index === null) return nothing;
  const { classes } = app.model.value;
  const decisions = decisionsOf(app.model.value);
  const decision = decisions.value.find(({ index }) => index === row.index)?.decision ?? row.label;
  const choose = (event) => {
    decide(decisions, { index: row.index, name: nameOf(app, row), given: row.label, suggested: row.predicted, decision: event.target.value });
    app.announce(app.t('judge.relabel.count', { n: decisions.value.length }));
  };
  const option = (value, words) => html`<option value=${value} ?selected=${value === decision} .selected=${value === decision}>${words}</option>`;
  return html`<p class="labelling" data-explain="judge.relabel"><label>${app.t('judge.relabel.label', { label: row.label })}
    <select @change=${choose}>${option(row.label, app.t('judge.relabel.keep', { label: row.label }))}
      ${classes.filter((name) => name !== row.label).map((name) => option(name, app.t('judge.relabel.as', { label: name })))}
      ${option(DROP, app.t('judge.relabel.drop'))}</select></label></p>`;
}
