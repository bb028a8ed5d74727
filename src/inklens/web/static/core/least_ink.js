/** Least ink where scores are linear in it: the programme of a flip, its solution and its bound. */

import { marginOf, scores } from './answers.js';
import { dualSimplex } from './dual_simplex.js';

export const MARGIN = 1e-6; // log-odds; exceeds the rounding of a score in any order of summation
const OPTIMAL_GAP = 1e-6; // relative gap up to which a flip is called optimal
export const EPS = Number.EPSILON;
const MAX_TRIES = 5; // each asks for a hundred times more than rounding can take away

/**
 * @param {Model} model
 * @param {Numbers} frame
 * @param {FlipOptions} options
 */
export function flipTask(model, frame, { margin = MARGIN, highest = null, weights = model }) {
  const x = Float64Array.from(frame), K = weights.intercept.length, F = x.length;
  const sizes = new Float64Array(K); // sum of |w| of each class: scales the rounding errors
  for (let at = 0; at < K * F; at++) sizes[at / F | 0] += Math.abs(weights.coef[at]);
  return { x, margin, highest, weights, sizes, z: scores(weights, x), K, F };
}

/** The most ink of each pixel: never less than there is. */
export function limitsOf({ x, highest }, target) {
  const most = typeof highest === 'function' ? highest(target) : highest;
  return most ? x.map((ink, j) => Math.max(ink, most[j])) : new Float64Array(x.length).fill(1);
}

/**
 * Solve with a little more than is needed, until the model itself answers with the margin.
 *
 * @returns {{flipped: Float64Array | null, bound: number}}
 */
export function solveFlip(task, target, cutoff) {
  const { x, margin, weights } = task, highest = limitsOf(task, target);
  const program = programOf(task, target, highest);
  let extra = 16 * EPS, bound = -Infinity;
  for (let tries = 0; tries < MAX_TRIES; tries++, extra *= 100) {
    const needs = program.r.map((r, l) => r + extra * program.magnitudes[l]);
    const solved = dualSimplex({ ...program, r: needs }, cutoff);
    if (solved.none) return { flipped: null, bound: Infinity };
    bound = leastInkBound(program, solved.multipliers);
    if (!solved.change) return { flipped: null, bound };
    const flipped = x.map((ink, j) => Math.min(highest[j], Math.max(0, ink + solved.change[j])));
    if (marginOf(scores(weights, flipped), target) >= margin) return { flipped, bound };
  }
  return { flipped: null, bound };
}

export function finished({ x }, target, flipped, bound) {
  const change = flipped.map((ink, j) => ink - x[j]);
  let added = 0, erased = 0;
  for (const d of change) {
    if (d > 0) added += d;
    else erased -= d;
  }
  const cost = added + erased, lowerBound = Math.max(Math.min(bound, cost), 0);
  const gap = cost > 0 ? (cost - lowerBound) / cost : 0;
  return { target, flipped, change, cost, added, erased, lowerBound, gap, optimal: gap <= OPTIMAL_GAP };
}

/**
 * What `target` needs against every other class: A d >= r, with -erasable <= d <= addable.
 *
 * `magnitudes` sum the absolute values of all terms behind A d and r.
 */
function programOf({ x, margin, weights, sizes, K, F }, target, highest) {
  const m = K - 1, A = new Float64Array(m * F), r = new Float64Array(m), magnitudes = new Float64Array(m);
  const { coef, intercept } = weights;
  const largest = intercept.reduce((most, b) => Math.max(most, Math.abs(b)), 0);
  for (let k = 0, l = 0; k < K; k++) {
    if (k === target) continue;
    let gained = 0;
    for (let j = 0; j < F; j++) {
      const gain = A[l * F + j] = coef[target * F + j] - coef[k * F + j];
      gained += gain * x[j];
    }
    r[l] = margin - (intercept[target] - intercept[k]) - gained;
    magnitudes[l++] = margin + largest + Math.abs(intercept[target]) + sizes[target] + sizes[k];
  }
  return { A, r, magnitudes, m, n: F, erasable: x, addable: highest.map((most, j) => most - x[j]) };
}

/**
 * The lower bound that multipliers prove, less what rounding could have added; any that are >= 0 prove one.
 *
 *     multipliers . r - sum_j addable_j max(g_j - 1, 0) + erasable_j max(-g_j - 1, 0),   g = A' multipliers
 *
 * Rounding: Higham (2002), Accuracy and Stability of Numerical Algorithms, eq. 3.3 and 3.5.
 */
function leastInkBound({ A, r, magnitudes, m, n, erasable, addable }, multipliers) {
  let gained = 0, rounding = 0, spent = 0;
  for (let l = 0; l < m; l++) {
    gained += multipliers[l] * r[l];
    rounding += multipliers[l] * magnitudes[l];
  }
  for (let j = 0; j < n; j++) {
    let g = 0;
    for (let l = 0; l < m; l++) g += multipliers[l] * A[l * n + j];
    if (g > 1) spent += addable[j] * (g - 1);
    else if (g < -1) spent += erasable[j] * (-g - 1);
  }
  return gained - spent - 4 * (n + m + 10) * EPS * rounding;
}
