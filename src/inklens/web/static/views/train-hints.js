/** What a fit suggests to try next: a changed plan, and why. What its certificate says for certain is in hints.js. */
import { wilson } from '../core.js';
import { fitHint } from '../hints.js';
import { percent } from '../texts.js';

/**
 * @typedef {{ key: string, text: string, values: Record<string, string>, apply: Partial<import('./train-form.js').Plan> | null }} Hint
 *   its texts are <text> and <text>.why, and of the button that changes the plan train.hint.<key>.plan
 */

const STRONGER = 10; // times, where training digits are read better than others can be
const PLANS = { separated: () => ({ kind: 'l2', C: 1 }), gap: ({ status }) => (status === 'stopped' ? null : { tol: 1e-4 }) }; // who stopped need not ask for more

/**
 * @param {object} header of the model's bytes
 * @param {{ train: number, test: number } | null} rows how many each half has
 * @param {string} language
 * @returns {Hint[]}
 */
export function hintsOf({ certificate, penalty, accuracy }, rows, language) {
  const found = [];
  const told = fitHint(certificate, language);
  if (told) found.push({ ...told, text: `hint.${told.key}`, apply: PLANS[told.key](certificate) });
  const isPenalised = penalty && penalty.C !== 'inf';
  if (rows && isPenalised && isOverfitted(accuracy, rows)) {
    const values = { train: percent(accuracy.train, language), test: percent(accuracy.test, language) };
    found.push({ key: 'overfitted', text: 'train.hint.overfitted', values, apply: { C: penalty.C / STRONGER } });
  }
  if (isPenalised && !(penalty.l1_ratio > 0)) found.push({ key: 'dense', text: 'train.hint.dense', values: {}, apply: { kind: 'l1', C: 1 } });
  return found;
}

/** Whether the intervals of both halves do not even touch. */
function isOverfitted({ train, test }, rows) {
  if (train === null || test === null) return false;
  const [low] = wilson(Math.round(train * rows.train), rows.train);
  const [, high] = wilson(Math.round(test * rows.test), rows.test);
  return low > high;
}
