/** Labels to doubt, what a person decides on them, and the fit that follows from it. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';
import { answer as answerOf } from '../core.js';
import { decimal, percent } from '../texts.js';
import { download } from '../save.js';
import { sampleRows } from './rows.js';
import { thumbs } from './thumbs.js';
import { decide, decisionsOf, DROP, relabelText } from './relabel.js';

const MOST_SUSPECTS = 12; // samples whose labels are doubted, shown at once
const MOST_FOUND = 60; // training rows, the same
const DOUBTED_FROM = 0.8; // probability of another class from which a label is worth a look
const RELABEL_FILE = 'relabel.csv';

/**
 * @typedef {{ state: 'idle' | 'running' | 'found' | 'failed', words?: string, rows?: import('./rows.js').Row[], of?: number }} Search
 *   of training rows by models that did not see them
 */

/** Searches outlive the view: they belong to a model. @type {WeakMap<object, { search: import('../vendor/signals-core.js').Signal<Search>, refit: import('../vendor/signals-core.js').Signal<string> }>} */
const kept = new WeakMap();

function keptFor(model) {
  if (!kept.has(model)) kept.set(model, { search: signal({ state: 'idle' }), refit: signal('') });
  return kept.get(model);
}

/**
 * @param {HTMLElement} root @param {import('../app.js').App} app @param {import('./rows.js').Judged} judged
 * @param {import('../vendor/signals-core.js').Signal<import('./rows.js').Row | null>} picked @param {() => void} chosen
 * @returns {() => void}
 */
export function mountLabels(root, app, judged, picked, chosen) {
  const [among, search, decisions] = [0, 1, 2].map(() => root.appendChild(document.createElement('div')));
  const ends = [
    effect(() => render(heldOut(app, judged, picked, chosen), among)),
    effect(() => render(app.host.library ? searching(app, picked, chosen) : nothing, search)),
    effect(() => render(decided(app, judged), decisions)),
  ];
  return () => ends.forEach((end) => end());
}

/** Samples that the model reads surely as something else: is it the model or the label that is wrong? */
function heldOut(app, { half }, picked, chosen) {
  const model = app.model.value;
  const found = model.samples ? suspects(model) : [];
  const note = ({ label, predicted }) => app.t('judge.labels.or', { label, answer: predicted });
  return html`<h2>${app.t('judge.labels.title')}</h2>
    <p>${app.t(found.length ? 'judge.labels.text' : 'judge.labels.none', { share: percent(DOUBTED_FROM, app.language.value) })} ${half === 'test' ? app.t('judge.labels.test') : nothing}</p>
    ${thumbs(app, found, picked, { note, chosen })}`;
}

/** Return rows that are read surely as another class than their label, the surest first; kept with the model. */
function suspects(model) {
  if (!doubted.has(model)) {
    const sure = (row) => Math.max(...answerOf(model, row.frame).p);
    const wrong = sampleRows(model).filter(({ label, predicted }) => label !== predicted).map((row) => ({ row, p: sure(row) }));
    const ranked = wrong.filter(({ p }) => p >= DOUBTED_FROM).sort((a, b) => b.p - a.p);
    doubted.set(model, ranked.slice(0, MOST_SUSPECTS).map(({ row }) => row));
  }
  return doubted.get(model);
}

/** @type {WeakMap<object, import('./rows.js').Row[]>} */
const doubted = new WeakMap();

/** Training rows, each judged by a model that was fitted without it: a job of the studio. */
function searching(app, picked, chosen) {
  const t = (key, values) => app.t(`judge.search.${key}`, values);
  const { search } = keptFor(app.model.value);
  const { state, words, rows = [], of } = search.value;
  const start = async () => {
    search.value = { state: 'running', words: '' };
    try {
      const progress = ({ what, seconds }) => { search.value = { state: 'running', words: t('now', { what, seconds: decimal(seconds, 0, app.language.value) }) }; };
      const found = await app.host.library.doubts(progress);
      search.value = { state: 'found', rows: found.rows, of: found.of };
      app.announce(t('found', { n: found.rows.length, of: found.of }));
    } catch (error) {
      search.value = { state: 'failed', words: error.message };
    }
  };
  const note = ({ label, predicted }) => app.t('judge.labels.or', { label, answer: predicted });
  return html`<h3>${t('title')}</h3><p>${t('text')}</p>
    <p class="row">${state === 'running' ? html`<span class="state" role="status">${words || t('running')}</span>` : html`<button type="button" class="quiet" data-explain="judge.search" @click=${start}>${t(state === 'found' ? 'again' : 'start')}</button>`}
      ${state === 'failed' ? html`<span class="state error" role="alert">${words}</span>` : nothing}</p>
    <div class="found-doubts" tabindex="0" role="region" aria-label=${t('title')}>${state === 'found' ? html`<p>${t('found', { n: rows.length, of })}</p>${thumbs(app, rows.slice(0, MOST_FOUND), picked, { note, chosen })}` : html`<p class="state">${t('place')}</p>`}</div>`;
}

/** What was decided, and what follows from it: a file and a command, or in the studio a fit. */
function decided(app, { data }) {
  const decisions = decisionsOf(app.model.value);
  if (decisions.value.length === 0) return nothing;
  const words = ({ decision }) => (decision === DROP ? app.t('judge.relabel.dropped') : decision);
  return html`<h3>${app.t('judge.relabel.title')}</h3>
    <div class="scroll"><table class="numbers"><thead><tr>${['row', 'given', 'decision'].map((key) => html`<th scope="col">${app.t(`judge.relabel.${key}`)}</th>`)}<td></td></tr></thead>
    <tbody>${decisions.value.map((one) => html`<tr><th scope="row">${one.name}</th><td>${one.given}</td><td>${words(one)}</td>
      <td><button type="button" class="link" @click=${() => decide(decisions, { ...one, decision: one.given })}>${app.t('judge.relabel.undo')}</button></td></tr>`)}</tbody></table></div>
    ${app.host.library ? refitting(app, decisions.value) : nothing}
    ${data ? html`<p>${app.t('judge.relabel.then')}</p><p><code>inklens labels model.inklens --refit ${RELABEL_FILE} -o corrected.inklens</code></p>
      <p><button type="button" class=${app.host.library ? 'quiet' : ''} @click=${() => download(RELABEL_FILE, relabelText(decisions.value, data), 'text/csv')}>${app.t('judge.relabel.save')}</button></p>` : nothing}`;
}

/** Fit again with the decisions; the model before stays beside the new one. */
function refitting(app, decisions) {
  const { refit } = keptFor(app.model.value);
  const start = async () => {
    refit.value = app.t('judge.refit.running');
    try {
      await app.host.library.refit(app, decisions.map(({ index, decision }) => ({ row: index, label: decision === DROP ? null : decision })));
      app.announce(app.t('judge.refit.done'));
      refit.value = '';
    } catch (error) {
      refit.value = error.message;
    }
  };
  const isRunning = refit.value === app.t('judge.refit.running');
  return html`<p class="row"><button type="button" class="primary" ?disabled=${isRunning} @click=${start}>${app.t('judge.refit')}</button> <span class="state" role="status">${refit.value || app.t('judge.refit.is')}</span></p>`;
}
