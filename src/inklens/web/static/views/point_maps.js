/** The maps of all classes at the point of the path, exact zeros black, and what they make of the digit on the pad. */
import { html, render } from '../vendor/lit-html.js';
import { computed, effect, signal } from '../vendor/signals-core.js';
import { evidence, pathPoint } from '../core.js';
import { classChoice } from '../choices.js';
import { MapFigure } from '../maps.js';
import { firstPoints, isOverTime, pathOf } from '../points.js';
import { decimal, percent, significant } from '../texts.js';
import { seen } from '../seen.js';

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountPointMaps(root, app) {
  const { features } = app.model.value;
  const hasWeights = features !== 'strokes';
  const picked = signal(null); // class that is shown large; null: the answer's
  const oneScale = signal(false);
  const given = computed(() => evidence(app.model.value, app.answer.value, app.weights.value));
  const scale = computed(() => (hasWeights ? (oneScale.value ? widest(app) : spread(app.weights.value.coef)) : spread(given.value)));
  const shown = computed(() => picked.value ?? app.answer.value.best);
  const head = root.appendChild(document.createElement('div'));
  const grid = root.appendChild(Object.assign(document.createElement('div'), { className: 'maps-all' }));
  const large = root.appendChild(document.createElement('div'));
  const ends = [
    effect(() => render(heading(app, { hasWeights, oneScale, scale: scale.value }), head)),
    ...mountTiles(grid, app, { hasWeights, given, scale, pick: (k) => { picked.value = picked.value === k ? null : k; } }),
    ...mountLarge(large, app, { hasWeights, given, scale, shown, picked }),
  ];
  return () => ends.forEach((end) => end());
}

const scales = new WeakMap();

/**
 * Value of the full colours: three times the mean size of what is not zero. Under L1 few weights are far larger than
 * the rest, and on their scale the rest would look white.
 */
function spread(values) {
  let [sum, count, most] = [0, 0, 0];
  for (let at = 0; at < values.length; at += 1) {
    const size = Math.abs(values[at]);
    if (size === 0) continue;
    sum += size;
    count += 1;
    if (size > most) most = size;
  }
  return count ? Math.min(most, (3 * sum) / count) : 0;
}

/** The widest scale of any point of the path. */
function widest(app) {
  const path = pathOf(app);
  if (!scales.has(path)) scales.set(path, Math.max(...path.Cs.map((_, i) => spread(pathPoint(app.model.value, i, path).coef))));
  return scales.get(path);
}

function heading(app, { hasWeights, oneScale, scale }) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  return html`<h2>${t('maps.title')}</h2><p>${t(hasWeights ? 'maps.text' : 'maps.text.strokes')}</p>
    ${hasWeights ? html`<div class="controls"><label class="check" data-explain="penalty.scale"><input type="checkbox" .checked=${oneScale.value} @change=${(event) => { oneScale.value = event.target.checked; }}><span>${t('maps.scale')}</span></label>
      <span class="scale-is">${app.t('penalty.maps.scale.is', { scale: significant(scale, 2, app.language.value) })}</span></div>` : ''}`;
}

function mountTiles(grid, app, { hasWeights, given, scale, pick }) {
  const { classes, coef } = app.model.value;
  const n = coef.length / classes.length;
  const size = app.model.value.rows * app.model.value.cols;
  const tiles = classes.map((name, k) => {
    const tile = grid.appendChild(Object.assign(document.createElement('div'), { className: 'tile' }));
    const title = tile.appendChild(Object.assign(document.createElement('p'), { className: 'tile-name', textContent: name }));
    const map = (file) => new MapFigure(tile.appendChild(document.createElement('figure')), app, { name: `${file}-${name}`, onChoose: () => pick(k) });
    return { tile, title, weight: hasWeights ? map('weights') : null, given: map('evidence') };
  });
  return [
    seen(grid, app, () => {
      const weights = app.weights.value.coef;
      tiles.forEach(({ weight, title }, k) => {
        const used = countUsed(weights, k * n, n);
        title.textContent = classes[k];
        weight?.signed(weights, scale.value, k * size);
        weight?.canvas.setAttribute('aria-label', app.t('penalty.maps.weight.words', { class: classes[k], used, of: n }));
      });
    }),
    seen(grid, app, () => {
      const { z, p, best } = app.answer.value;
      const lang = app.language.value;
      tiles.forEach(({ tile, given: map }, k) => {
        tile.classList.toggle('best', k === best);
        map.signed(given.value, scale.value, k * size, { zeros: false });
        map.canvas.setAttribute('aria-label', app.t('penalty.maps.given.words', { class: classes[k], z: decimal(z[k], 2, lang), share: percent(p[k], lang) }));
      });
    }),
  ];
}

function countUsed(weights, from, n) {
  let used = 0;
  for (let at = from; at < from + n; at += 1) if (weights[at] !== 0) used += 1;
  return used;
}

/** One class large, to be read pixel by pixel. */
function mountLarge(root, app, { hasWeights, given, scale, shown, picked }) {
  const { classes, rows, cols } = app.model.value;
  const size = rows * cols;
  const title = root.appendChild(document.createElement('div'));
  const figures = root.appendChild(Object.assign(document.createElement('div'), { className: 'maps-large' }));
  const place = (at) => ({ row: Math.floor(at / cols), col: at % cols, class: classes[shown.value] });
  const number = (value) => decimal(value, 3, app.language.value);
  const make = (name, readout) => {
    const map = new MapFigure(figures.appendChild(document.createElement('figure')), app, { name, readout });
    map.canvas.dataset.explain = `penalty.map.${name}`;
    return map;
  };
  const weight = hasWeights ? make('weights', (at) => `${app.t('penalty.pixel.weight', { ...place(at), w: number(app.weights.value.coef[shown.value * size + at]) })} ${entered(app, at)}`) : null;
  const evident = make('evidence', (at) => app.t('penalty.pixel.given', { ...place(at), x: decimal(app.frame.value[at], 2, app.language.value), product: number(given.value[shown.value * size + at]) }));
  return [
    effect(() => render(html`<h3>${app.t('penalty.large')} ${classChoice(app, shown.value, (k) => { picked.value = k; }, app.t('penalty.large.choose'))}
      ${picked.value === null ? '' : html`<button type="button" class="link" @click=${() => { picked.value = null; }}>${app.t('penalty.large.follow')}</button>`}</h3>`, title)),
    seen(figures, app, () => {
      const k = shown.value;
      weight?.signed(app.weights.value.coef, scale.value, k * size);
      evident.signed(given.value, scale.value, k * size, { zeros: false });
    }),
    effect(() => {
      const name = classes[shown.value];
      weight?.caption(html`${app.t('penalty.large.weight', { class: name })} ${weight.saving()}`, app.t('penalty.large.weight', { class: name }));
      evident.caption(html`${app.t('penalty.large.given', { class: name })} ${evident.saving()}`, app.t('penalty.large.given', { class: name }));
    }),
  ];
}

/** When a pixel entered the path, in words. */
function entered(app, at) {
  if (isOverTime(app)) return '';
  const path = pathOf(app);
  const first = firstPoints(app.model.value, path)[at];
  return first < 0 ? app.t('penalty.pixel.never') : app.t('penalty.pixel.entered', { C: significant(path.Cs[first], 2, app.language.value) });
}
