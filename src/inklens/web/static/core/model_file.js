/** Models as bytes: what `inklens.web.payload` writes, read and checked. */

import { PIXELS, SIDE, STROKES } from './features.js';
import { GATE_DIMENSIONS, likeness } from './gate.js';

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
