/** Whether a drawing is a digit as the training data have them. The twin of `inklens.photos.typical`. */

import { softmax } from './answers.js';
import { STROKES, transform } from './features.js';

export const GATE_DIMENSIONS = 64;
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
export function likeness({ half_likely: halfLikely, steepness, digits, noise, medians }, seen, x) {
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
