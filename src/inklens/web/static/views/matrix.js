/** The confusion matrix as a table whose cells are buttons: arrows move, Enter opens. */
import { html } from '../vendor/lit-html.js';
import { percent } from '../texts.js';
import { perTrueClass } from './judged.js';

const LEAST_SHADE = 0.12; // of a cell with a single mistake: it shows
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * @typedef {{ t: number, p: number }} Cell true class and answer
 * @param {import('../app.js').App} app
 * @param {{ confusion: number[][], cell: Cell, shares: boolean, open: (cell: Cell) => void }} shown
 */
export function matrixTable(app, { confusion, cell, shares, open }) {
  const { classes } = app.model.value;
  const totals = perTrueClass(confusion);
  const most = mostOften(confusion, totals);
  return html`<table class="matrix" data-explain="judge.matrix" @keydown=${(event) => move(event, classes.length)}>
    <caption class="hidden">${app.t('judge.matrix.caption')}</caption>
    <thead><tr><td class="corner"></td><th class="axis" colspan=${classes.length} scope="colgroup">${app.t('judge.matrix.answer')}</th></tr>
    <tr><th class="axis" scope="col">${app.t('judge.matrix.true')}</th>${classes.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${classes.map((name, t) => html`<tr><th scope="row">${name}</th>
      ${classes.map((_, p) => cellOf(app, { t, p, count: confusion[t][p], total: totals[t], most, shares, isOpen: cell.t === t && cell.p === p, open }))}</tr>`)}</tbody>
  </table>`;
}

function cellOf(app, { t, p, count, total, most, shares, isOpen, open }) {
  const { classes } = app.model.value;
  const lang = app.language.value;
  const part = total ? count / total : 0;
  const words = app.t('judge.matrix.cell', { true: classes[t], answer: classes[p], count, total, share: percent(part, lang) });
  const shade = count === 0 ? 0 : t === p ? part : LEAST_SHADE + (1 - LEAST_SHADE) * (part / most);
  return html`<td class=${t === p ? 'right' : 'mistake'}><button type="button" class="cell" aria-label=${words} title=${words}
    aria-pressed=${String(isOpen)} tabindex=${isOpen ? 0 : -1} data-at=${`${t},${p}`} .style=${`--shade: ${shade.toFixed(3)}`}
    @click=${() => open({ t, p })}>${count === 0 ? '' : shares ? wholePercent(part) : count.toLocaleString(lang)}</button></td>`;
}

/** Per cent without the sign, one decimal below ten. */
function wholePercent(share) {
  const value = 100 * share;
  return value > 0 && value < 0.95 ? '<1' : String(Math.round(value));
}

function mostOften(confusion, totals) {
  let most = 0;
  confusion.forEach((row, t) => row.forEach((count, p) => { if (t !== p && totals[t]) most = Math.max(most, count / totals[t]); }));
  return most || 1;
}

function move(event, n) {
  const step = MOVES[event.key];
  const at = event.target.dataset?.at?.split(',').map(Number);
  if (!step || !at) return;
  event.preventDefault();
  const [t, p] = at.map((value, axis) => Math.min(n - 1, Math.max(0, value + step[axis])));
  event.currentTarget.querySelector(`[data-at="${t},${p}"]`)?.focus();
}
