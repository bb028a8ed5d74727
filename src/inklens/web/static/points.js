/** Points of a path: which is looked at, what is known of it, where a pixel entered. */
import { pathPoint } from './core.js';
import { significant } from './texts.js';

/**
 * @typedef {{
 *   index: number | null, C: number, pixels: number, nonzeros: number, of: number, train: number | null,
 *   test: number | null, gap: number | null, epochs?: number | null, tol?: number | null
 * }} Point
 *   what is known of the weights that answer; index null: the model itself; of: how many weights there are
 */

/** The path that the slider is over. @param {import('./app.js').App} app */
export function pathOf(app) {
  return app.path.value ?? app.model.value.path;
}

/** Whether the slider is over a solver's time. @param {import('./app.js').App} app */
export function isOverTime(app) {
  return app.path.value !== null && app.path.value === app.model.value.tolerance;
}

/** What is known of the weights that answer now. @param {import('./app.js').App} app @returns {Point} */
export function pointOf(app) {
  const model = app.model.value;
  const index = app.point.value;
  return index === null ? ofModel(model) : known(pathOf(app), index, model);
}

/** What is known of a point. @param {import('./core.js').Path} path @param {number} index @returns {Point} */
export function known(path, index, model) {
  return {
    index, C: path.Cs[index], pixels: path.pixels[index], nonzeros: path.nonzeros[index], of: model.coef.length,
    train: path.train_accuracy[index], test: path.test_accuracy[index], gap: path.gaps[index],
    epochs: path.epochs?.[index], tol: path.tols?.[index],
  };
}

function ofModel(model) {
  const { coef, classes, header } = model;
  const n = coef.length / classes.length;
  const used = new Uint8Array(n);
  let nonzeros = 0;
  for (let at = 0; at < coef.length; at += 1) {
    if (coef[at] === 0) continue;
    nonzeros += 1;
    used[at % n] = 1;
  }
  return {
    index: null, C: header.penalty ? Number(header.penalty.C === 'inf' ? Infinity : header.penalty.C) : NaN,
    pixels: used.reduce((sum, one) => sum + one, 0), nonzeros, of: coef.length,
    train: header.accuracy?.train ?? null, test: header.accuracy?.test ?? null, gap: header.certificate?.relative_gap ?? null,
  };
}

/** The last point, so the largest C, that uses at most so many pixels; -1 if none does. @param {import('./core.js').Path} path @param {number} most */
export function within(path, most) {
  return path.pixels.findLastIndex((pixels) => pixels <= most);
}

/** The point nearest to a C, on a logarithmic scale. @param {import('./core.js').Path} path @param {number} C */
export function nearest(path, C) {
  const away = (value) => Math.abs(Math.log(value) - Math.log(C));
  return path.Cs.reduce((best, value, i) => (away(value) < away(path.Cs[best]) ? i : best), 0);
}

const entries = new WeakMap();

/**
 * For each pixel the first point that uses it, -1 for a pixel that none does.
 * @param {import('./core.js').Model} model @param {import('./core.js').Path} path @returns {Int16Array}
 */
export function firstPoints(model, path) {
  const found = entries.get(path);
  if (found) return found;
  const K = model.classes.length;
  const n = model.coef.length / K;
  const first = new Int16Array(n).fill(-1);
  for (let point = path.Cs.length - 1; point >= 0; point -= 1) {
    const { coef } = pathPoint(model, point, path);
    for (let at = 0; at < coef.length; at += 1) if (coef[at] !== 0) first[at % n] = point;
  }
  entries.set(path, first);
  return first;
}

/**
 * How many zeros of the last point, the proven optimum, a stop has too.
 * @param {import('./core.js').Model} model @param {import('./core.js').Path} stops @param {number} index
 * @returns {{ zeros: number, hidden: number }} zeros of the optimum, and how many of them are not zero here
 */
export function hiddenZeros(model, stops, index) {
  const [here, best] = [index, stops.Cs.length - 1].map((point) => pathPoint(model, point, stops).coef);
  let [zeros, hidden] = [0, 0];
  for (let at = 0; at < best.length; at += 1) {
    if (best[at] !== 0) continue;
    zeros += 1;
    if (here[at] !== 0) hidden += 1;
  }
  return { zeros, hidden };
}

/** A gap in words of per cent; a proven gap is never said to be zero. @param {number} gap @param {string} language */
export function gapText(gap, language) {
  const sign = language === 'de' ? '\u00a0%' : '%';
  const shown = 100 * gap < 1e-4 ? 1e-4 : 100 * gap;
  return `${100 * gap < 1e-4 ? '< ' : ''}${significant(shown, 2, language)}${sign}`;
}
