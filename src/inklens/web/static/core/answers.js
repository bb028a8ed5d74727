/** Scores, probabilities and the answer: softmax regression by hand. */

import { look } from './features.js';

/**
 * Scores z_k = b_k + sum_j w_kj x_j.
 *
 * @param {Weights} weights
 * @param {Numbers} x
 * @returns {Float64Array}
 */
export function scores({ coef, intercept }, x) {
  const K = intercept.length, F = x.length, z = new Float64Array(K);
  for (let k = 0; k < K; k++) {
    let sum = 0;
    for (let j = 0, at = k * F; j < F; j++, at++) sum += coef[at] * x[j];
    z[k] = sum + intercept[k];
  }
  return z;
}

/**
 * Probabilities p_k = exp(z_k) / sum_l exp(z_l).
 *
 * @param {Numbers} z
 * @returns {Float64Array}
 */
export function softmax(z) {
  let most = -Infinity, sum = 0;
  for (const value of z) most = Math.max(most, value);
  const p = new Float64Array(z.length);
  for (let k = 0; k < z.length; k++) sum += p[k] = Math.exp(z[k] - most);
  for (let k = 0; k < z.length; k++) p[k] /= sum;
  return p;
}

/**
 * Class numbers, the largest score first; of equal ones the first class first.
 *
 * @param {Numbers} z
 * @returns {number[]}
 */
export function order(z) {
  return Array.from(z, (_, k) => k).sort((a, b) => z[b] - z[a] || a - b);
}

/**
 * What a model says of one frame.
 *
 * @param {Model} model
 * @param {Numbers} frame
 * @param {Weights} [weights] other coefficients for the same features, such as those of a point of a path
 * @returns {Answer}
 */
export function answer(model, frame, weights = model) {
  const { x, seen } = look(model.features, frame);
  const z = scores(weights, x);
  const ranked = order(z);
  return { frame, x, seen, z, p: softmax(z), order: ranked, best: ranked[0], second: ranked[1] };
}

/** By how much a class beats the next best, in log-odds. */
export function marginOf(z, target) {
  let rival = -Infinity;
  for (let k = 0; k < z.length; k++) if (k !== target) rival = Math.max(rival, z[k]);
  return z[target] - rival;
}
