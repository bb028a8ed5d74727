/** What `window.inklens` offers to tests and to curious people, the same in every host. */
import { answer, leastInk } from '../core.js';

/**
 * @typedef {{ label: string, z: number[], probabilities: Record<string, number> }} Read
 * @typedef {{ flipped: number[], cost: number, lowerBound: number } | null} Flip
 */

/**
 * Return functions that ask the model of an app about frames.
 * @param {import('../app.js').App} app
 * @returns {{ app: object, model: object, read: (frame: ArrayLike<number>) => Read, flip: (frame: ArrayLike<number>, to: string) => Flip }}
 */
export function door(app) {
  const model = () => app.model.value;
  return {
    app,
    get model() {
      return model().header.card;
    },
    read(frame) {
      const { z, p, best } = answer(model(), checked(frame, model()));
      const { classes } = model();
      return {
        label: classes[best],
        z: Array.from(z),
        probabilities: Object.fromEntries(classes.map((name, k) => [name, p[k]])),
      };
    },
    flip(frame, to) {
      const target = model().classes.indexOf(to);
      if (target < 0) throw new RangeError(`expected one of the classes ${model().classes.join(', ')}, got ${to}`);
      const found = leastInk(model(), checked(frame, model()), target);
      return found && { flipped: Array.from(found.flipped), cost: found.cost, lowerBound: found.lowerBound };
    },
  };
}

function checked(frame, { rows, cols }) {
  const values = Float64Array.from(frame);
  if (values.length !== rows * cols || !values.every((value) => value >= 0 && value <= 1)) {
    throw new RangeError(`expected ${rows * cols} numbers from 0 (paper) to 1 (ink), got ${values.length}`);
  }
  return values;
}
