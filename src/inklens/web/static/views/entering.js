/** The order in which pixels enter the path: a map whose shade says when, and a walk through it. */
import { html, render } from '../vendor/lit-html.js';
import { computed, effect, signal } from '../vendor/signals-core.js';
import { MapFigure } from '../maps.js';
import { firstPoints, isOverTime, pathOf } from '../points.js';
import { decimal, significant } from '../texts.js';
import { show } from './dial.js';

const [BRIGHTEST, DARKEST] = [1, 0.22]; // the first and the last to enter; black never does
const LISTED = 10; // first entries in the table

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountEntering(root, app) {
  const { features } = app.model.value;
  const path = computed(() => (isOverTime(app) ? app.model.value.path : pathOf(app)));
  if (features === 'strokes' || path.peek().entry_order.length === 0) {
    root.hidden = true;
    return () => {};
  }
  const step = signal(null); // how many have entered; null: all
  const order = computed(() => path.value.entry_order);
  const count = computed(() => Math.min(step.value ?? order.value.length, order.value.length));
  const rankOf = computed(() => ranks(order.value, app.model.value));
  const [head, body] = ['div', 'div'].map((tag) => root.appendChild(document.createElement(tag)));
  body.className = 'entering-body';
  const figure = body.appendChild(document.createElement('figure'));
  const walk = body.appendChild(Object.assign(document.createElement('div'), { className: 'walk' }));
  const readout = (at) => saidOf(app, path.value, rankOf.value, at);
  const map = new MapFigure(figure, app, { name: 'entry-order', readout });
  map.canvas.dataset.explain = 'penalty.entering';
  const frame = Object.assign(document.createElement('div'), { className: 'map-frame' });
  const ring = Object.assign(document.createElement('i'), { className: 'ring' });
  map.canvas.replaceWith(frame);
  frame.append(map.canvas, ring);
  const ends = [
    effect(() => {
      render(html`<h2>${app.t('penalty.entering.title')}</h2><p>${app.t('penalty.entering.text', { n: order.value.length })}</p>`, head);
      map.caption(html`${app.t('penalty.entering.caption')} ${map.saving()}`, app.t('penalty.entering.words', { n: order.value.length }));
    }),
    effect(() => {
      map.ink(shades(order.value, count.value, app.model.value));
      place(ring, order.value[count.value - 1], app.model.value);
    }),
    effect(() => render(walking(app, { path: path.value, order: order.value, count: count.value, step }), walk)),
  ];
  return () => ends.forEach((end) => end());
}

/** Rank of each pixel from 1; 0 for one that never enters. */
function ranks(order, { rows, cols }) {
  const rank = new Int32Array(rows * cols);
  order.forEach((at, i) => { rank[at] = i + 1; });
  return rank;
}

/** The first `count` pixels, brighter the earlier. */
function shades(order, count, { rows, cols }) {
  const values = new Float64Array(rows * cols);
  for (let i = 0; i < count; i += 1) values[order[i]] = BRIGHTEST - ((BRIGHTEST - DARKEST) * i) / Math.max(1, order.length - 1);
  return values;
}

function place(ring, at, { rows, cols }) {
  ring.hidden = at === undefined;
  if (at === undefined) return;
  ring.style.left = `${(100 * (at % cols)) / cols}%`;
  ring.style.top = `${(100 * Math.floor(at / cols)) / rows}%`;
  ring.style.width = `${100 / cols}%`;
  ring.style.height = `${100 / rows}%`;
}

function saidOf(app, path, rank, at) {
  const { cols } = app.model.value;
  const where = { row: Math.floor(at / cols), col: at % cols };
  if (rank[at] === 0) return app.t('penalty.entering.never', where);
  const C = path.Cs[firstPoints(app.model.value, path)[at]];
  return app.t('penalty.entering.pixel', { ...where, rank: rank[at], C: significant(C, 2, app.language.value) });
}

function walking(app, { path, order, count, step }) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const { cols } = app.model.value;
  const lang = app.language.value;
  const first = firstPoints(app.model.value, path);
  const last = order[count - 1];
  const turn = (value) => { step.value = Math.min(order.length, Math.max(0, value)); };
  const said = last === undefined ? t('entering.none') : t('entering.last', { rank: count, row: Math.floor(last / cols), col: last % cols, C: significant(path.Cs[first[last]], 2, lang) });
  return html`<label class="walk-slider" data-explain="penalty.walk"><span>${t('entering.step')}</span>
      <input type="range" min="0" max=${order.length} step="1" .value=${String(count)} aria-valuetext=${said} @input=${(event) => turn(Number(event.target.value))}></label>
    <div class="row"><button type="button" ?disabled=${count === 0} @click=${() => turn(count - 1)}>${t('entering.back')}</button>
      <button type="button" ?disabled=${count === order.length} @click=${() => turn(count + 1)}>${t('entering.next')}</button>
      <button type="button" class="quiet" ?disabled=${count === order.length} @click=${() => { step.value = null; }}>${t('entering.all')}</button></div>
    <p class="walked">${said}</p>
    <p>${last === undefined ? '' : html`<button type="button" class="link flush" data-explain="penalty.entering.show" @click=${() => show(app, first[last], path)}>${t('entering.show')}</button>`}</p>
    <details><summary>${t('entering.first', { n: Math.min(LISTED, order.length) })}</summary>
      <table class="numbers"><thead><tr><th scope="col">${t('entering.rank')}</th><th scope="col">${app.t('row')}</th><th scope="col">${app.t('column')}</th><th scope="col">C</th></tr></thead>
      <tbody>${order.slice(0, LISTED).map((at, i) => html`<tr><th scope="row">${decimal(i + 1, 0, lang)}</th><td>${Math.floor(at / cols)}</td><td>${at % cols}</td><td>${significant(path.Cs[first[at]], 2, lang)}</td></tr>`)}</tbody></table></details>`;
}
