/** Hints that follow from what a fit proved: what is so, why, and a changed plan to apply. */
import { wilson } from '../core.js';

/**
 * @typedef {{ key: string, values: Record<string, string | number>, apply: Partial<import('./train-form.js').Plan> | null }} Hint
 *   its texts are train.hint.<key> and train.hint.<key>.why
 */

const LOOSE = 3e-3; // relative gap from which L1 zeros may still be hidden
const STRONGER = 10; // times, where training digits are read better than others can be

/**
 * @param {object} header of the model's bytes
 * @param {{ train: number, test: number } | null} rows how many each half has
 * @returns {Hint[]}
 */
export function hintsOf({ certificate, penalty, accuracy }, rows) {
  const found = [];
  const isSparse = penalty && penalty.l1_ratio > 0;
  if (certificate?.status === 'separated') {
    found.push({ key: 'separated', values: {}, apply: { kind: 'l2', C: 1 } });
  } else if (certificate && isSparse && certificate.relative_gap > LOOSE) {
    found.push({ key: 'hidden', values: { gap: certificate.relative_gap }, apply: { tol: 1e-4 } });
  } else if (certificate?.status === 'stopped') {
    found.push({ key: 'stopped', values: { gap: certificate.relative_gap }, apply: null });
  }
  if (rows && penalty && penalty.C !== 'inf' && isOverfitted(accuracy, rows)) {
    found.push({ key: 'overfitted', values: { train: accuracy.train, test: accuracy.test }, apply: { C: penalty.C / STRONGER } });
  }
  if (penalty && penalty.C !== 'inf' && !isSparse) found.push({ key: 'dense', values: {}, apply: { kind: 'l1', C: 1 } });
  return found;
}

/** Whether the intervals of both halves do not even touch. */
function isOverfitted({ train, test }, rows) {
  if (train === null || test === null) return false;
  const [low] = wilson(Math.round(train * rows.train), rows.train);
  const [, high] = wilson(Math.round(test * rows.test), rows.test);
  return low > high;
}
