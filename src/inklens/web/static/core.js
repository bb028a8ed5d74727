/**
 * The mathematics of a softmax regression on small images: model, features, evidence, flips, path, drawings.
 *
 * No DOM, nothing from outside: the studio, the page, a notebook's output and a widget run these same lines, and
 * tests compare them with Python's. This is what they offer; each file of `core/` is one part.
 *
 * Shapes: frame (rows * cols) ink from 0 (paper) to 1; x (F) features; coef (K * F), row by row; z, p (K).
 *
 * @typedef {import('./core/model_file.js').Model} Model
 * @typedef {import('./core/model_file.js').Weights} Weights
 * @typedef {import('./core/model_file.js').Path} Path
 * @typedef {import('./core/model_file.js').Answer} Answer
 * @typedef {import('./core/flips.js').Flip} Flip
 */

export { ModelError, decodeModel, pathPoint } from './core/model_file.js';
export { scores, softmax, order, answer } from './core/answers.js';
export { evidence, between, missing, rank } from './core/evidence.js';
export { transform } from './core/features.js';
export { leastInk, nearestFlip, radius } from './core/flips.js';
export { coverage } from './core/cover.js';
export { smallestStroke, strokeSearch } from './core/pen_strokes.js';
export { searchedFlip, flipSearch } from './core/searched_flips.js';
export { normaliseDrawing } from './core/drawings.js';
export { judge } from './core/gate.js';
export { wilson } from './core/proportions.js';
