/** Judge: how well a model does, on which digits it fails, what they look like, and whether a label is to blame. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { computed, effect, signal, untracked } from '../vendor/signals-core.js';
import { addBlock } from '../block.js';
import { intervals } from '../charts.js';
import { decimal, percent } from '../texts.js';
import { saveCsv, saveJson } from '../save.js';
import { accuracyOf, byRecall, classNumbers, frequentMistakes } from './judged.js';
import { matrixTable } from './matrix.js';
import { mountPicked } from './picked.js';
import { mountComparing } from './comparing.js';
import { mountLabels } from './labels.js';
import { thumbs } from './thumbs.js';
import { judgedSamples } from './rows.js';
import { judge as texts } from '../texts/judge.js';

export const judging = {
  key: 'judge',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const section = (name) => addBlock(root, 'judge', name);
    const [intro, body, compare] = ['intro', 'judged', 'compare'].map(section);
    const found = signal({ state: 'waiting' });
    const others = app.host.others?.(app, 'samples');
    let endBody = () => {};
    const ends = [
      effect(() => {
        const model = app.model.value;
        void app.host.library?.current.value;
        untracked(() => judge(app, model, found));
      }),
      effect(() => {
        const now = found.value;
        render(introduction(app, now, others), intro);
        endBody();
        if (now.state === 'waiting') body.style.minHeight = `${body.offsetHeight}px`; // what is below stays where it is
        body.replaceChildren();
        body.classList.toggle('is-waiting', now.state === 'waiting');
        endBody = now.judged ? untracked(() => mountJudged(body, app, now.judged)) : () => {};
      }),
      mountComparing(compare, app),
    ];
    for (const kind of ['click', 'keyup']) root.addEventListener(kind, () => { if (found.value.judged) body.style.minHeight = ''; });
    return () => {
      ends.forEach((end) => end());
      endBody();
    };
  },
};

/** What the model was judged on: all rows where the studio has them, else the samples that came with it. */
async function judge(app, model, found) {
  const { library } = app.host;
  const samples = judgedSamples(model);
  const settle = (judged, trouble = '') => { found.value = judged ? { state: 'judged', judged, trouble } : { state: 'none', trouble }; };
  if (!library?.current.value || !samples) { // a model without samples has no rows that the studio could load either
    settle(samples);
    return;
  }
  found.value = { state: 'waiting' };
  try {
    const judged = await library.judged(model);
    if (app.model.value === model) settle(judged);
  } catch (error) {
    if (app.model.value === model) settle(samples, error.message);
  }
}

function introduction(app, { state, judged, trouble }, others) {
  const studio = Boolean(app.host.library);
  const title = html`<h1>${app.t('judge.title')}</h1>`;
  if (state === 'waiting') return html`${title}<p class="lead">${app.t('judge.lead')}</p><p class="state" role="status">${app.t('judge.waiting')}</p>`;
  if (!judged) {
    return html`${title}<p class="lead">${app.t('judge.lead')}</p><div class="empty"><p>${trouble || app.t(studio ? 'judge.none.studio' : 'judge.none')}</p>
      ${trouble ? nothing : others ? others() : html`<p><code>inklens export model.inklens -o page.html</code></p>`}</div>`;
  }
  const lang = app.language.value;
  const { count, of, share, low, high } = accuracyOf(judged.confusion);
  return html`${title}<p class="lead">${app.t('judge.lead')}</p>
    <p class="accuracy" data-explain="judge.interval"><strong>${percent(share, lang)}</strong>
      <span>${app.t('judge.accuracy', { count, of, half: app.t(`judge.half.${judged.half}`), low: percent(low, lang), high: percent(high, lang) })}</span></p>`;
}

/** Everything that follows from the samples of one model. */
function mountJudged(root, app, judged) {
  const part = (name) => addBlock(root, 'judge', name);
  const [confusion, pickedRoot, words, labels, numbers] = ['confusion', 'picked', 'in-words', 'labels', 'per-class'].map(part);
  const [worst] = frequentMistakes(judged.confusion, 1);
  const first = worst ? { t: worst.t, p: worst.p } : { t: 0, p: 0 };
  const state = { cell: computed(() => app.cell.value ?? first), picked: signal(null), shares: signal(false) };
  const ends = [
    mountConfusion(confusion, app, judged, state),
    mountPicked(pickedRoot, app, state.picked),
    effect(() => render(inWords(app, judged, (cell) => open(app, state, cell, confusion)), words)),
    mountLabels(labels, app, judged, state.picked, () => pickedRoot.scrollIntoView({ block: 'nearest' })),
    mountNumbers(numbers, app, judged),
  ];
  return () => ends.forEach((end) => end());
}

/** Open a cell from elsewhere on the page, and bring it into sight. */
function open(app, state, cell, place) {
  app.cell.value = cell;
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
  const opened = signal({ total: 0, rows: [] });
  const t = (key, values) => app.t(`judge.${key}`, values);
  const ends = [
    effect(() => render(html`<h2>${t('matrix.title')}</h2><p>${t('matrix.text')}</p>
      <div class="controls"><div class="row" role="group" aria-label=${t('matrix.unit')} data-explain="judge.unit">
        ${[false, true].map((shares) => html`<button type="button" class="quiet" aria-pressed=${String(state.shares.value === shares)} @click=${() => { state.shares.value = shares; }}>${t(shares ? 'matrix.shares' : 'matrix.counts')}</button>`)}</div>
        <span class="saving">${saveMatrix(app, judged)}</span></div>`, head)),
    effect(() => render(matrixTable(app, {
      confusion: judged.confusion, cell: state.cell.value, shares: state.shares.value,
      open: (chosen) => { app.cell.value = chosen; state.picked.value = null; },
    }), table)),
    effect(() => {
      const { t: truth, p } = state.cell.value;
      untracked(() => fill(opened, judged.cell(truth, p)));
    }),
    effect(() => render(cellRows(app, judged, state, opened), cell)),
  ];
  return () => ends.forEach((end) => end());
}

/** Show the rows of a cell now, or when they have come; what comes for a cell that was left is dropped. */
async function fill(opened, rows, before = []) {
  if (!(rows instanceof Promise)) {
    opened.value = rows;
    return;
  }
  const waiting = { total: null, rows: before };
  opened.value = waiting;
  try {
    const { total, rows: more } = await rows;
    if (opened.value === waiting) opened.value = { total, rows: [...before, ...more] };
  } catch (error) {
    if (opened.value === waiting) opened.value = { total: null, rows: before, trouble: error.message };
  }
}

function saveMatrix(app, { confusion, half }) {
  const { classes } = app.model.value;
  const csv = () => saveCsv('confusion', [[app.t('judge.matrix.corner'), ...classes], ...confusion.map((row, k) => [classes[k], ...row])]);
  return html`<button type="button" class="link" @click=${csv}>CSV</button>
    <button type="button" class="link" @click=${() => saveJson('confusion', { classes, half, confusion })}>JSON</button>
    <span class="hidden">${app.t('judge.matrix.save')}</span>`;
}

/** The images of the open cell; choosing one puts it on the pad. */
function cellRows(app, judged, state, opened) {
  const { classes } = app.model.value;
  const { t: truth, p } = state.cell.value;
  const { total, rows, trouble } = opened.value;
  const names = { true: classes[truth], answer: classes[p] };
  const kind = trouble ? null : total === null ? 'waiting' : total === 0 ? 'none' : rows.length === total ? 'all' : judged.isWhole ? 'first' : rows.length ? 'some' : 'unshown';
  const more = () => fill(opened, judged.cell(truth, p, rows.length), rows);
  return html`<h3>${app.t(truth === p ? 'judge.cell.right' : 'judge.cell.mistake', names)}</h3>
    <p>${kind ? app.t(`judge.cell.${kind}`, { total, shown: rows.length }) : html`<span class="state error" role="alert">${trouble}</span>`}</p>
    ${thumbs(app, rows, state.picked)}
    ${kind === 'first' ? html`<p><button type="button" class="quiet" @click=${more}>${app.t('judge.cell.more')}</button></p>` : nothing}
    ${rows.length ? html`<p class="state">${app.t('judge.cell.choose')}</p>` : nothing}`;
}

// ---------------------------------------------------------------------------------------------------- words

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

// ---------------------------------------------------------------------------------------------------- numbers

function mountNumbers(root, app, { confusion }) {
  const { classes } = app.model.value;
  const lang = app.language.value;
  const numbers = classNumbers(confusion);
  const per = (share) => `${decimal(100 * share, 0, lang)}${lang === 'de' ? ' ' : ''}%`;
  const columns = ['tp', 'fp', 'fn', 'tn'];
  const asShare = ({ share, low, high, of }) => (of ? html`${percent(share, lang)} <span class="interval">${decimal(100 * low, 1, lang)}–${decimal(100 * high, 1, lang)}</span>` : '–');
  const chart = intervals({
    name: 'classes', words: app.t('judge.numbers.chart'), caption: app.t('judge.numbers.caption'), format: per, isTold: true,
    rows: numbers.map(({ recall, precision }, k) => ({ label: classes[k], recall, precision })),
    head: ['class', ...columns, 'precision', 'precision_low', 'precision_high', 'recall', 'recall_low', 'recall_high', 'f1'],
    table: numbers.map((one, k) => [classes[k], ...columns.map((key) => one[key]), ...[one.precision, one.recall].flatMap(({ share, low, high }) => [share, low, high]), one.f1]),
  }, app);
  chart.dataset.explain = 'judge.interval';
  render(html`<h2>${app.t('judge.numbers.title')}</h2><p>${app.t('judge.numbers.text')}</p>
    <div class="interval-figure"><p class="legend" aria-hidden="true"><span class="key recall"></span>${app.t('judge.numbers.recall')} <span class="key precision"></span>${app.t('judge.numbers.precision')}</p>${chart}</div>
    <div class="scroll" tabindex="0" role="region" aria-label=${app.t('judge.numbers.title')}><table class="numbers class-numbers" data-explain="judge.numbers"><thead><tr><th scope="col">${app.t('bars.class')}</th>
      <th scope="col">${app.t('judge.numbers.precision')}</th><th scope="col">${app.t('judge.numbers.recall')}</th><th scope="col">F1</th>
      ${columns.map((key) => html`<th scope="col"><abbr title=${app.t(`judge.numbers.${key}`)}>${key.toUpperCase()}</abbr></th>`)}</tr></thead>
    <tbody>${numbers.map((one, k) => html`<tr><th scope="row">${classes[k]}</th><td>${asShare(one.precision)}</td><td>${asShare(one.recall)}</td><td>${decimal(one.f1, 3, lang)}</td>
      ${columns.map((key) => html`<td>${one[key].toLocaleString(lang)}</td>`)}</tr>`)}</tbody></table></div>`, root);
  return () => {};
}
