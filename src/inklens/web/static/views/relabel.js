/** Labels that a person decides on, and the relabel file that `inklens labels --refit` takes. */
import { signal } from '../vendor/signals-core.js';
import { csvText } from '../save.js';

/** The choice that leaves a row out. */
export const DROP = 'drop';
const COLUMNS = ['row', 'given', 'suggested', 'decision', 'data']; // as `inklens.datasets.relabel` reads them

/**
 * @typedef {{ index: number, name: string, given: string, suggested: string, decision: string }} Decision
 *   index in the data set; what a person calls the row; a class name or DROP
 */

/** Decisions outlive the view: they belong to a model. @type {WeakMap<object, import('../vendor/signals-core.js').Signal<Decision[]>>} */
const kept = new WeakMap();

/** Return what was decided on the rows of a model. @param {object} model @returns {import('../vendor/signals-core.js').Signal<Decision[]>} */
export function decisionsOf(model) {
  if (!kept.has(model)) kept.set(model, signal([]));
  return kept.get(model);
}

/** Decide on a row, or with its given label take the decision back. @param {import('../vendor/signals-core.js').Signal<Decision[]>} decisions @param {Decision} decision */
export function decide(decisions, decision) {
  const others = decisions.value.filter(({ index }) => index !== decision.index);
  decisions.value = decision.decision === decision.given ? others : [...others, decision];
}

/** Return the relabel file. @param {Decision[]} decisions @param {string} data mark of the data set */
export function relabelText(decisions, data) {
  return csvText([COLUMNS, ...decisions.map(({ index, given, suggested, decision }) => [index, given, suggested, decision, data])]);
}
