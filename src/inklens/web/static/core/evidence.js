/** Evidence: what the ink of each pixel adds to each score. */

import { PIXELS, SIDE, STROKES, WINDOWS } from './features.js';

const spreadScratch = new Float64Array(STROKES);

/**
 * What the ink of each pixel adds to each score; with the intercept it sums to z, whatever the features.
 *
 * @param {Model} model
 * @param {Answer} given
 * @param {Weights} [weights]
 * @returns {Float64Array} (K * pixels)
 */
export function evidence(model, given, weights = model) {
  return spread(model.features, given, weights.coef, weights.intercept.length);
}

/**
 * What the ink of each pixel adds to log p_a / p_b, less the intercepts: x (w_a - w_b) on pixels.
 *
 * @param {Model} model
 * @param {Answer} given
 * @param {number} a
 * @param {number} b
 * @param {Weights} [weights]
 * @returns {Float64Array}
 */
export function between(model, given, a, b, weights = model) {
  return spread(model.features, given, difference(weights.coef, given.x.length, a, b), 1);
}

/**
 * What filling each pixel would add: (1 - x) (w_a - w_b); without b, to the score of a, weights centred.
 * Null where features straighten the frame: new ink would move all of it.
 *
 * @param {Model} model
 * @param {Answer} given
 * @param {number} a
 * @param {number | null} b
 * @param {Weights} [weights]
 * @returns {Float64Array | null}
 */
export function missing(model, given, a, b, weights = model) {
  if (model.features !== 'pixels') return null;
  const F = given.x.length, K = weights.intercept.length, { coef } = weights;
  const map = new Float64Array(F);
  if (b === null) {
    for (let at = 0; at < K * F; at++) map[at % F] -= coef[at] / K;
    for (let j = 0; j < F; j++) map[j] += coef[a * F + j];
  } else {
    map.set(difference(coef, F, a, b));
  }
  for (let j = 0; j < F; j++) map[j] *= 1 - given.frame[j];
  return map;
}

/**
 * Pixels with ink, those whose values in a map are largest in size first.
 *
 * @param {Numbers} map
 * @param {Numbers} frame
 * @returns {number[]}
 */
export function rank(map, frame) {
  const inked = [];
  for (let j = 0; j < frame.length; j++) if (frame[j] > 0) inked.push(j);
  return inked.sort((a, b) => Math.abs(map[b]) - Math.abs(map[a]) || a - b);
}

/**
 * @param {Numbers} coef
 * @param {number} F
 * @param {number} a
 * @param {number} b
 * @returns {Float64Array}
 */
export function difference(coef, F, a, b) {
  const row = new Float64Array(F);
  for (let j = 0; j < F; j++) row[j] = coef[a * F + j] - coef[b * F + j];
  return row;
}

/**
 * Lay sums w . x out over the pixels of the frame that they come from.
 *
 * @param {string} features
 * @param {Answer} given
 * @param {Numbers} coef (K * F)
 * @param {number} K
 * @returns {Float64Array} (K * pixels)
 */
function spread(features, { frame, x, seen }, coef, K) {
  const F = x.length, maps = new Float64Array(K * frame.length);
  if (features === 'pixels') {
    for (let j = 0; j < F; j++) {
      if (x[j]) for (let k = 0, at = j; k < K; k++, at += F) maps[at] = coef[at] * x[j];
    }
    return maps;
  }
  const { sources, shares } = origins(frame, seen, features === 'upright');
  const upright = new Float64Array(PIXELS);
  for (let k = 0; k < K; k++) {
    const row = coef.subarray(k * F, (k + 1) * F), map = maps.subarray(k * PIXELS, (k + 1) * PIXELS);
    if (features === 'upright') for (let j = 0; j < PIXELS; j++) upright[j] = row[j] * x[j];
    else spreadStrokes(row, x, seen, upright);
    for (let j = 0, at = 0; j < PIXELS; j++, at += 4) {
      const value = upright[j];
      if (!value) continue;
      map[sources[at]] += value * shares[at];
      map[sources[at + 1]] += value * shares[at + 1];
      map[sources[at + 2]] += value * shares[at + 2];
      map[sources[at + 3]] += value * shares[at + 3];
    }
  }
  return maps;
}

/**
 * The four pixels of the frame that each deskewed pixel shows, and their shares, which sum to 1.
 *
 * What lies beyond the border counts to the nearest pixel inside. With `inked`, shares are of the ink.
 *
 * @param {Numbers} frame
 * @param {Seen} seen
 * @param {boolean} inked
 * @returns {{sources: Int32Array, shares: Float64Array}}
 */
function origins(frame, { rowAt, colAt }, inked) {
  const sources = new Int32Array(4 * PIXELS), shares = new Float64Array(4 * PIXELS);
  const inside = (place) => Math.min(SIDE - 1, Math.max(0, place));
  for (let i = 0, j = 0, at = 0; i < SIDE; i++) {
    const row = inside(rowAt[i]), top = Math.min(SIDE - 2, Math.floor(row)), down = row - top;
    for (let n = 0; n < SIDE; n++, j++, at += 4) {
      const col = inside(colAt[j]), left = Math.min(SIDE - 2, Math.floor(col)), along = col - left;
      const first = top * SIDE + left;
      sources[at] = first;
      sources[at + 1] = first + 1;
      sources[at + 2] = first + SIDE;
      sources[at + 3] = first + SIDE + 1;
      shares[at] = (1 - down) * (1 - along);
      shares[at + 1] = (1 - down) * along;
      shares[at + 2] = down * (1 - along);
      shares[at + 3] = down * along;
      if (inked) weighByInk(frame, sources, shares, at);
    }
  }
  return { sources, shares };
}

function weighByInk(frame, sources, shares, at) {
  let total = 0;
  for (let n = at; n < at + 4; n++) total += shares[n] * frame[sources[n]];
  if (total > 0) for (let n = at; n < at + 4; n++) shares[n] *= frame[sources[n]] / total;
}

/**
 * Lay w_f x_f out over the edges of the deskewed frame that feature f averages.
 *
 * @param {Numbers} row w (520)
 * @param {Float64Array} x
 * @param {Seen} seen
 * @param {Float64Array} map (784), filled
 */
function spreadStrokes(row, x, { edges, totals }, map) {
  const perEdge = spreadScratch;
  for (let f = 0; f < STROKES; f++) perEdge[f] = totals[f] > 0 ? row[f] * x[f] / totals[f] : 0;
  map.fill(0);
  for (let e = 0; e < edges.count; e++) {
    const i = edges.pixels[e] / SIDE | 0, j = edges.pixels[e] - i * SIDE, d = edges.directions[e];
    let sum = 0;
    for (const { cells, start, cell, share } of WINDOWS) {
      const low = start + (d * cells + cell[i]) * cells + cell[j];
      const next = low + cells, left = share[2 * j], right = share[2 * j + 1];
      sum += share[2 * i] * (left * perEdge[low] + right * perEdge[low + 1])
        + share[2 * i + 1] * (left * perEdge[next] + right * perEdge[next + 1]);
    }
    map[edges.pixels[e]] += edges.strengths[e] * sum;
  }
}
