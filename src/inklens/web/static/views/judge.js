/** Judge: how well a model does, on which digits it fails, what they look like, and whether a label is to blame. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';
import { Painter } from '../canvas.js';
import { answer as answerOf } from '../core.js';
import { decimal, percent } from '../texts.js';
import { download, saveCsv, saveJson, saveSvg } from '../save.js';
import { accuracyOf, byRecall, classNumbers, frequentMistakes } from './judged.js';
import { intervalChart } from './intervals.js';
import { matrixTable } from './matrix.js';
import { mountPicked } from './picked.js';
import { mountComparing } from './comparing.js';
import { judgedSamples, nameOf, sampleRows, showRow } from './rows.js';
import { decide, decisionsOf, DROP, relabelText } from './relabel.js';
import { judge as texts } from '../texts/judge.js';

const MOST_SUSPECTS = 12; // samples whose labels are doubted, shown at once
const DOUBTED_FROM = 0.8; // probability of another class from which a label is worth a look
const RELABEL_FILE = 'relabel.csv';

export const judging = {
  key: 'judge',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const section = (name) => root.appendChild(Object.assign(document.createElement('section'), { className: `block ${name}` }));
    const intro = section('intro');
    let endBody = () => {};
    const body = section('judged');
    const ends = [
      effect(() => {
        const judged = judgedSamples(app.model.value);
        render(introduction(app, judged), intro);
        endBody();
        body.replaceChildren();
        endBody = judged ? mountJudged(body, app, judged) : () => {};
      }),
      mountComparing(section('compare'), app),
    ];
    return () => {
      ends.forEach((end) => end());
      endBody();
    };
  },
};

function introduction(app, judged) {
  const title = html`<h1>${app.t('judge.title')}</h1>`;
  if (!judged) return html`${title}<p class="lead">${app.t('judge.lead')}</p><div class="empty"><p>${app.t('judge.none')}</p><p><code>inklens export model.inklens -o page.html</code></p></div>`;
  const lang = app.language.value;
  const { count, of, share, low, high } = accuracyOf(judged.confusion);
  return html`${title}<p class="lead">${app.t('judge.lead')}</p>
    <p class="accuracy" data-explain="judge.interval"><strong>${percent(share, lang)}</strong>
      <span>${app.t('judge.accuracy', { count, of, half: app.t(`judge.half.${judged.half}`), low: percent(low, lang), high: percent(high, lang) })}</span></p>`;
}

/** Everything that follows from the samples of one model. */
function mountJudged(root, app, judged) {
  const part = (name) => root.appendChild(Object.assign(document.createElement('section'), { className: `block ${name}` }));
  const [confusion, pickedRoot, words, labels, numbers] = ['confusion', 'picked', 'in-words', 'labels', 'per-class'].map(part);
  const [worst] = frequentMistakes(judged.confusion, 1);
  if (!app.cell.peek()) app.cell.value = worst ? { t: worst.t, p: worst.p } : { t: 0, p: 0 };
  const state = { cell: app.cell, picked: signal(null), shares: signal(false) };
  const ends = [
    mountConfusion(confusion, app, judged, state),
    mountPicked(pickedRoot, app, state.picked),
    effect(() => render(inWords(app, judged, (cell) => open(state, cell, confusion)), words)),
    effect(() => render(doubtful(app, judged, state, pickedRoot), labels)),
    mountNumbers(numbers, app, judged),
  ];
  return () => ends.forEach((end) => end());
}

/** Open a cell from elsewhere on the page, and bring it into sight. */
function open(state, cell, place) {
  state.cell.value = cell;
  state.picked.value = null;
  place.scrollIntoView({ block: 'start' });
  place.querySelector(`[data-at="${cell.t},${cell.p}"]`)?.focus({ preventScroll: true });
}

// ---------------------------------------------------------------------------------------------------- confusion

function mountConfusion(root, app, judged, state) {
  const [head, table, cell] = ['about', 'matrix-holder', 'cell-rows'].map((name) => Object.assign(document.createElement('div'), { className: name }));
  const both = Object.assign(document.createElement('div'), { className: 'confusion-parts' });
  both.append(table, cell);
  root.append(head, both);
  const t = (key, values) => app.t(`judge.${key}`, values);
  const ends = [
    effect(() => render(html`<h2>${t('matrix.title')}</h2><p>${t('matrix.text')}</p>
      <div class="controls"><div class="row" role="group" aria-label=${t('matrix.unit')} data-explain="judge.unit">
        ${[false, true].map((shares) => html`<button type="button" class="quiet" aria-pressed=${String(state.shares.value === shares)} @click=${() => { state.shares.value = shares; }}>${t(shares ? 'matrix.shares' : 'matrix.counts')}</button>`)}</div>
        <span class="saving">${saveMatrix(app, judged)}</span></div>`, head)),
    effect(() => render(matrixTable(app, {
      confusion: judged.confusion, cell: state.cell.value, shares: state.shares.value,
      open: (chosen) => { state.cell.value = chosen; state.picked.value = null; },
    }), table)),
    effect(() => {
      const { t: truth, p } = state.cell.value;
      render(cellRows(app, judged, state, judged.cell(truth, p)), cell);
    }),
  ];
  return () => ends.forEach((end) => end());
}

function saveMatrix(app, { confusion, half }) {
  const { classes } = app.model.value;
  const csv = () => saveCsv('confusion', [[app.t('judge.matrix.corner'), ...classes], ...confusion.map((row, k) => [classes[k], ...row])]);
  return html`<button type="button" class="link" @click=${csv}>CSV</button>
    <button type="button" class="link" @click=${() => saveJson('confusion', { classes, half, confusion })}>JSON</button>
    <span class="hidden">${app.t('judge.matrix.save')}</span>`;
}

/** The images of the open cell; choosing one puts it on the pad. */
function cellRows(app, judged, state, { total, rows }) {
  const { classes } = app.model.value;
  const { t: truth, p } = state.cell.value;
  const names = { true: classes[truth], answer: classes[p] };
  const kind = total === 0 ? 'none' : rows.length === total ? 'all' : rows.length ? 'some' : 'unshown';
  return html`<h3>${app.t(truth === p ? 'judge.cell.right' : 'judge.cell.mistake', names)}</h3>
    <p>${app.t(`judge.cell.${kind}`, { total, shown: rows.length })}</p>
    ${thumbs(app, rows, state)}
    ${rows.length ? html`<p class="state">${app.t('judge.cell.choose')}</p>` : nothing}`;
}

function thumbs(app, rows, state, note = null) {
  const model = app.model.value;
  return html`<ul class="thumbs">${rows.map((row) => {
    const { p, best } = answerOf(model, row.frame);
    const share = percent(p[best], app.language.value);
    const words = app.t('judge.thumb', { name: nameOf(app, row), label: row.label, answer: model.classes[best], share });
    return html`<li><button type="button" class="thumb" aria-label=${words} title=${words} aria-pressed=${String(state.picked.value?.row === row.row && state.picked.value?.half === row.half)}
      @click=${() => { state.picked.value = row; showRow(app, row); }}>${picture(row, model)}<span>${note ? note(row, model.classes[best]) : share}</span></button></li>`;
  })}</ul>`;
}

/** Pictures are kept: a list is rendered anew at every choice. @type {WeakMap<object, HTMLCanvasElement>} */
const pictures = new WeakMap();

function picture(row, { rows, cols }) {
  let canvas = pictures.get(row);
  if (!canvas) {
    canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    new Painter(canvas, rows, cols).ink(row.frame);
    pictures.set(row, canvas);
  }
  return canvas;
}

// ---------------------------------------------------------------------------------------------------- words, labels

function inWords(app, { confusion }, openCell) {
  const { classes } = app.model.value;
  const lang = app.language.value;
  const numbers = classNumbers(confusion);
  const ranked = byRecall(confusion);
  const most = Math.min(3, Math.floor(ranked.length / 2));
  const listed = (keys) => new Intl.ListFormat(lang).format(keys.map((k) => app.t('judge.words.class', { class: classes[k], share: percent(numbers[k].recall.share, lang) })));
  const mistakes = frequentMistakes(confusion);
  return html`<h2>${app.t('judge.words.title')}</h2>
    ${most ? html`<p>${app.t('judge.words.easy', { list: listed(ranked.slice(0, most)) })} ${app.t('judge.words.hard', { list: listed(ranked.slice(-most).reverse()) })}</p>` : nothing}
    ${mistakes.length === 0 ? html`<p>${app.t('judge.words.perfect')}</p>` : html`<p>${app.t('judge.words.mistakes')}</p>
    <ul class="mistakes">${mistakes.map(({ t, p, count }) => html`<li><button type="button" class="quiet" @click=${() => openCell({ t, p })}>${app.t(count === 1 ? 'judge.words.once' : 'judge.words.mistake', { true: classes[t], answer: classes[p], count })}</button></li>`)}</ul>`}`;
}

/** Samples that the model reads surely as something else: is it the model or the label that is wrong? */
function doubtful(app, judged, state, pickedRoot) {
  const model = app.model.value;
  const { samples } = model;
  const found = suspects(model);
  const decisions = decisionsOf(model);
  const note = (row, answer) => app.t('judge.labels.or', { label: row.label, answer });
  const shown = { picked: { get value() { return state.picked.value; }, set value(row) { state.picked.value = row; pickedRoot.scrollIntoView({ block: 'nearest' }); } } };
  return html`<h2>${app.t('judge.labels.title')}</h2>
    <p>${app.t(found.length ? 'judge.labels.text' : 'judge.labels.none', { share: percent(DOUBTED_FROM, app.language.value) })} ${samples.half === 'test' ? app.t('judge.labels.test') : nothing}</p>
    ${thumbs(app, found, shown, note)}
    ${decisions.value.length ? decided(app, judged, decisions) : nothing}`;
}

/** Return rows that are read surely as another class than their label, the surest first; kept with the model. */
function suspects(model) {
  if (!doubted.has(model)) {
    const sure = (row) => Math.max(...answerOf(model, row.frame).p);
    const ranked = sampleRows(model).filter(({ label, predicted }) => label !== predicted).map((row) => ({ row, p: sure(row) })).filter(({ p }) => p >= DOUBTED_FROM).sort((a, b) => b.p - a.p);
    doubted.set(model, ranked.slice(0, MOST_SUSPECTS).map(({ row }) => row));
  }
  return doubted.get(model);
}

/** @type {WeakMap<object, import('./rows.js').Row[]>} */
const doubted = new WeakMap();

/** What was decided, the file that says so, and what to run with it. */
function decided(app, { data }, decisions) {
  const words = ({ decision }) => (decision === DROP ? app.t('judge.relabel.dropped') : decision);
  return html`<h3>${app.t('judge.relabel.title')}</h3>
    <div class="scroll"><table class="numbers"><thead><tr>${['row', 'given', 'decision'].map((key) => html`<th scope="col">${app.t(`judge.relabel.${key}`)}</th>`)}<td></td></tr></thead>
    <tbody>${decisions.value.map((one) => html`<tr><th scope="row">${one.name}</th><td>${one.given}</td><td>${words(one)}</td>
      <td><button type="button" class="link" @click=${() => decide(decisions, { ...one, decision: one.given })}>${app.t('judge.relabel.undo')}</button></td></tr>`)}</tbody></table></div>
    ${data ? html`<p>${app.t('judge.relabel.then')}</p><p><code>inklens labels model.inklens --refit ${RELABEL_FILE} -o corrected.inklens</code></p>
      <p><button type="button" @click=${() => download(RELABEL_FILE, relabelText(decisions.value, data), 'text/csv')}>${app.t('judge.relabel.save')}</button></p>` : nothing}`;
}

// ---------------------------------------------------------------------------------------------------- numbers

function mountNumbers(root, app, { confusion }) {
  const { classes } = app.model.value;
  const lang = app.language.value;
  const numbers = classNumbers(confusion);
  const per = (share) => `${decimal(100 * share, 0, lang)}${lang === 'de' ? ' ' : ''}%`;
  const chart = intervalChart(numbers.map(({ recall, precision }, k) => ({ name: classes[k], recall, precision })), { label: app.t('judge.numbers.chart'), percent: per });
  chart.dataset.explain = 'judge.interval';
  const columns = ['tp', 'fp', 'fn', 'tn'];
  const asShare = ({ share, low, high, of }) => (of ? html`${percent(share, lang)} <span class="interval">${decimal(100 * low, 1, lang)}–${decimal(100 * high, 1, lang)}</span>` : '–');
  const csv = () => saveCsv('classes', [
    ['class', ...columns, 'precision', 'precision_low', 'precision_high', 'recall', 'recall_low', 'recall_high', 'f1'],
    ...numbers.map((one, k) => [classes[k], ...columns.map((key) => one[key]), ...[one.precision, one.recall].flatMap(({ share, low, high }) => [share, low, high]), one.f1]),
  ]);
  render(html`<h2>${app.t('judge.numbers.title')}</h2><p>${app.t('judge.numbers.text')}</p>
    <figure class="interval-figure"><p class="legend" aria-hidden="true"><span class="key recall"></span>${app.t('judge.numbers.recall')} <span class="key precision"></span>${app.t('judge.numbers.precision')}</p>${chart}
      <figcaption>${app.t('judge.numbers.caption')} <span class="saving"><button type="button" class="link" @click=${() => saveSvg('classes', chart)}>SVG</button> <button type="button" class="link" @click=${csv}>CSV</button></span></figcaption></figure>
    <div class="scroll" tabindex="0" role="region" aria-label=${app.t('judge.numbers.title')}><table class="numbers class-numbers" data-explain="judge.numbers"><thead><tr><th scope="col">${app.t('bars.class')}</th>
      <th scope="col">${app.t('judge.numbers.precision')}</th><th scope="col">${app.t('judge.numbers.recall')}</th><th scope="col">F1</th>
      ${columns.map((key) => html`<th scope="col"><abbr title=${app.t(`judge.numbers.${key}`)}>${key.toUpperCase()}</abbr></th>`)}</tr></thead>
    <tbody>${numbers.map((one, k) => html`<tr><th scope="row">${classes[k]}</th><td>${asShare(one.precision)}</td><td>${asShare(one.recall)}</td><td>${decimal(one.f1, 3, lang)}</td>
      ${columns.map((key) => html`<td>${one[key].toLocaleString(lang)}</td>`)}</tr>`)}</tbody></table></div>`, root);
  return () => {};
}
