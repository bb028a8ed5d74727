/** From ink on a pad to the frame of MNIST, step by step. The twin of `inklens.photos.drawing`. */

import { CENTRE, PIXELS, SIDE } from './features.js';
import { components, grow, holes, mainPart, measureBorders, paint, rivals, union, without } from './parts.js';
import { penWidth, withPen } from './pen_width.js';
import { BOX, crop, resample, TRIANGLE } from './resampling.js';
import { room } from './scratch.js';

const INKED = 0.5; // ink from which a pixel belongs to a stroke; below lies its soft edge
const BOX_SIDE = 20; // pixels that a digit's longer side fills
const TIE = 1e-9; // pixels; of two places equally near, the lower right one
const PEN_WIDTHS = [0.11, 0.16]; // relative to the digit, that are left as they are; MNIST: 0.137 on median

/**
 * @typedef {{name: string, picture: Numbers, rows: number, cols: number, value: number | string | null}} Step
 * @typedef {{pen: number, border: number, holes: number, rivals: number, left_over: number}} Measures
 * @typedef {{
 *   frame: Float64Array, steps: Step[], box: number[] | null, measures: Measures | null, blank: boolean
 * }} Normalised
 */

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
