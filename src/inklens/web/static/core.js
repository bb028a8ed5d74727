/**
 * The mathematics of a softmax regression on small images: model, features, evidence, flips, path, drawings.
 *
 * No imports, no DOM: the studio, the page, a notebook's output and a widget run these same lines, and tests
 * compare them with Python's.
 *
 * Shapes: frame (rows * cols) ink from 0 (paper) to 1; x (F) features; coef (K * F), row by row; z, p (K).
 */

/**
 * @typedef {Float32Array | Float64Array} Numbers
 * @typedef {{coef: Numbers, intercept: Numbers}} Weights
 * @typedef {{
 *   classes: string[], rows: number, cols: number, features: string, coef: Float64Array,
 *   intercept: Float64Array,
 *   header: object, path: Path | null, paths: Path[], tolerance: Stops | null, samples: Samples | null,
 *   usual: Float64Array | null,
 *   gate: Gate | null
 * }} Model
 * @typedef {{
 *   Cs: number[], gaps: number[], nonzeros: number[], pixels: number[], train_accuracy: number[],
 *   test_accuracy: number[], l1_ratio: number, entry_order: number[], scale: number, error: number
 * }} Path one proven fit a C, weakest first; `error` is how far a decoded coefficient may be off
 * @typedef {Path & {epochs: (number | null)[], tols: (number | null)[]}} Stops
 *   early stops of a solver at one C: passes over the rows (null: the proven optimum), tolerance that stops
 * @typedef {{
 *   length: number, size: number, pixels: Uint8Array, labels: number[], predicted: number[],
 *   close: boolean[], rows: number[], half: string, confusion: number[][], n: number
 * }} Samples
 *   digits to try, `size` pixels each, with their classes (-1: none of the model's) and numbers in the half,
 *   and the confusion matrix of all n rows of the half, true class by answer
 * @typedef {{least: number, likeness: (x: Numbers) => number}} Gate
 *   how much strokes x look like a digit's, 0 to 1, and how much they must
 * @typedef {{
 *   frame: Numbers, x: Float64Array, seen: Seen | null, z: Float64Array, p: Float64Array, order: number[],
 *   best: number, second: number
 * }} Answer
 */

// -------------------------------------------------------------------------------------------- model as bytes

/** What is wrong with bytes that should be a model: what was expected, what came, what to do. */
export class ModelError extends Error {
  /** @param {string} problem */
  constructor(problem) {
    super(`this is no model for the browser: ${problem}; export the model again`);
    this.name = 'ModelError';
  }
}

const TYPES = {
  float32: Float32Array, float16: Uint16Array, int16: Int16Array, uint16: Uint16Array, int8: Int8Array,
  uint8: Uint8Array,
};
const FEATURES = ['pixels', 'upright', 'strokes'];
const FULL_INK = 255;
const GATE_DIMENSIONS = 64;
const MOST_PIXELS = 1 << 20; // of a frame; a header that asks for more is broken

/**
 * Read a model from the bytes that `inklens.web.payload.web_model` writes.
 *
 * @param {ArrayBuffer | ArrayBufferView} bytes
 * @returns {Model}
 * @throws {ModelError}
 */
export function decodeModel(bytes) {
  const buffer = ArrayBuffer.isView(bytes)
    ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : bytes;
  const { header, start } = readHeader(buffer);
  const [rows, cols] = checkHeader(header);
  const tensors = readTensors(header.tensors, buffer, start);
  const n = { pixels: rows * cols, upright: PIXELS, strokes: STROKES }[header.features];
  const classes = header.classes.map(String);
  if (header.features !== 'pixels' && (rows !== SIDE || cols !== SIDE)) {
    throw new ModelError(`expected ${SIDE} x ${SIDE} pixels for ${header.features}, got ${rows} x ${cols}`);
  }
  const model = {
    classes, rows, cols, features: header.features, header,
    coef: numbersOf(tensors, 'coef', [classes.length, n]),
    intercept: numbersOf(tensors, 'intercept', [classes.length]),
  };
  const entries = [header.path, ...(header.more_paths ?? [])].filter((entry) => entry);
  const paths = entries.map((entry, number) => readPath(entry, tensors, `path${number}`, classes.length, n));
  return {
    ...model, paths, path: paths[0] ?? null,
    tolerance: header.tolerance ? readStops(header.tolerance, tensors, classes.length, n) : null,
    samples: readSamples(header.samples, tensors, rows * cols, classes),
    usual: tensors.usual ? inkOf(numbersOf(tensors, 'usual', [classes.length, rows * cols])) : null,
    gate: readGate(header.gate, tensors),
  };
}

/**
 * @param {ArrayBuffer} buffer
 * @returns {{header: object, start: number}}
 */
function readHeader(buffer) {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < 4) throw new ModelError('it has no header');
  const length = new DataView(buffer).getUint32(0, true);
  if (length + 4 > buffer.byteLength || length % 8 !== 4) {
    throw new ModelError(`its header should have ${length} bytes, the whole has ${buffer.byteLength}`);
  }
  let header;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(buffer, 4, length)));
  } catch {
    throw new ModelError('its header is not JSON');
  }
  return { header, start: 4 + length };
}

/**
 * @param {object} header
 * @returns {number[]} rows and columns
 */
function checkHeader(header) {
  if (header === null || typeof header !== 'object' || header.format !== 'inklens-web') {
    throw new ModelError('its header does not say inklens-web');
  }
  if (header.version !== 1) throw new ModelError(`expected version 1, got ${header.version}`);
  const { classes, image_shape: shape, features } = header;
  if (!Array.isArray(classes) || classes.length < 2) throw new ModelError('it names no two classes');
  const isSize = Array.isArray(shape) && shape.length === 2 && shape.every((n) => Number.isInteger(n));
  if (!isSize || Math.min(...shape) < 1 || shape[0] * shape[1] > MOST_PIXELS) {
    throw new ModelError(`expected an image_shape of two whole numbers, got ${JSON.stringify(shape)}`);
  }
  if (!FEATURES.includes(features)) throw new ModelError(`expected ${FEATURES.join(', ')}, got ${features}`);
  return shape;
}

/**
 * @param {object} entries
 * @param {ArrayBuffer} buffer
 * @param {number} start
 * @returns {Object<string, {dtype: string, shape: number[], data: ArrayLike<number>}>}
 */
function readTensors(entries, buffer, start) {
  if (entries === null || typeof entries !== 'object') throw new ModelError('its header lists no arrays');
  const tensors = {};
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, offset } = entry ?? {};
    const Type = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : null;
    const whole = (n) => Number.isInteger(n) && n >= 0;
    if (!Type || !Array.isArray(shape) || !shape.every(whole) || !whole(offset) || offset % 8) {
      throw new ModelError(`its header describes no array ${name}`);
    }
    const size = shape.reduce((product, n) => product * n, 1);
    if (start + offset + size * Type.BYTES_PER_ELEMENT > buffer.byteLength) {
      throw new ModelError(`it ends within the array ${name}`);
    }
    tensors[name] = { dtype, shape, data: new Type(buffer, start + offset, size) };
  }
  return tensors;
}

/**
 * Return an array as numbers in double precision, checked for its shape; -1 stands for any length.
 *
 * @param {Object<string, {dtype: string, shape: number[], data: ArrayLike<number>}>} tensors
 * @param {string} name
 * @param {number[]} shape
 * @returns {Float64Array}
 */
function numbersOf(tensors, name, shape) {
  const found = tensors[name];
  if (!found || found.shape.length !== shape.length || shape.some((n, i) => n >= 0 && n !== found.shape[i])) {
    const got = found ? found.shape.join(' x ') : 'none';
    throw new ModelError(`expected an array ${name} of ${shape.join(' x ')}, got ${got}`);
  }
  const values = Float64Array.from(found.data, found.dtype === 'float16' ? fromHalf : undefined);
  if (!values.every(Number.isFinite)) throw new ModelError(`its array ${name} holds what is no number`);
  return values;
}

/** Check a list of the header. */
function listOf(entry, name, length) {
  const list = entry?.[name];
  if (!Array.isArray(list) || (length >= 0 && list.length !== length)) {
    throw new ModelError(`expected a list ${name}${length >= 0 ? ` of ${length}` : ''} in its header`);
  }
  return list;
}

/**
 * A path, whose coefficients are decoded when the first point is asked for.
 *
 * @returns {Path}
 */
function readPath(entry, tensors, name, K, F) {
  const P = listOf(entry, 'Cs', -1).length;
  const lists = ['gaps', 'nonzeros', 'pixels', 'train_accuracy', 'test_accuracy'];
  for (const list of lists) listOf(entry, list, P);
  listOf(entry, 'entry_order', -1);
  const bytes = ['low', 'high'].map((part) => {
    const found = tensors[`${name}.${part}`];
    if (found?.dtype === 'uint8' && found.data.length === K * F * P) return found.data;
    throw new ModelError('its path has no coefficients');
  });
  if (!(entry.scale > 0)) throw new ModelError(`expected a scale of its path above 0, got ${entry.scale}`);
  const intercepts = numbersOf(tensors, `${name}.intercept`, [P, K]);
  return { ...entry, coded: { low: bytes[0], high: bytes[1], intercepts, steps: null, points: [] } };
}

/**
 * Early stops: a path over a solver's time.
 *
 * @returns {Stops}
 */
function readStops(entry, tensors, K, F) {
  const stops = readPath(entry, tensors, 'tolerance', K, F);
  for (const list of ['epochs', 'tols']) listOf(entry, list, stops.Cs.length);
  return stops;
}

/**
 * Coefficients and intercepts of a point of a path; decoded once.
 *
 * @param {Model} model
 * @param {number} index
 * @param {Path} [path]
 * @returns {Weights}
 */
export function pathPoint(model, index, path = model.path) {
  const { coded } = path, KF = model.coef.length, K = model.intercept.length;
  if (coded.points[index]) return coded.points[index];
  coded.steps ??= wholeSteps(coded.low, coded.high, KF, path.Cs.length);
  const coef = new Float64Array(KF);
  for (let at = 0, from = index * KF; at < KF; at++) coef[at] = coded.steps[from + at] * path.scale;
  coded.points[index] = { coef, intercept: coded.intercepts.slice(index * K, (index + 1) * K) };
  return coded.points[index];
}

/** Undo zigzag and differences: from each coefficient's points side by side to (P * KF) whole steps. */
function wholeSteps(low, high, KF, P) {
  const steps = new Int16Array(P * KF);
  for (let at = 0, from = 0; at < KF; at++) {
    let sum = 0;
    for (let point = 0; point < P; point++, from++) {
      const size = low[from] | (high[from] << 8);
      if (size) sum += (size >>> 1) ^ -(size & 1);
      steps[point * KF + at] = sum; // wraps, as the differences did
    }
  }
  return steps;
}

/** @returns {Samples | null} */
function readSamples(entry, tensors, size, classes) {
  if (!entry) return null;
  const n = listOf(entry, 'labels', -1).length;
  for (const name of ['predicted', 'kinds', 'rows']) listOf(entry, name, n);
  listOf(entry, 'confusion', -1);
  const found = tensors['samples.pixels'];
  if (found?.dtype !== 'uint8' || found.data.length !== n * size) {
    throw new ModelError('its samples have no pixels');
  }
  const numbers = (names) => names.map((name) => classes.indexOf(String(name)));
  return {
    ...entry, length: n, size, pixels: found.data,
    labels: numbers(entry.labels), predicted: numbers(entry.predicted),
    close: entry.kinds.map((kind) => kind === 'close'),
  };
}

/** @returns {Gate | null} */
function readGate(entry, tensors) {
  if (!entry) return null;
  const columns = (name, rows, cols) => {
    const values = numbersOf(tensors, `gate.${name}`, [rows, cols]);
    const steps = numbersOf(tensors, `gate.${name}.steps`, [cols]);
    return values.map((value, at) => value * steps[at % cols]);
  };
  const kinds = tensors['gate.bias']?.shape[0] ?? 0;
  const prototypes = columns('prototypes', tensors['gate.prototypes']?.shape[0] ?? -1, GATE_DIMENSIONS);
  const seen = {
    mean: numbersOf(tensors, 'gate.mean', [STROKES]), basis: columns('basis', STROKES, GATE_DIMENSIONS),
    whiten: columns('whiten', GATE_DIMENSIONS, GATE_DIMENSIONS), prototypes,
    outliers: columns('outliers', STROKES, kinds), bias: numbersOf(tensors, 'gate.bias', [kinds]),
  };
  return { ...entry, likeness: (x) => likeness(entry, seen, x) };
}

/** @param {ArrayLike<number>} levels from 0 to 255 */
function inkOf(levels) {
  return Float64Array.from(levels, (level) => level / FULL_INK);
}

/** @param {number} bits */
function fromHalf(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 25) * (1024 + fraction) : sign * 2 ** -24 * fraction;
}

// --------------------------------------------------------------------------------------------------- answers

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

// -------------------------------------------------------------------------------------------------- evidence

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
function difference(coef, F, a, b) {
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

// -------------------------------------------------------------------------------------------------- features

const SIDE = 28, PIXELS = SIDE * SIDE; // of MNIST's frame
const CENTRE = 14; // row and column of its centre of mass
const ROW_SPREAD = 5.2, COL_SPREAD = 4.2; // standard deviation of the ink in pixels, medians of MNIST
const MAX_SCALE = 2; // a 1 must not become as wide as a 0
const DIRECTIONS = 8; // of the full circle: a stroke's left edge and its right edge are told apart
const LEVELS = [[7, 4], [4, 8]]; // cells a side, pixels between their centres
const STROKES = 520; // 8 directions in 7 x 7 and 4 x 4 cells
const WINDOWS = windows();
const COSINES = Array.from({ length: DIRECTIONS / 2 }, (_, k) => Math.cos(2 * Math.PI * k / DIRECTIONS));
const SINES = Array.from({ length: DIRECTIONS / 2 }, (_, k) => Math.sin(2 * Math.PI * k / DIRECTIONS));
const spreadScratch = new Float64Array(STROKES);

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
function look(features, frame) {
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

// ----------------------------------------------------------------------------------------------------- flips

const MARGIN = 1e-6; // log-odds; exceeds the rounding of a score in any order of summation
const OPTIMAL_GAP = 1e-6; // relative gap up to which a flip is called optimal
const EPS = Number.EPSILON;
const MAX_TRIES = 5; // each asks for a hundred times more than rounding can take away
const MAX_ROUNDS = 5000; // of the dual simplex; ten classes need about ten
const FEASIBLE = 1e-11; // by how much a pixel may leave its bounds and still count as inside
const PIVOT = 1e-9; // smallest pivot, relative to the largest of its row

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

/**
 * @param {Model} model
 * @param {Numbers} frame
 * @param {FlipOptions} options
 */
function flipTask(model, frame, { margin = MARGIN, highest = null, weights = model }) {
  const x = Float64Array.from(frame), K = weights.intercept.length, F = x.length;
  const sizes = new Float64Array(K); // sum of |w| of each class: scales the rounding errors
  for (let at = 0; at < K * F; at++) sizes[at / F | 0] += Math.abs(weights.coef[at]);
  return { x, margin, highest, weights, sizes, z: scores(weights, x), K, F };
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

/** The most ink of each pixel: never less than there is. */
function limitsOf({ x, highest }, target) {
  const most = typeof highest === 'function' ? highest(target) : highest;
  return most ? x.map((ink, j) => Math.max(ink, most[j])) : new Float64Array(x.length).fill(1);
}

/**
 * Solve with a little more than is needed, until the model itself answers with the margin.
 *
 * @returns {{flipped: Float64Array | null, bound: number}}
 */
function solveFlip(task, target, cutoff) {
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

/** By how much a class beats the next best, in log-odds. */
function marginOf(z, target) {
  let rival = -Infinity;
  for (let k = 0; k < z.length; k++) if (k !== target) rival = Math.max(rival, z[k]);
  return z[target] - rival;
}

function finished({ x }, target, flipped, bound) {
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

/**
 * Least ink by an exact dual simplex with bound flipping, as in `inklens.explanations.programs`.
 *
 * Columns are ink added, ink erased and slacks; each is basic, untouched or full. It starts from no change;
 * each round follows the edge of the variable furthest outside its bounds, and flips pixels that it passes.
 * Koberstein (2005), The dual simplex method, section 3.2 (steepest edge), 3.3 (bound flipping ratio test).
 *
 * @returns {{change: Float64Array | null, multipliers: Float64Array, none: boolean}}
 *   no change where the bound reached `cutoff`, or, with `none`, where no change reaches r
 */
function dualSimplex(program, cutoff) {
  const tableau = tableauOf(program), { m, basis, widths } = tableau;
  const result = (change, none) => (
    { change, none, multipliers: tableau.multipliers.map((value) => Math.max(value, 0)) });
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const inverse = inverseOf(tableau);
    if (!inverse) return result(null, false);
    const values = new Float64Array(m);
    let leaving = -1, steepest = 0, slope = 0;
    for (let i = 0; i < m; i++) {
      let norm = 0;
      for (let l = 0; l < m; l++) {
        values[i] += inverse[i * m + l] * tableau.rest[l];
        norm += inverse[i * m + l] ** 2;
      }
      const outside = Math.max(-values[i], values[i] - widths[basis[i]]);
      if (outside > FEASIBLE && outside * outside / norm > steepest) {
        [leaving, steepest, slope] = [i, outside * outside / norm, outside];
      }
    }
    if (leaving < 0) return result(changeOf(tableau, values), false);
    const sign = values[leaving] < 0 ? 1 : -1; // +1: below 0, leaves empty; -1: above, leaves full
    const edge = inverse.subarray(leaving * m, (leaving + 1) * m).map((v) => sign * v);
    if (!followEdge(tableau, leaving, edge, sign, slope)) return result(null, true);
    if (tableau.value >= cutoff) break;
  }
  return result(null, false);
}

function tableauOf({ A, r, m, n, erasable, addable }) {
  const pixels = [], signs = [];
  let most = 0;
  const used = new Uint8Array(n);
  for (let at = 0; at < m * n; at++) {
    if (A[at]) used[at % n] = 1;
    most = Math.max(most, Math.abs(A[at]));
  }
  for (const [sign, room] of [[1, addable], [-1, erasable]]) {
    for (let j = 0; j < n; j++) {
      if (used[j] && room[j] > 0) {
        pixels.push(j);
        signs.push(sign);
      }
    }
  }
  const count = pixels.length, N = count + m, columns = new Float64Array(N * m); // column by column
  const unit = most ? 2 ** Math.floor(Math.log2(most)) : 1; // of slacks, so that a basis keeps one scale
  const widths = new Float64Array(N).fill(Infinity), reduced = new Float64Array(N), state = new Uint8Array(N);
  for (let c = 0; c < count; c++) {
    for (let l = 0; l < m; l++) columns[c * m + l] = signs[c] * A[l * n + pixels[c]];
    widths[c] = signs[c] > 0 ? addable[pixels[c]] : erasable[pixels[c]];
    reduced[c] = 1;
  }
  for (let l = 0; l < m; l++) {
    columns[(count + l) * m + l] = -unit;
    state[count + l] = BASIC;
  }
  return {
    m, n, N, count, pixels, signs, columns, widths, reduced, state, basis: Array.from(r, (_, l) => count + l),
    rest: Float64Array.from(r), multipliers: new Float64Array(m), value: 0, row: new Float64Array(N),
    steps: new Float64Array(N),
  };
}

const EMPTY = 0, FULL = 1, BASIC = 2;

/** Inverse of the basis by Gauss and Jordan with pivots from the whole column; null where it is singular. */
function inverseOf({ m, basis, columns }) {
  const W = 2 * m, work = new Float64Array(m * W);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < m; l++) work[l * W + i] = columns[basis[i] * m + l];
    work[i * W + m + i] = 1;
  }
  for (let c = 0; c < m; c++) {
    let pivot = c;
    for (let i = c + 1; i < m; i++) if (Math.abs(work[i * W + c]) > Math.abs(work[pivot * W + c])) pivot = i;
    const size = work[pivot * W + c];
    if (!size) return null;
    for (let l = 0; l < W; l++) {
      const value = work[pivot * W + l];
      work[pivot * W + l] = work[c * W + l];
      work[c * W + l] = value / size;
    }
    for (let i = 0; i < m; i++) {
      const share = work[i * W + c];
      if (i !== c && share) for (let l = c; l < W; l++) work[i * W + l] -= share * work[c * W + l];
    }
  }
  const inverse = new Float64Array(m * m);
  for (let i = 0; i < m; i++) inverse.set(work.subarray(i * W + m, (i + 1) * W), i * m);
  return inverse;
}

/** Move the multipliers along -edge to the top of the dual and pivot; false where the dual has no top. */
function followEdge(tableau, leaving, edge, sign, slope) {
  const { m, N, columns, widths, reduced, state, row, steps } = tableau;
  let largest = 0;
  for (let c = 0; c < N; c++) {
    let sum = 0;
    for (let l = 0, at = c * m; l < m; l++, at++) sum += edge[l] * columns[at];
    row[c] = sum;
    largest = Math.max(largest, Math.abs(sum));
  }
  const falling = (c) => (state[c] === FULL ? row[c] : -row[c]); // how fast a |reduced cost| falls
  const passed = [];
  for (let c = 0; c < N; c++) {
    if (state[c] === BASIC || falling(c) <= PIVOT * largest) continue;
    steps[c] = Math.abs(reduced[c]) / falling(c);
    passed.push(c);
  }
  passed.sort((a, b) => steps[a] - steps[b] || a - b);
  let top = 0, before = 0;
  for (; top < passed.length; top++) {
    const c = passed[top];
    tableau.value += slope * (steps[c] - before);
    before = steps[c];
    slope -= falling(c) * widths[c];
    if (slope <= 0) break;
  }
  if (top === passed.length) return false;
  const step = steps[passed[top]];
  for (let l = 0; l < m; l++) tableau.multipliers[l] -= step * edge[l];
  for (let c = 0; c < N; c++) reduced[c] += step * row[c];
  for (let i = 0; i < top; i++) flipColumn(tableau, passed[i]);
  exchange(tableau, leaving, passed[top], sign < 0);
  return true;
}

function flipColumn({ m, columns, widths, rest, state }, c) {
  const gain = state[c] === FULL ? -widths[c] : widths[c];
  for (let l = 0; l < m; l++) rest[l] -= columns[c * m + l] * gain;
  state[c] = state[c] === FULL ? EMPTY : FULL;
}

function exchange(tableau, leaving, entering, full) {
  const { basis, state, reduced } = tableau, out = basis[leaving];
  if (state[entering] === FULL) flipColumn(tableau, entering);
  basis[leaving] = entering;
  state[entering] = BASIC;
  state[out] = EMPTY;
  reduced[entering] = 0;
  if (full) flipColumn(tableau, out);
}

function changeOf({ n, m, count, pixels, signs, widths, state, basis }, values) {
  const change = new Float64Array(n), amounts = new Float64Array(count);
  for (let c = 0; c < count; c++) if (state[c] === FULL) amounts[c] = widths[c];
  for (let i = 0; i < m; i++) {
    if (basis[i] < count) amounts[basis[i]] = Math.min(widths[basis[i]], Math.max(0, values[i]));
  }
  for (let c = 0; c < count; c++) change[pixels[c]] += signs[c] * amounts[c];
  return change;
}

// ------------------------------------------------------------------------------------------ strokes of a pen

const PEN_DIRECTIONS = 12; // every 15 degrees of half a turn; the rest are the same strokes the other way
const ROUNDING_MARGIN = 1e-9; // log-odds that sums in another order may take away
const tipsOf = new Map(); // by size of the frame, width and direction

/**
 * @typedef {{
 *   kind: 'draw' | 'erase', start: number[], end: number[], width: number, target: number, ink: number,
 *   margin: number, flipped: Float64Array, searched: boolean
 * }} Stroke
 *   start and end are row and column of the ends of the pen's path
 */

/**
 * How much of each pixel a round pen covers on a straight path: clip(width / 2 + 1/2 - distance, 0, 1).
 *
 * @param {number[]} start row and column; 0, 0 is the centre of the upper left pixel
 * @param {number[]} end
 * @param {number} width
 * @param {number} rows
 * @param {number} cols
 * @returns {Float64Array}
 */
export function coverage(start, end, width, rows, cols) {
  const cover = new Float64Array(rows * cols);
  eachCovered(start, end, width, rows, cols, (at, share) => {
    cover[at] = share;
  });
  return cover;
}

/** Visit the pixels that a stroke may cover, with their cover. */
function eachCovered(start, end, width, rows, cols, visit) {
  const down = end[0] - start[0], right = end[1] - start[1], reach = width / 2 + 0.5;
  const length = Math.max(down * down + right * right, 1e-300);
  const first = (axis) => Math.max(0, Math.floor(Math.min(start[axis], end[axis]) - reach));
  const last = (axis, size) => Math.min(size - 1, Math.ceil(Math.max(start[axis], end[axis]) + reach));
  const left = first(1), lastRow = last(0, rows), lastCol = last(1, cols);
  for (let row = first(0); row <= lastRow; row++) {
    for (let col = left; col <= lastCol; col++) {
      const r = row - start[0], c = col - start[1];
      const along = Math.min(1, Math.max(0, (r * down + c * right) / length));
      const distance = Math.sqrt((r - along * down) ** 2 + (c - along * right) ** 2);
      visit(row * cols + col, Math.min(1, Math.max(0, reach - distance)));
    }
  }
}

/**
 * The straight stroke with least ink that makes a model answer `target`; null where no stroke does.
 *
 * On pixels all strokes are tried; on other features a coarser grid, and one with less ink may exist.
 * Every pixel as start, 12 directions, all whole lengths: drawn, max(x, cover), or erased, min(x, 1 - cover).
 *
 * @param {Model} model
 * @param {Numbers} frame
 * @param {number} target
 * @param {{width?: number, erase?: boolean | null, margin?: number, weights?: Weights}} [options]
 *   erase true or false for one kind only
 * @returns {Stroke | null}
 */
export function smallestStroke(model, frame, target, options = {}) {
  return ended(strokeSearch(model, frame, target, options));
}

/** `smallestStroke` in slices, as `flipSearch` is. */
export function* strokeSearch(
  model, frame, target, { width = 2, erase = null, margin = MARGIN, weights = model } = {},
) {
  const { rows, cols } = model, searched = model.features !== 'pixels';
  const z = scores(weights, transform(model.features, frame));
  let best = null;
  for (const erases of erase === null ? [false, true] : [erase]) {
    const task = { model, frame, weights, z, target, width, erases, margin: margin + ROUNDING_MARGIN };
    const found = searched ? yield* searchedStroke(task) : longer(task, best);
    if (found && (!best || found.ink < best.ink)) best = found;
  }
  if (!best) return null;
  const { start, end, erases } = best, cover = coverage(start, end, width, rows, cols);
  const flipped = stroked(frame, cover, erases);
  const reached = marginOf(scores(weights, transform(model.features, flipped)), target);
  const ink = inkBetween(flipped, frame), kind = erases ? 'erase' : 'draw';
  return { kind, start, end, width, target, ink, margin: reached, flipped, searched };
}

function stroked(frame, cover, erases) {
  return Float64Array.from(frame, (x, j) => (erases ? Math.min(x, 1 - cover[j]) : Math.max(x, cover[j])));
}

/**
 * Lengthen a stroke from every start in every direction until it flips, or costs more than the best so far.
 *
 * Scores are linear in the change, so each length costs only the pixels at the stroke's tip.
 */
function longer({ model: { rows, cols }, frame, weights, z, target, width, erases, margin }, found) {
  const K = z.length, F = rows * cols, sign = erases ? -1 : 1, now = new Float64Array(K);
  const maps = new Float64Array(F * K); // pixel by pixel
  for (let at = 0; at < K * F; at++) maps[(at % F) * K + (at / F | 0)] = sign * weights.coef[at];
  let best = null, least = found ? found.ink : Infinity;
  for (let direction = 0; direction < PEN_DIRECTIONS; direction++) {
    const angle = direction * Math.PI / PEN_DIRECTIONS, step = [Math.sin(angle), Math.cos(angle)];
    const tips = penTips(rows, cols, width, direction, step);
    for (let start = 0; start < F; start++) {
      const row = start / cols | 0, col = start - row * cols;
      now.set(z);
      let ink = 0;
      for (let length = 0; length < tips.length; length++) {
        const endRow = row + length * step[0], endCol = col + length * step[1];
        if (endRow > rows - 1 || endCol > cols - 1 || endRow < 0 || endCol < 0) break;
        const { down, right, before, after } = tips[length];
        for (let i = 0; i < down.length; i++) {
          const r = row + down[i], c = col + right[i];
          if (r < 0 || r >= rows || c < 0 || c >= cols) continue;
          const pixel = r * cols + c, taken = erases ? 1 - frame[pixel] : frame[pixel];
          if (after[i] <= taken) continue;
          const grown = after[i] - Math.max(before[i], taken);
          ink += grown;
          for (let k = 0, at = pixel * K; k < K; k++, at++) now[k] += maps[at] * grown;
        }
        if (ink >= least) break;
        if (ink > 0 && marginOf(now, target) >= margin) {
          least = ink;
          best = { start: [row, col], end: [endRow, endCol], ink, erases };
          break;
        }
      }
    }
  }
  return best;
}

/** Per length the pixels whose cover grows, as rows and columns from the start, and it before and after. */
function penTips(rows, cols, width, direction, step) {
  const key = `${rows} ${cols} ${width} ${direction}`;
  if (tipsOf.has(key)) return tipsOf.get(key);
  const most = Math.max(rows, cols), pad = most + Math.ceil(width) + 1, side = 2 * pad + 1;
  let covered = new Float64Array(side * side);
  const tips = Array.from({ length: most }, (_, length) => {
    const wider = coverage([pad, pad], [pad + length * step[0], pad + length * step[1]], width, side, side);
    const tip = { down: [], right: [], before: [], after: [] };
    for (let at = 0; at < wider.length; at++) {
      if (wider[at] <= covered[at]) continue;
      tip.down.push((at / side | 0) - pad);
      tip.right.push(at % side - pad);
      tip.before.push(covered[at]);
      tip.after.push(wider[at]);
    }
    covered = wider;
    return tip;
  });
  if (tipsOf.size > 4 * PEN_DIRECTIONS) tipsOf.clear();
  tipsOf.set(key, tips);
  return tips;
}

// ---------------------------------------------------------------------- searches where scores are not linear

const DIFFERENCE_STEP = 0.1; // ink; far enough to see past rounding
const EXTRA_MARGIN = 1e-3; // log-odds beyond the margin, which the curvature of the features may take back
const APPROACHES = 8, REFINEMENTS = 3, BISECTIONS = 12; // at most; 12 halvings place the boundary to 1/4096
const STEP_FRACTIONS = [1, 0.75, 0.5, 0.25, 0.1]; // of the way to the solution of the linearisation at a flip
const WORTHWHILE = 0.999; // of the cost: a refinement that saves less is not taken
const MAX_SEARCHED = 3; // classes with the highest scores that are tried where none is asked for
const PER_SLICE = 16; // scores of a frame, or strokes, between two pauses: a few milliseconds

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

/** What a search returns, without a pause. */
function ended(search) {
  for (;;) {
    const { done, value } = search.next();
    if (done) return value;
  }
}

function reaches({ model, weights, target, margin }, x) {
  return marginOf(scores(weights, transform(model.features, x)), target) >= margin;
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

function inkBetween(a, b) {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += Math.abs(a[j] - b[j]);
  return sum;
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

const COARSE = 3; // pixels between starts, and between lengths, of strokes that the model judges one by one
const MAX_JUDGED = 4000; // strokes, some 0.3 seconds
const STROKE_REFINEMENTS = 6; // moves of the ends by one pixel, at most

/**
 * A stroke that makes a model on any features answer `target`: of a coarse grid the one with least ink, then
 * moved by pixels while that takes less. Another with less ink may exist.
 */
function* searchedStroke({ model, frame, weights, target, width, erases, margin }) {
  const { rows, cols } = model, search = { model, weights, target, margin };
  const tried = [];
  for (let direction = 0; direction < PEN_DIRECTIONS; direction++) {
    const angle = direction * Math.PI / PEN_DIRECTIONS, step = [Math.sin(angle), Math.cos(angle)];
    for (let length = direction ? COARSE : 0; length < Math.max(rows, cols); length += COARSE) {
      for (let at = 0; at < rows * cols; at++) {
        const row = at / cols | 0, col = at % cols;
        if (row % COARSE || col % COARSE) continue;
        tried.push({ start: [row, col], end: [row + length * step[0], col + length * step[1]] });
      }
    }
  }
  const all = yield* drawn(tried, frame, rows, cols, width, erases);
  let best = yield* firstThatFlips(search, all.slice(0, MAX_JUDGED));
  for (let round = 0; best && round < STROKE_REFINEMENTS; round++) {
    const moved = yield* drawn(nudged(best), frame, rows, cols, width, erases);
    const better = yield* firstThatFlips(search, moved.filter(({ ink }) => ink < best.ink));
    if (!better) break;
    best = better;
  }
  return best;
}

function* firstThatFlips(search, strokes) {
  for (const [i, stroke] of strokes.entries()) {
    if (i % PER_SLICE === 0) yield;
    if (reaches(search, stroke.flipped())) return stroke;
  }
  return null;
}

/** All moves of both ends by at most a pixel down or right. */
function nudged({ start, end }) {
  const moves = [-1, 0, 1];
  return moves.flatMap((a) => moves.flatMap((b) => moves.flatMap((c) => moves.map((d) => (
    { start: [start[0] + a, start[1] + b], end: [end[0] + c, end[1] + d] })))));
}

/** Strokes inside the frame that change ink, the least first. */
function* drawn(strokes, frame, rows, cols, width, erases) {
  const inside = ([row, col]) => row >= 0 && col >= 0 && row <= rows - 1 && col <= cols - 1;
  const found = [];
  for (const [i, { start, end }] of strokes.entries()) {
    if (i % (10 * PER_SLICE) === 0) yield; // to measure one takes less than to judge it
    if (!inside(start) || !inside(end)) continue;
    let ink = 0;
    eachCovered(start, end, width, rows, cols, (at, cover) => {
      ink += Math.max(0, cover - (erases ? 1 - frame[at] : frame[at]));
    });
    const flipped = () => stroked(frame, coverage(start, end, width, rows, cols), erases);
    if (ink > 0) found.push({ start, end, erases, flipped, ink });
  }
  return found.sort((a, b) => a.ink - b.ink);
}

// -------------------------------------------------------------------------------------------------- drawings

const INKED = 0.5; // ink from which a pixel belongs to a stroke; below lies its soft edge
const EDGE_PIXELS = 2; // of the soft edge round a stroke
const BOX_SIDE = 20; // pixels that a digit's longer side fills
const TIE = 1e-9; // pixels; of two places equally near, the lower right one
const PEN_WIDTHS = [0.11, 0.16]; // relative to the digit, that are left as they are; MNIST: 0.137 on median
const DRAWN_SIDE = 80, MARGIN_PIXELS = 12; // of the box in which a pen's width is changed, and paper round it
const JOIN_GAP = 0.12, STACK_GAP = 0.3; // of the digit's extent: parts nearer than this belong together
const SPECK_SHARE = 0.02; // of the largest part's area: less is a speck
const FLAW_EXTENT = 0.04; // of the digit's extent: a smaller hole is a flaw

/**
 * @typedef {{name: string, picture: Numbers, rows: number, cols: number, value: number | string | null}} Step
 * @typedef {{pen: number, border: number, holes: number, rivals: number, left_over: number}} Measures
 * @typedef {{
 *   frame: Float64Array, steps: Step[], box: number[] | null, measures: Measures | null, blank: boolean
 * }} Normalised
 * @typedef {{
 *   area: number, left: number, top: number, right: number, bottom: number, touching: number, border: number,
 *   along: number, runs: number[]
 * }} Part
 */

const scratch = {};

/** Working memory by name, zeroed, kept from one drawing to the next: less garbage while the pen moves. */
function room(name, Type, length) {
  if (!(scratch[name]?.length >= length)) scratch[name] = new Type(length);
  return scratch[name].subarray(0, length).fill(0);
}

/**
 * Turn a drawing into a frame as a photo is turned into one: the digit's box, 20 x 20, its centre of mass.
 *
 * The twin of `inklens.photos.drawing.normalise_drawing`.
 *
 * @param {Numbers} ink 0 paper to 1
 * @param {number} rows
 * @param {number} cols
 * @param {{fill?: number, centre?: boolean, pen?: 'auto' | number | null}} [options]
 *   pixels that the digit's longer side takes; whether the centre of mass comes to the middle, or the box;
 *   width of the strokes relative to the digit: auto changes only what MNIST hardly has, null nothing
 * @returns {Normalised}
 */
export function normaliseDrawing(ink, rows, cols, { fill = BOX_SIDE, centre = true, pen = 'auto' } = {}) {
  const steps = [{ name: 'ink', picture: ink, rows, cols, value: null }];
  const mask = room('mask', Uint8Array, rows * cols);
  for (let at = 0; at < mask.length; at++) mask[at] = ink[at] >= INKED ? 1 : 0;
  const parts = components(mask, rows, cols, true);
  if (!parts.length) {
    const frame = new Float64Array(PIXELS);
    steps.push({ name: 'frame', picture: frame, rows: SIDE, cols: SIDE, value: null });
    return { frame, steps, box: null, measures: null, blank: true };
  }
  measureBorders(parts, mask, rows, cols);
  const group = grow(mainPart(parts, rows, cols), parts);
  const others = parts.filter((part) => !group.includes(part));
  const [left, top, right, bottom] = union(group);
  const height = bottom - top, width = right - left;
  const own = others.length ? paint(group, rows, cols) : mask;
  const clean = others.length ? without(ink, own, others, rows, cols) : ink;
  const digit = crop(clean, cols, left, top, width, height, Float32Array);
  const shape = crop(own, cols, left, top, width, height, Uint8Array);
  steps.push({ name: 'digit', picture: digit, rows: height, cols: width, value: Math.max(height, width) });
  const thick = penWidth(shape, height, width) / Math.max(height, width);
  const wanted = pen === 'auto' ? Math.min(PEN_WIDTHS[1], Math.max(PEN_WIDTHS[0], thick)) : pen ?? thick;
  let drawn = { picture: digit, rows: height, cols: width };
  if (Math.abs(wanted - thick) > TIE) {
    drawn = withPen(shape, height, width, wanted);
    steps.push({ name: 'pen', ...drawn, value: wanted });
  }
  const square = fitBox(drawn.picture, drawn.rows, drawn.cols, fill);
  steps.push({ name: 'square', picture: square, rows: fill, cols: fill, value: fill });
  const frame = placed(square, fill, centre);
  steps.push({ name: 'frame', picture: frame, rows: SIDE, cols: SIDE, value: centre ? CENTRE : null });
  const sum = (list) => list.reduce((total, part) => total + part.area, 0);
  const measures = {
    pen: thick,
    border: Math.max(...group.map((part) => part.along)),
    holes: holes(shape, height, width),
    rivals: rivals(group, others),
    left_over: sum(others) / sum(parts),
  };
  return { frame, steps, box: [left, top, right, bottom], measures, blank: false };
}

/**
 * Connected parts of a mask, largest first; runs of its rows are joined, so work is per run, not per pixel.
 *
 * @param {Uint8Array} mask
 * @param {number} rows
 * @param {number} cols
 * @param {boolean} diagonal whether corners touch
 * @returns {Part[]}
 */
function components(mask, rows, cols, diagonal) {
  const runs = [], parent = [], reach = diagonal ? 0 : 1;
  const root = (i) => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]];
    return i;
  };
  let above = 0;
  for (let row = 0; row < rows; row++) {
    const first = parent.length, end = (row + 1) * cols;
    let other = above;
    for (let at = row * cols; at < end; at++) {
      if (!mask[at]) continue;
      const start = at;
      while (at < end && mask[at]) at++;
      const run = parent.length, from = start - row * cols, to = at - row * cols;
      runs.push(row, from, to);
      parent.push(run);
      while (other < first && runs[3 * other + 2] < from + reach) other++;
      for (let next = other; next < first && runs[3 * next + 1] <= to - reach; next++) {
        const a = root(next), b = root(run);
        parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
    above = first;
  }
  return gather(runs, parent.map((_, i) => root(i)), rows, cols);
}

/**
 * @param {number[]} runs row, start, end (outside) of each
 * @param {number[]} roots the first run of each run's part
 * @param {number} rows
 * @param {number} cols
 * @returns {Part[]}
 */
function gather(runs, roots, rows, cols) {
  const parts = new Map();
  roots.forEach((root, run) => {
    const row = runs[3 * run], start = runs[3 * run + 1], end = runs[3 * run + 2];
    let part = parts.get(root);
    if (!part) {
      part = {
        area: 0, left: cols, top: row, right: 0, bottom: 0, touching: 0, border: 0, along: 0, runs: [],
        sides: [0, 0, 0, 0],
      };
      parts.set(root, part);
    }
    part.area += end - start;
    part.left = Math.min(part.left, start);
    part.right = Math.max(part.right, end);
    part.bottom = row + 1;
    part.runs.push(row, start, end);
    if (row === 0) part.sides[0] += end - start;
    if (row === rows - 1) part.sides[1] += end - start;
    if (start === 0) part.sides[2]++;
    if (end === cols) part.sides[3]++;
  });
  return [...parts.values()].sort((a, b) => b.area - a.area);
}

/**
 * Measure how much of each part's outline lies on the picture's border, and of its extent along one side.
 *
 * @param {Part[]} parts
 * @param {Uint8Array} mask
 * @param {number} rows
 * @param {number} cols
 */
function measureBorders(parts, mask, rows, cols) {
  for (const part of parts) {
    const touching = part.sides.reduce((sum, n) => sum + n, 0);
    part.along = Math.max(...part.sides) / Math.max(part.bottom - part.top, part.right - part.left);
    part.border = touching ? touching / outline(part, mask, rows, cols) : 0;
  }
}

/** Count the pixels of a part with paper, or the picture's border, beside them. */
function outline({ runs }, mask, rows, cols) {
  let count = 0;
  for (let i = 0; i < runs.length; i += 3) {
    const row = runs[i];
    for (let col = runs[i + 1]; col < runs[i + 2]; col++) {
      const at = row * cols + col;
      const inner = row > 0 && row < rows - 1 && col > 0 && col < cols - 1
        && mask[at - 1] && mask[at + 1] && mask[at - cols] && mask[at + cols];
      if (!inner) count++;
    }
  }
  return count;
}

/** The part most likely to be the digit: by its area, less along the border or far from the middle. */
function mainPart(parts, rows, cols) {
  let best = parts[0], most = -1;
  for (const part of parts) {
    const off = Math.max(
      Math.abs((part.left + part.right) / cols - 1), Math.abs((part.top + part.bottom) / rows - 1));
    const value = part.area * Math.max(0.02, 1 - 3 * part.border) * (1 - 0.6 * off * off);
    if (value > most) [best, most] = [part, value];
  }
  return best;
}

/** Add the parts that lie near enough to the digit to belong to it. */
function grow(main, parts) {
  const group = [main];
  const isSpeck = (part) => part.area < SPECK_SHARE * main.area;
  let rest = parts.filter((part) => part !== main && part.border < 0.3 && !isSpeck(part));
  for (let near = group; near.length;) {
    const box = union(group);
    near = rest.filter((part) => belongs(part, box));
    group.push(...near);
    rest = rest.filter((part) => !near.includes(part));
  }
  return group;
}

function belongs(part, [left, top, right, bottom]) {
  const gapX = Math.max(part.left - right, left - part.right);
  const gapY = Math.max(part.top - bottom, top - part.bottom);
  const extent = Math.max(right - left, bottom - top);
  if (Math.max(gapX, gapY) <= JOIN_GAP * extent) return true;
  const overlap = Math.min(part.right, right) - Math.max(part.left, left);
  return overlap >= 0.5 * (part.right - part.left) && gapY <= STACK_GAP * extent;
}

/** Count the other parts about as large as the digit, neither cut off by the border nor round it. */
function rivals(group, others) {
  const extentOf = (part) => Math.max(part.right - part.left, part.bottom - part.top);
  const extent = Math.max(...group.map(extentOf)), area = group.reduce((sum, part) => sum + part.area, 0);
  const [left, top, right, bottom] = union(group);
  return others.filter((part) => {
    const share = extentOf(part) / extent;
    const round = part.left <= left && part.top <= top && part.right >= right && part.bottom >= bottom;
    return share > 0.5 && share < 2 && part.area > 0.25 * area && part.border === 0 && !round;
  }).length;
}

/** Count the holes that are wider than a flaw. */
function holes(mask, rows, cols) {
  const W = cols + 2, paper = room('paper', Uint8Array, (rows + 2) * W).fill(1);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, at++) if (mask[at]) paper[(row + 1) * W + col + 1] = 0;
  }
  const least = (FLAW_EXTENT * Math.max(rows, cols)) ** 2;
  return components(paper, rows + 2, cols + 2, false).filter((part) => part.area > least).length - 1;
}

/** @returns {number[]} left, top, right, bottom of the box round some parts */
function union(parts) {
  return [
    Math.min(...parts.map((part) => part.left)), Math.min(...parts.map((part) => part.top)),
    Math.max(...parts.map((part) => part.right)), Math.max(...parts.map((part) => part.bottom)),
  ];
}

function paint(parts, rows, cols) {
  const mask = new Uint8Array(rows * cols);
  for (const { runs } of parts) {
    for (let i = 0; i < runs.length; i += 3) {
      const from = runs[i] * cols;
      mask.fill(1, from + runs[i + 1], from + runs[i + 2]);
    }
  }
  return mask;
}

/** Take out what belongs to others, with their soft edges. */
function without(ink, own, others, rows, cols) {
  const clean = Float32Array.from(ink);
  for (const { runs } of others) {
    for (let i = 0; i < runs.length; i += 3) {
      const low = Math.max(0, runs[i] - EDGE_PIXELS), high = Math.min(rows - 1, runs[i] + EDGE_PIXELS);
      const from = Math.max(0, runs[i + 1] - EDGE_PIXELS), to = Math.min(cols, runs[i + 2] + EDGE_PIXELS);
      for (let row = low; row <= high; row++) {
        for (let at = row * cols + from; at < row * cols + to; at++) if (!own[at]) clean[at] = 0;
      }
    }
  }
  return clean;
}

function crop(values, cols, left, top, width, height, Type) {
  const cut = new Type(width * height);
  for (let row = 0; row < height; row++) {
    const from = (top + row) * cols + left;
    cut.set(values.subarray(from, from + width), row * width);
  }
  return cut;
}

/**
 * Resample ink so that its longer side fills a square, areas averaged; maximum 1. All in single precision.
 *
 * @param {Float32Array} digit
 * @param {number} height
 * @param {number} width
 * @param {number} side
 * @returns {Float64Array}
 */
function fitBox(digit, height, width, side) {
  const extent = Math.max(height, width), square = room('square', Float32Array, extent * extent);
  const top = (extent - height) >> 1, left = (extent - width) >> 1;
  for (let row = 0; row < height; row++) {
    square.set(digit.subarray(row * width, (row + 1) * width), (top + row) * extent + left);
  }
  const small = resample(square, extent, extent, side, side, extent >= side ? BOX : TRIANGLE);
  let most = 1e-9;
  for (const value of small) most = Math.max(most, value);
  return Float64Array.from(small, (value) => Math.min(1, Math.max(0, value / most)));
}

const BOX = { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const TRIANGLE = { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) };

/** Resample a picture by a separable filter, along the rows first, each pass rounded to single precision. */
function resample(picture, rows, cols, outRows, outCols, filter) {
  let wide = picture;
  if (cols !== outCols) {
    wide = room('wide', Float32Array, rows * outCols);
    taps(cols, outCols, filter).forEach(({ first, shares }, out) => {
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let i = 0, at = row * cols + first; i < shares.length; i++, at++) sum += picture[at] * shares[i];
        wide[row * outCols + out] = sum;
      }
    });
  }
  if (rows === outRows) return wide;
  const small = new Float32Array(outRows * outCols);
  taps(rows, outRows, filter).forEach(({ first, shares }, out) => {
    for (let col = 0; col < outCols; col++) {
      let sum = 0;
      for (let i = 0; i < shares.length; i++) sum += wide[(first + i) * outCols + col] * shares[i];
      small[out * outCols + col] = sum;
    }
  });
  return small;
}

/** The inputs that each output averages, and their shares. */
function taps(size, outSize, filter) {
  const scale = size / outSize, stretch = Math.max(scale, 1), support = filter.support * stretch;
  return Array.from({ length: outSize }, (_, out) => {
    const centre = (out + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(size, Math.trunc(centre + support + 0.5));
    const shares = [];
    for (let i = first; i < end; i++) shares.push(filter.at((i - centre + 0.5) / stretch));
    const sum = shares.reduce((total, share) => total + share, 0);
    return { first, shares: sum ? shares.map((share) => share / sum) : shares };
  });
}

/** Paste a square into a frame: its centre of mass at MNIST's pixel, or the box in the middle. */
function placed(square, side, centre) {
  const room = SIDE - side;
  let mass = 0, byRow = 0, byCol = 0;
  for (let at = 0; at < square.length; at++) {
    mass += square[at];
    byRow += square[at] * Math.floor(at / side);
    byCol += square[at] * (at % side);
  }
  const start = (moment) => (centre
    ? Math.min(room, Math.max(0, Math.floor(CENTRE + 0.5 - moment / mass + TIE))) : room >> 1);
  const top = start(byRow), left = start(byCol), frame = new Float64Array(PIXELS);
  for (let row = 0; row < side; row++) {
    frame.set(square.subarray(row * side, (row + 1) * side), (top + row) * SIDE + left);
  }
  return frame;
}

/** Mean width of strokes in pixels: across one, the distance to paper averages a quarter of it. */
function penWidth(mask, rows, cols) {
  const step = 1 + Math.floor(Math.max(rows, cols) / 120);
  const height = Math.ceil(rows / step), width = Math.ceil(cols / step);
  const padded = room('padded', Uint8Array, (height + 2) * (width + 2));
  for (let row = 0; row < height; row++) {
    for (let col = 0; col < width; col++) {
      padded[(row + 1) * (width + 2) + col + 1] = mask[row * step * cols + col * step];
    }
  }
  return meanWidth(distances(padded, height + 2, width + 2)) * step;
}

/** Draw strokes again, `target` of the longer side wide: move the outline along its distance map. */
function withPen(mask, rows, cols, target) {
  const factor = DRAWN_SIDE / Math.max(rows, cols), size = (n) => Math.max(2, roundHalfToEven(n * factor));
  const height = size(rows), width = size(cols), [H, W] = [height, width].map((n) => n + 2 * MARGIN_PIXELS);
  const smooth = resample(Float32Array.from(mask), rows, cols, height, width, TRIANGLE);
  const big = room('big', Uint8Array, W * H);
  for (let row = 0, at = 0; row < height; row++) {
    for (let col = 0; col < width; col++, at++) {
      if (smooth[at] > 0.5) big[(row + MARGIN_PIXELS) * W + col + MARGIN_PIXELS] = 1;
    }
  }
  const inside = distances(big, H, W);
  let change = (target * DRAWN_SIDE - meanWidth(inside)) / 2;
  if (change < 0) { // a thin stroke must not vanish: keep the middle of each
    const depths = Float64Array.from(inside.filter((squared) => squared > 0), Math.sqrt).sort();
    change = Math.max(change, 1 - (depths[Math.trunc(0.8 * (depths.length - 1))] ?? 0));
  }
  const reach = Math.max(1, Math.ceil(change + 1)); // beyond which all is paper
  const outside = distances(big.map((ink) => 1 - ink), H, W, reach);
  const inked = new Float32Array(W * H);
  let left = W, top = H, right = 0, bottom = 0;
  for (let row = 0, at = 0; row < H; row++) {
    for (let col = 0; col < W; col++, at++) {
      const ink = Math.min(1, Math.max(0, Math.sqrt(inside[at]) - Math.sqrt(outside[at]) + change + 0.5));
      inked[at] = ink;
      if (ink <= 0.5) continue;
      left = Math.min(left, col);
      top = Math.min(top, row);
      right = Math.max(right, col + 1);
      bottom = row + 1;
    }
  }
  if (!right) return { picture: Float32Array.from(mask), rows, cols };
  const picture = crop(inked, W, left, top, right - left, bottom - top, Float32Array);
  return { picture, rows: bottom - top, cols: right - left };
}

/** As Python rounds. */
function roundHalfToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

function meanWidth(inside) {
  let sum = 0, count = 0;
  for (const squared of inside) {
    if (squared > 0) {
      sum += Math.sqrt(squared);
      count++;
    }
  }
  return count ? Math.max(4 * sum / count - 2, 1) : 1;
}

/**
 * Squared distance of each pixel of a mask to the nearest outside it, in both directions one after the other.
 *
 * @param {Uint8Array} mask
 * @param {number} rows
 * @param {number} cols
 * @param {number} [most] distance that need not be exceeded
 * @returns {Float64Array}
 */
function distances(mask, rows, cols, most = rows + cols) {
  const squared = new Float64Array(rows * cols), gaps = room('gaps', Float64Array, rows * cols);
  for (let at = 0; at < gaps.length; at++) gaps[at] = mask[at] ? (at < cols ? most : gaps[at - cols] + 1) : 0;
  for (let at = gaps.length - 1; at >= 0; at--) {
    const gap = at < gaps.length - cols ? Math.min(gaps[at], gaps[at + cols] + 1) : gaps[at];
    gaps[at] = Math.min(gap, most);
  }
  for (let row = 0, at = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, at++) {
      let least = gaps[at] * gaps[at];
      for (let d = 1; d * d < least; d++) {
        const left = col >= d ? gaps[at - d] : most, right = col + d < cols ? gaps[at + d] : most;
        const near = Math.min(left, right);
        least = Math.min(least, d * d + near * near);
      }
      squared[at] = least;
    }
  }
  return squared;
}

// -------------------------------------------------------------------------------------------------- the gate

const MAX_BORDER_SHARE = 0.7; // of the digit's length along one side of the pad
const MAX_HOLES = 2; // an 8 has two
const MAX_LEFT_OVER_SHARE = 0.5; // share of the ink that is not the digit's
const MAX_PEN_WIDTH = 0.35; // relative to the digit's longer side

/**
 * Whether a drawing is a digit as the training data have them, and why not: decided before any answer.
 *
 * Kinds of reasons: blank, several, holes, cut, thick, unclear, unlike. A model without a gate knows no
 * likeness (null), and one whose classes are no digits has nothing to compare with.
 *
 * @param {Model} model
 * @param {Normalised} normalised
 * @returns {{accepted: boolean, like: number | null, reasons: {kind: string, values: object}[]}}
 */
export function judge(model, { frame, measures, blank }) {
  if (blank) return { accepted: false, like: 0, reasons: [{ kind: 'blank', values: {} }] };
  const digits = model.classes.every((name) => /^[0-9]$/.test(name));
  const like = digits && model.gate ? model.gate.likeness(transform('strokes', frame)) : null;
  const reasons = [];
  const say = (kind, values) => reasons.push({ kind, values });
  if (measures.border > MAX_BORDER_SHARE) say('cut', { share: measures.border });
  if (measures.pen > MAX_PEN_WIDTH) say('thick', { share: measures.pen });
  if (digits && measures.holes > MAX_HOLES) say('holes', { count: measures.holes });
  if (measures.rivals) say('several', { count: measures.rivals });
  else if (measures.left_over > MAX_LEFT_OVER_SHARE) say('unclear', { share: measures.left_over });
  if (like !== null && like < model.gate.least) say('unlike', { like });
  return { accepted: !reasons.length, like, reasons };
}

/**
 * From 0 to 1 how likely strokes x are those of a digit: near a prototype, and not of a sign that is none.
 *
 * The twin of `inklens.photos.typical.Typical.likeness`.
 */
function likeness({ half_likely: halfLikely, steepness, digits, noise, medians }, seen, x) {
  const D = GATE_DIMENSIONS, inside = new Float64Array(D), z = new Float64Array(D);
  const kinds = seen.bias.length, odds = Float64Array.from(seen.bias);
  let leftOver = 0;
  for (let f = 0; f < STROKES; f++) {
    const centred = x[f] - seen.mean[f];
    leftOver += centred * centred;
    for (let d = 0, at = f * D; d < D; d++, at++) inside[d] += centred * seen.basis[at];
    if (x[f]) for (let k = 0, at = f * kinds; k < kinds; k++, at++) odds[k] += x[f] * seen.outliers[at];
  }
  for (let d = 0; d < D; d++) {
    leftOver -= inside[d] * inside[d];
    for (let e = 0, at = d * D; e < D; e++, at++) z[e] += inside[d] * seen.whiten[at];
  }
  let apart = Infinity;
  for (let from = 0; from < seen.prototypes.length; from += D) {
    let squares = 0;
    for (let d = 0; d < D; d++) squares += (z[d] - seen.prototypes[from + d]) ** 2;
    apart = Math.min(apart, squares);
  }
  const distance = (Math.max(apart / medians[0], 0) + Math.max(leftOver / noise / medians[1], 0)) / 2;
  const far = Math.min(50, Math.max(-50, steepness * (distance - halfLikely)));
  const none = softmax(odds).subarray(digits).reduce((sum, p) => sum + p, 0);
  return (1 - none) / (1 + Math.exp(far));
}

// ----------------------------------------------------------------------------------------------- proportions

const NORMAL_QUANTILE = 1.959963984540054; // of 97.5 %

/**
 * The interval that holds the true proportion with 95 % confidence: Wilson (1927).
 *
 * @param {number} count
 * @param {number} n
 * @returns {number[]} low, high
 */
export function wilson(count, n) {
  if (n === 0) return [0, 1];
  const p = count / n, z = NORMAL_QUANTILE;
  const middle = p + z * z / (2 * n), reach = z * Math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2);
  const scale = 1 + z * z / n;
  return [count ? (middle - reach) / scale : 0, count < n ? (middle + reach) / scale : 1];
}
