/** Features: the pixels, those of the deskewed frame, or strokes. The twin of `inklens.photos.features`. */

export const SIDE = 28; // of MNIST's frame
export const PIXELS = SIDE * SIDE;
export const CENTRE = 14; // row and column of its centre of mass
const ROW_SPREAD = 5.2, COL_SPREAD = 4.2; // standard deviation of the ink in pixels, medians of MNIST
const MAX_SCALE = 2; // a 1 must not become as wide as a 0
const DIRECTIONS = 8; // of the full circle: a stroke's left edge and its right edge are told apart
const LEVELS = [[7, 4], [4, 8]]; // cells a side, pixels between their centres
export const STROKES = 520; // 8 directions in 7 x 7 and 4 x 4 cells
export const WINDOWS = windows();
const COSINES = Array.from({ length: DIRECTIONS / 2 }, (_, k) => Math.cos(2 * Math.PI * k / DIRECTIONS));
const SINES = Array.from({ length: DIRECTIONS / 2 }, (_, k) => Math.sin(2 * Math.PI * k / DIRECTIONS));

/**
 * @typedef {{
 *   count: number, pixels: Int32Array, directions: Int32Array, strengths: Float64Array
 * }} Edges
 * @typedef {{
 *   rowAt: Float64Array, colAt: Float64Array, edges: Edges | null, totals: Float64Array | null
 * }} Seen
 */

/**
 * What the linear model is fed: the pixels, those of the deskewed frame, or strokes.
 *
 * The twin of `inklens.photos.features`, in double precision.
 *
 * @param {string} features
 * @param {Numbers} frame
 * @returns {Float64Array}
 */
export function transform(features, frame) {
  return look(features, frame).x;
}

/**
 * Features, and what was seen on the way.
 *
 * @param {string} features
 * @param {Numbers} frame
 * @returns {{x: Float64Array, seen: Seen | null}}
 */
export function look(features, frame) {
  if (features === 'pixels') return { x: Float64Array.from(frame), seen: null };
  const { rowAt, colAt } = positions(pose(frame));
  const upright = deskewed(frame, rowAt, colAt);
  if (features === 'upright') return { x: upright, seen: { rowAt, colAt, edges: null, totals: null } };
  const edges = edgesOf(upright), totals = averaged(edges);
  return { x: strokesOf(totals), seen: { rowAt, colAt, edges, totals } };
}

/** Where a frame lies and how it stands: centre of mass, rows and columns per deskewed one, slant. */
function pose(frame) {
  let mass = 0, r = 0, c = 0, rr = 0, cc = 0, rc = 0;
  for (let i = 0, at = 0; i < SIDE; i++) {
    for (let j = 0; j < SIDE; j++, at++) {
      const ink = frame[at];
      if (!ink) continue;
      mass += ink;
      r += ink * i;
      c += ink * j;
      rr += ink * i * i;
      cc += ink * j * j;
      rc += ink * i * j;
    }
  }
  mass = Math.max(mass, 1e-6);
  const row = r / mass, col = c / mass;
  const rowVariance = Math.max(rr / mass - row * row, 0.1), covariance = rc / mass - row * col;
  const slant = covariance / rowVariance;
  const colVariance = Math.max(cc / mass - col * col - slant * covariance, 0.1);
  const held = (scale) => Math.min(MAX_SCALE, Math.max(1 / MAX_SCALE, scale));
  const rowStep = held(Math.sqrt(rowVariance) / ROW_SPREAD);
  const colStep = held(Math.sqrt(colVariance) / COL_SPREAD);
  return { row, col, rowStep, colStep, slant };
}

/** Row (28) and column (784) of the frame that each deskewed pixel shows. */
function positions({ row, col, rowStep, colStep, slant }) {
  const rowAt = new Float64Array(SIDE), colAt = new Float64Array(PIXELS);
  for (let i = 0; i < SIDE; i++) {
    const rise = (i - CENTRE) * rowStep;
    rowAt[i] = row + rise;
    for (let j = 0; j < SIDE; j++) colAt[i * SIDE + j] = col + (j - CENTRE) * colStep + slant * rise;
  }
  return { rowAt, colAt };
}

/** The frame at these places, by linear interpolation: between two rows first, then between two columns. */
function deskewed(frame, rowAt, colAt) {
  const out = new Float64Array(PIXELS), line = new Float64Array(SIDE + 3); // a blank before, two after
  for (let i = 0; i < SIDE; i++) {
    const low = Math.floor(rowAt[i]), share = rowAt[i] - low;
    const upper = low >= 0 && low < SIDE ? 1 - share : 0, lower = low >= -1 && low < SIDE - 1 ? share : 0;
    if (!upper && !lower) continue;
    for (let j = 0; j < SIDE; j++) {
      const at = low * SIDE + j;
      line[j + 1] = (upper ? upper * frame[at] : 0) + (lower ? lower * frame[at + SIDE] : 0);
    }
    for (let j = 0, at = i * SIDE; j < SIDE; j++, at++) {
      const left = Math.floor(colAt[at]), along = colAt[at] - left;
      const index = Math.min(SIDE + 1, Math.max(0, left + 1));
      out[at] = line[index] * (1 - along) + line[index + 1] * along;
    }
  }
  return out;
}

/**
 * Edges of a frame: max(0, g . u_k)^3 for gradient g (Sobel) and 8 directions u_k, where it is not 0.
 *
 * @param {Float64Array} frame
 * @returns {Edges}
 */
function edgesOf(frame) {
  const most = DIRECTIONS * PIXELS / 2, pixels = new Int32Array(most), directions = new Int32Array(most);
  const strengths = new Float64Array(most);
  const W = SIDE + 2, padded = edgeScratch;
  for (let i = 0; i < SIDE; i++) padded.set(frame.subarray(i * SIDE, (i + 1) * SIDE), (i + 1) * W + 1);
  let count = 0;
  for (let i = 0, j = 0; i < SIDE; i++) {
    for (let n = 0, at = (i + 1) * W + 1; n < SIDE; n++, j++, at++) {
      const a = padded[at - W - 1], b = padded[at - W], c = padded[at - W + 1], d = padded[at - 1];
      const e = padded[at + 1], f = padded[at + W - 1], g = padded[at + W], h = padded[at + W + 1];
      const across = (c + 2 * e + h - a - 2 * d - f) / 4, down = (f + 2 * g + h - a - 2 * b - c) / 4;
      if (across === 0 && down === 0) continue;
      for (let k = 0; k < DIRECTIONS / 2; k++) {
        const along = COSINES[k] * across + SINES[k] * down;
        if (along === 0) continue;
        pixels[count] = j;
        directions[count] = along > 0 ? k : k + DIRECTIONS / 2;
        strengths[count++] = Math.abs(along * along * along);
      }
    }
  }
  return { count, pixels, directions, strengths };
}

const edgeScratch = new Float64Array((SIDE + 2) ** 2);

/** Averages of the edges of each direction under the window of each cell, (520). */
function averaged({ count, pixels, directions, strengths }) {
  const totals = new Float64Array(STROKES);
  for (const { cells, start, cell, share } of WINDOWS) {
    for (let e = 0; e < count; e++) {
      const i = pixels[e] / SIDE | 0, j = pixels[e] - i * SIDE;
      const low = start + (directions[e] * cells + cell[i]) * cells + cell[j];
      const upper = strengths[e] * share[2 * i], lower = strengths[e] * share[2 * i + 1];
      totals[low] += upper * share[2 * j];
      totals[low + 1] += upper * share[2 * j + 1];
      totals[low + cells] += lower * share[2 * j];
      totals[low + cells + 1] += lower * share[2 * j + 1];
    }
  }
  return totals;
}

/** Cube roots of the averages, divided by their root mean square. */
function strokesOf(totals) {
  const x = new Float64Array(STROKES);
  let squares = 0;
  for (let f = 0; f < STROKES; f++) {
    x[f] = Math.cbrt(totals[f]);
    squares += x[f] * x[f];
  }
  const size = Math.sqrt(squares / STROKES) + 1e-3;
  for (let f = 0; f < STROKES; f++) x[f] /= size;
  return x;
}

/**
 * Per level the two cells, `cell` and the next, whose windows hold a row or column, and its shares of them.
 */
function windows() {
  let start = 0;
  return LEVELS.map(([cells, pitch]) => {
    const cell = new Int32Array(SIDE), share = new Float64Array(2 * SIDE), sums = new Float64Array(cells);
    const middle = (SIDE - 1) / 2, centre = (c) => middle + (c - (cells - 1) / 2) * pitch;
    const weight = (i, c) => Math.max(0, 1 - Math.abs(i - centre(c)) / pitch);
    for (let i = 0; i < SIDE; i++) {
      for (let c = 0; c < cells; c++) sums[c] += weight(i, c);
      cell[i] = Math.min(cells - 2, Math.max(0, Math.floor((i - middle) / pitch + (cells - 1) / 2)));
    }
    for (let i = 0; i < SIDE; i++) {
      for (const c of [cell[i], cell[i] + 1]) share[2 * i + c - cell[i]] = weight(i, c) / sums[c];
    }
    const level = { cells, start, cell, share };
    start += DIRECTIONS * cells * cells;
    return level;
  });
}
