/** What each stroke added to each score, exactly: the scores after it less those before. */
import { html, render } from '../vendor/lit-html.js';
import { computed, effect } from '../vendor/signals-core.js';
import { answer as answerOf, normaliseDrawing } from '../core.js';
import { decimal } from '../texts.js';
import { saveCsv } from '../save.js';

const MOST = 12; // strokes that are listed, the last ones

/**
 * Scores after each number of marks, from none to all; their differences sum to the last less the first.
 * @param {import('../app.js').App} app
 * @returns {Float64Array[]}
 */
export function scoresAfterMarks(app) {
  const { pad } = app;
  const { model: { value: model }, weights: { value: weights } } = app;
  return pad.history().map((ink) => {
    const frame = pad.isFrame ? ink : normaliseDrawing(ink, pad.rows, pad.cols, app.recipe.value).frame;
    return answerOf(model, frame, weights).z;
  });
}

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function strokesTable(root, app) {
  const marks = computed(() => {
    void app.ink.value;
    return app.pad.marks.length;
  });
  const scores = computed(() => {
    void marks.value; // once a mark, not once a movement: the last one is measured when the next begins or the pen rests
    void app.weights.value;
    void app.settled.value;
    return scoresAfterMarks(app);
  });
  return effect(() => {
    const states = scores.value;
    const { classes } = app.model.value;
    const lang = app.language.value;
    const first = Math.max(1, states.length - MOST);
    const rows = states.slice(first).map((z, i) => Array.from(z, (value, k) => value - states[first + i - 1][k]));
    const table = [['', ...classes], ...rows.map((row, i) => [first + i, ...row])];
    render(html`<h2>${app.t('see.strokes.title')}</h2>
      <p>${app.t(rows.length ? 'see.strokes.text' : 'see.strokes.none')}</p>
      ${rows.length === 0 ? '' : html`<div class="scroll" tabindex="0" role="region" aria-label=${app.t('see.strokes.title')}><table class="numbers strokes-table">
        <thead><tr><th scope="col">${app.t('see.strokes.stroke')}</th>${classes.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${rows.map((row, i) => html`<tr><th scope="row">${first + i}</th>${row.map((value) => html`<td class=${value > 0 ? 'up' : value < 0 ? 'down' : ''}>${signed(value, lang)}</td>`)}</tr>`)}</tbody>
        <tfoot><tr><th scope="row">${app.t('see.strokes.all')}</th>${Array.from(states.at(-1), (value, k) => html`<td>${signed(value - states[first - 1][k], lang)}</td>`)}</tr></tfoot>
      </table></div><button type="button" class="link" @click=${() => saveCsv('strokes', table)}>CSV</button>`}`, root);
  });
}

function signed(value, language) {
  return `${value > 0 ? '+' : ''}${decimal(value, 1, language)}`;
}
