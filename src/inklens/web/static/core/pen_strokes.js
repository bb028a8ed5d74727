/** The shortest stroke of a pen, or of an eraser, that changes the answer. */

import { marginOf, scores } from './answers.js';
import { coverage, inkBetween, PEN_DIRECTIONS, stroked } from './cover.js';
import { transform } from './features.js';
import { MARGIN } from './least_ink.js';
import { searchedStroke } from './searched_strokes.js';
import { ended } from './slices.js';

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
