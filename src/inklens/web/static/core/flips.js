/** Flips: the smallest change of ink that changes the answer, and how far no change does. */

import { order, scores } from './answers.js';
import { difference } from './evidence.js';
import { EPS, finished, flipTask, solveFlip } from './least_ink.js';
import { searchedFlip } from './searched_flips.js';

/**
 * @typedef {{
 *   target: number, flipped: Float64Array, change: Float64Array, cost: number, added: number, erased: number,
 *   lowerBound: number, gap: number, optimal: boolean
 * }} Flip
 * @typedef {{margin?: number, highest?: Numbers | null, weights?: Weights}} FlipOptions
 *   margin in log-odds; the most ink that each pixel may get; other coefficients for the same features
 */

/**
 * The smallest change of ink that makes a model answer `target`, with a bound that no change falls below.
 *
 *     minimise sum |d|  subject to  (w_t - w_l) . (x + d) >= margin - (b_t - b_l),  0 <= x + d <= highest
 *
 * Exact on pixels; on other features it is searched, see `searchedFlip`.
 *
 * @param {Model} model
 * @param {Numbers} frame
 * @param {number} target
 * @param {FlipOptions} [options]
 * @returns {Flip | null} null where no such change exists, or none was found
 */
export function leastInk(model, frame, target, options = {}) {
  if (model.features !== 'pixels') return searchedFlip(model, frame, target, options);
  const task = flipTask(model, frame, options);
  const found = solveFlip(task, target, Infinity);
  return found.flipped ? finished(task, target, found.flipped, found.bound) : null;
}

/**
 * The smallest change of ink that makes a model answer any other class; exact on pixels, else searched.
 *
 * Each class is followed only until its bound shows that it cannot be the nearest.
 *
 * @param {Model} model
 * @param {Numbers} frame
 * @param {FlipOptions} [options] `highest` may be a function of the class
 * @returns {Flip | null}
 */
export function nearestFlip(model, frame, options = {}) {
  if (model.features !== 'pixels') return searchedFlip(model, frame, null, options);
  const task = flipTask(model, frame, options);
  let best = null, bound = Infinity;
  for (const target of byDistance(task)) {
    const found = solveFlip(task, target, best ? best.cost : Infinity);
    bound = Math.min(bound, found.bound);
    if (!found.flipped) continue;
    const flip = finished(task, target, found.flipped, bound);
    if (!best || flip.cost < best.cost) best = flip;
  }
  return best && finished(task, best.target, best.flipped, bound);
}

/**
 * The least ink that must change before another class draws level: exact, as only one class counts at a time.
 *
 * @param {Model} model on pixels
 * @param {Numbers} frame
 * @param {Weights} [weights]
 * @returns {number} infinite where no change of ink does it
 */
export function radius(model, frame, weights = model) {
  needPixels(model);
  const z = scores(weights, frame), source = order(z)[0], F = frame.length;
  let least = Infinity;
  for (let target = 0; target < z.length; target++) {
    if (target !== source) {
      const gain = difference(weights.coef, F, target, source);
      least = Math.min(least, spentUntil(gain, frame, z[source] - z[target]));
    }
  }
  return least;
}

/** Spend the box of the steepest pixel first, then of the next, until the gain meets the need. */
function spentUntil(gain, frame, need) {
  const steepest = order(gain.map(Math.abs));
  let spent = 0;
  for (const j of steepest) {
    const slope = Math.abs(gain[j]), width = gain[j] > 0 ? 1 - frame[j] : frame[j];
    if (slope * width >= need) return need > 0 ? spent + need / slope : spent;
    spent += width;
    need -= slope * width;
  }
  return Infinity;
}

/** @param {Model} model */
function needPixels({ features }) {
  if (features !== 'pixels') throw new Error(`expected a model on pixels, got ${features}`);
}

/** Classes by the least ink that the difference to the present answer alone would need, without the box. */
function byDistance({ z, weights, F }) {
  const source = order(z)[0], needed = new Float64Array(z.length);
  for (let k = 0; k < z.length; k++) {
    const gain = difference(weights.coef, F, k, source);
    needed[k] = (z[source] - z[k]) / gain.reduce((most, g) => Math.max(most, Math.abs(g)), EPS);
  }
  return order(z).filter((k) => k !== source).sort((a, b) => needed[a] - needed[b] || a - b);
}
