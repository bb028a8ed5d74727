/** Searches that pause, so that a page can answer its visitor. */

import { marginOf, scores } from './answers.js';
import { transform } from './features.js';

export const PER_SLICE = 16; // scores of a frame, or strokes, between two pauses: a few milliseconds

/** What a search returns, without a pause. */
export function ended(search) {
  for (;;) {
    const { done, value } = search.next();
    if (done) return value;
  }
}

export function reaches({ model, weights, target, margin }, x) {
  return marginOf(scores(weights, transform(model.features, x)), target) >= margin;
}
