/** How wide the pen was, and the same strokes with another. */

import { crop, resample, TRIANGLE } from './resampling.js';
import { room } from './scratch.js';

const DRAWN_SIDE = 80, MARGIN_PIXELS = 12; // of the box in which a pen's width is changed, and paper round it

/** Mean width of strokes in pixels: across one, the distance to paper averages a quarter of it. */
export function penWidth(mask, rows, cols) {
  const step = 1 + Math.floor(Math.max(rows, cols) / 120);
  const height = Math.ceil(rows / step), width = Math.ceil(cols / step);
  const padded = room('padded', Uint8Array, (height + 2) * (width + 2));
  for (let row = 0; row < height; row++) {
    for (let col = 0; col < width; col++) {
      padded[(row + 1) * (width + 2) + col + 1] = mask[row * step * cols + col * step];
    }
  }
  return meanWidth(distances(padded, height + 2, width + 2)) * step;
}

/** Draw strokes again, `target` of the longer side wide: move the outline along its distance map. */
export function withPen(mask, rows, cols, target) {
  const factor = DRAWN_SIDE / Math.max(rows, cols), size = (n) => Math.max(2, roundHalfToEven(n * factor));
  const height = size(rows), width = size(cols), [H, W] = [height, width].map((n) => n + 2 * MARGIN_PIXELS);
  const smooth = resample(Float32Array.from(mask), rows, cols, height, width, TRIANGLE);
  const big = room('big', Uint8Array, W * H);
  for (let row = 0, at = 0; row < height; row++) {
    for (let col = 0; col < width; col++, at++) {
      if (smooth[at] > 0.5) big[(row + MARGIN_PIXELS) * W + col + MARGIN_PIXELS] = 1;
    }
  }
  const inside = distances(big, H, W);
  let change = (target * DRAWN_SIDE - meanWidth(inside)) / 2;
  if (change < 0) { // a thin stroke must not vanish: keep the middle of each
    const depths = Float64Array.from(inside.filter((squared) => squared > 0), Math.sqrt).sort();
    change = Math.max(change, 1 - (depths[Math.trunc(0.8 * (depths.length - 1))] ?? 0));
  }
  const reach = Math.max(1, Math.ceil(change + 1)); // beyond which all is paper
  const outside = distances(big.map((ink) => 1 - ink), H, W, reach);
  const inked = new Float32Array(W * H);
  let left = W, top = H, right = 0, bottom = 0;
  for (let row = 0, at = 0; row < H; row++) {
    for (let col = 0; col < W; col++, at++) {
      const ink = Math.min(1, Math.max(0, Math.sqrt(inside[at]) - Math.sqrt(outside[at]) + change + 0.5));
      inked[at] = ink;
      if (ink <= 0.5) continue;
      left = Math.min(left, col);
      top = Math.min(top, row);
      right = Math.max(right, col + 1);
      bottom = row + 1;
    }
  }
  if (!right) return { picture: Float32Array.from(mask), rows, cols };
  const picture = crop(inked, W, left, top, right - left, bottom - top, Float32Array);
  return { picture, rows: bottom - top, cols: right - left };
}

/** As Python rounds. */
function roundHalfToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

function meanWidth(inside) {
  let sum = 0, count = 0;
  for (const squared of inside) {
    if (squared > 0) {
      sum += Math.sqrt(squared);
      count++;
    }
  }
  return count ? Math.max(4 * sum / count - 2, 1) : 1;
}

/**
 * Squared distance of each pixel of a mask to the nearest outside it, in both directions one after the other.
 *
 * @param {Uint8Array} mask
 * @param {number} rows
 * @param {number} cols
 * @param {number} [most] distance that need not be exceeded
 * @returns {Float64Array}
 */
function distances(mask, rows, cols, most = rows + cols) {
  const squared = new Float64Array(rows * cols), gaps = room('gaps', Float64Array, rows * cols);
  for (let at = 0; at < gaps.length; at++) gaps[at] = mask[at] ? (at < cols ? most : gaps[at - cols] + 1) : 0;
  for (let at = gaps.length - 1; at >= 0; at--) {
    const gap = at < gaps.length - cols ? Math.min(gaps[at], gaps[at + cols] + 1) : gaps[at];
    gaps[at] = Math.min(gap, most);
  }
  for (let row = 0, at = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, at++) {
      let least = gaps[at] * gaps[at];
      for (let d = 1; d * d < least; d++) {
        const left = col >= d ? gaps[at - d] : most, right = col + d < cols ? gaps[at + d] : most;
        const near = Math.min(left, right);
        least = Math.min(least, d * d + near * near);
      }
      squared[at] = least;
    }
  }
  return squared;
}
