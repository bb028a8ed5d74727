/** Flips searched where scores are not linear in the ink. The twin of `inklens.explanations.searched`. */

import { order, scores } from './answers.js';
import { inkBetween } from './cover.js';
import { dualSimplex } from './dual_simplex.js';
import { transform } from './features.js';
import { finished, limitsOf, MARGIN } from './least_ink.js';
import { strokeSearch } from './pen_strokes.js';
import { ended, PER_SLICE, reaches } from './slices.js';

const DIFFERENCE_STEP = 0.1; // ink; far enough to see past rounding
const EXTRA_MARGIN = 1e-3; // log-odds beyond the margin, which the curvature of the features may take back
const APPROACHES = 8, REFINEMENTS = 3, BISECTIONS = 12; // at most; 12 halvings place the boundary to 1/4096
const STEP_FRACTIONS = [1, 0.75, 0.5, 0.25, 0.1]; // of the way to the solution of the linearisation at a flip
const WORTHWHILE = 0.999; // of the cost: a refinement that saves less is not taken
const MAX_SEARCHED = 3; // classes with the highest scores that are tried where none is asked for

/**
 * A small change of ink that makes a model on any features answer `target`; checked by the model, not proven.
 *
 * Linearise the scores by differences and solve for the least ink until the answer changes; bisect back,
 * refine at the flip, and drop what is not needed: `inklens.explanations.searched`, with fewer refinements.
 *
 * @param {Model} model
 * @param {Numbers} frame
 * @param {number | null} target null for the cheapest of the three likeliest others
 * @param {FlipOptions} [options]
 * @returns {Flip | null} null where none was found; its lower bound is 0
 */
export function searchedFlip(model, frame, target, options = {}) {
  return ended(flipSearch(model, frame, target, options));
}

/**
 * `searchedFlip` in slices of a few milliseconds, so that a page can answer its visitor between two of them; what it
 * returns at the end is the same.
 * @returns {Generator<void, Flip | null>}
 */
export function* flipSearch(model, frame, target, options = {}) {
  const { margin = MARGIN, highest = null, weights = model } = options;
  const origin = Float64Array.from(frame), z = scores(weights, transform(model.features, origin));
  const ranked = order(z), targets = target === null ? ranked.slice(1, 1 + MAX_SEARCHED) : [target];
  let best = null;
  for (const wanted of targets) {
    const upper = limitsOf({ x: origin, highest }, wanted);
    const search = { model, weights, origin, upper, target: wanted, margin };
    const flipped = yield* approach(search);
    if (!flipped) continue;
    const smaller = yield* trimmed(search, yield* refined(search, bisected(search, flipped)));
    const found = finished({ x: origin }, wanted, smaller, 0);
    if (!best || found.cost < best.cost) best = found;
  }
  return best;
}

/** The program for the target in the linearisation at x, for changes of `from`. */
function* linearised({ model, weights, upper, target, margin }, x, from) {
  const n = x.length, K = weights.intercept.length, m = K - 1;
  const at = (frame) => scores(weights, transform(model.features, frame));
  const z = at(x), moved = Float64Array.from(x), A = new Float64Array(m * n), r = new Float64Array(m);
  for (let j = 0; j < n; j++) {
    if (j % PER_SLICE === 0) yield;
    const step = x[j] <= 1 - DIFFERENCE_STEP ? DIFFERENCE_STEP : -DIFFERENCE_STEP;
    moved[j] = x[j] + step;
    const there = at(moved);
    moved[j] = x[j];
    for (let k = 0, l = 0; k < K; k++) {
      if (k !== target) A[l++ * n + j] = (there[target] - z[target] - there[k] + z[k]) / step;
    }
  }
  const magnitudes = new Float64Array(m);
  for (let k = 0, l = 0; k < K; k++) {
    if (k === target) continue;
    r[l] = margin + EXTRA_MARGIN - (z[target] - z[k]);
    for (let j = 0; j < n; j++) {
      r[l] += A[l * n + j] * (x[j] - from[j]);
      magnitudes[l] += Math.abs(A[l * n + j]);
    }
    magnitudes[l] += Math.abs(r[l]);
    l++;
  }
  return { A, r, magnitudes, m, n, erasable: from, addable: upper.map((most, j) => most - from[j]) };
}

/** Follow linearisations until the answer changes; where they lead nowhere, draw or erase a stroke. */
function* approach(search) {
  const { model, weights, origin, upper, target, margin } = search;
  let x = origin;
  for (let step = 0; step < APPROACHES && !reaches(search, x); step++) {
    const asked = yield* linearised(search, x, x);
    let change = null;
    for (let share = 1; share > 0.005 && !change; share /= 2) { // ask for less where ink does not reach
      change = dualSimplex({ ...asked, r: asked.r.map((r) => (r > 0 ? share * r : r)) }, Infinity).change;
    }
    if (!change) break;
    x = x.map((ink, j) => Math.min(upper[j], Math.max(0, ink + change[j])));
  }
  if (reaches(search, x)) return x;
  const stroke = yield* strokeSearch(model, origin, target, { margin, weights });
  return stroke && stroke.flipped.every((ink, j) => ink <= upper[j]) ? stroke.flipped : null;
}

/** The last point on the way back to the origin that still flips. */
function bisected(search, flipped) {
  const { origin } = search, between = (share) => origin.map((ink, j) => ink + share * (flipped[j] - ink));
  let low = 0, high = 1;
  for (let step = 0; step < BISECTIONS; step++) {
    const middle = (low + high) / 2;
    if (reaches(search, between(middle))) high = middle;
    else low = middle;
  }
  return between(high);
}

/** Solve the linearisation at the flip from the origin, and go as far that way as it pays, a few times. */
function* refined(search, flipped) {
  const { origin, upper } = search;
  for (let round = 0; round < REFINEMENTS; round++) {
    const { change } = dualSimplex(yield* linearised(search, flipped, origin), Infinity);
    if (!change) break;
    const aim = origin.map((ink, j) => Math.min(upper[j], Math.max(0, ink + change[j])));
    let best = null, least = WORTHWHILE * inkBetween(flipped, origin);
    for (const share of STEP_FRACTIONS) {
      const trial = flipped.map((ink, j) => ink + share * (aim[j] - ink)), cost = inkBetween(trial, origin);
      if (cost < least && reaches(search, trial)) [best, least] = [trial, cost];
    }
    if (!best) break;
    flipped = best;
  }
  return flipped;
}

/** Undo changes in groups of halving size, the smallest changes first, wherever the frame still flips. */
function* trimmed(search, flipped) {
  const { origin } = search, changed = () => {
    const list = [];
    for (let j = 0; j < origin.length; j++) if (flipped[j] !== origin[j]) list.push(j);
    const size = (j) => Math.abs(flipped[j] - origin[j]);
    return list.sort((a, b) => size(a) - size(b) || a - b);
  };
  for (let size = Math.max(1, changed().length >> 1); size; size >>= 1) {
    const list = changed();
    for (let from = 0; from < list.length; from += size) {
      yield;
      const without = Float64Array.from(flipped);
      for (const j of list.slice(from, from + size)) without[j] = origin[j];
      if (reaches(search, without)) flipped = without;
    }
  }
  return flipped;
}
