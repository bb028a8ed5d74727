/** Strokes that the model judges one by one, where scores are not linear in the ink. */

import { coverage, eachCovered, PEN_DIRECTIONS, stroked } from './cover.js';
import { PER_SLICE, reaches } from './slices.js';

const COARSE = 3; // pixels between starts, and between lengths, of strokes that the model judges one by one
const MAX_JUDGED = 4000; // strokes, some 0.3 seconds
const STROKE_REFINEMENTS = 6; // moves of the ends by one pixel, at most

/**
 * A stroke that makes a model on any features answer `target`: of a coarse grid the one with least ink, then
 * moved by pixels while that takes less. Another with less ink may exist.
 */
export function* searchedStroke({ model, frame, weights, target, width, erases, margin }) {
  const { rows, cols } = model, search = { model, weights, target, margin };
  const tried = [];
  for (let direction = 0; direction < PEN_DIRECTIONS; direction++) {
    const angle = direction * Math.PI / PEN_DIRECTIONS, step = [Math.sin(angle), Math.cos(angle)];
    for (let length = direction ? COARSE : 0; length < Math.max(rows, cols); length += COARSE) {
      for (let at = 0; at < rows * cols; at++) {
        const row = at / cols | 0, col = at % cols;
        if (row % COARSE || col % COARSE) continue;
        tried.push({ start: [row, col], end: [row + length * step[0], col + length * step[1]] });
      }
    }
  }
  const all = yield* drawn(tried, frame, rows, cols, width, erases);
  let best = yield* firstThatFlips(search, all.slice(0, MAX_JUDGED));
  for (let round = 0; best && round < STROKE_REFINEMENTS; round++) {
    const moved = yield* drawn(nudged(best), frame, rows, cols, width, erases);
    const better = yield* firstThatFlips(search, moved.filter(({ ink }) => ink < best.ink));
    if (!better) break;
    best = better;
  }
  return best;
}

function* firstThatFlips(search, strokes) {
  for (const [i, stroke] of strokes.entries()) {
    if (i % PER_SLICE === 0) yield;
    if (reaches(search, stroke.flipped())) return stroke;
  }
  return null;
}

/** All moves of both ends by at most a pixel down or right. */
function nudged({ start, end }) {
  const moves = [-1, 0, 1];
  return moves.flatMap((a) => moves.flatMap((b) => moves.flatMap((c) => moves.map((d) => (
    { start: [start[0] + a, start[1] + b], end: [end[0] + c, end[1] + d] })))));
}

/** Strokes inside the frame that change ink, the least first. */
function* drawn(strokes, frame, rows, cols, width, erases) {
  const inside = ([row, col]) => row >= 0 && col >= 0 && row <= rows - 1 && col <= cols - 1;
  const found = [];
  for (const [i, { start, end }] of strokes.entries()) {
    if (i % (10 * PER_SLICE) === 0) yield; // to measure one takes less than to judge it
    if (!inside(start) || !inside(end)) continue;
    let ink = 0;
    eachCovered(start, end, width, rows, cols, (at, cover) => {
      ink += Math.max(0, cover - (erases ? 1 - frame[at] : frame[at]));
    });
    const flipped = () => stroked(frame, coverage(start, end, width, rows, cols), erases);
    if (ink > 0) found.push({ start, end, erases, flipped, ink });
  }
  return found.sort((a, b) => a.ink - b.ink);
}
