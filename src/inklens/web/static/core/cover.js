/** What a stroke of a round pen covers. */

export const PEN_DIRECTIONS = 12; // every 15 degrees of half a turn; the rest are the same strokes the other way

/**
 * How much of each pixel a round pen covers on a straight path: clip(width / 2 + 1/2 - distance, 0, 1).
 *
 * @param {number[]} start row and column; 0, 0 is the centre of the upper left pixel
 * @param {number[]} end
 * @param {number} width
 * @param {number} rows
 * @param {number} cols
 * @returns {Float64Array}
 */
export function coverage(start, end, width, rows, cols) {
  const cover = new Float64Array(rows * cols);
  eachCovered(start, end, width, rows, cols, (at, share) => {
    cover[at] = share;
  });
  return cover;
}

/** Visit the pixels that a stroke may cover, with their cover. */
export function eachCovered(start, end, width, rows, cols, visit) {
  const down = end[0] - start[0], right = end[1] - start[1], reach = width / 2 + 0.5;
  const length = Math.max(down * down + right * right, 1e-300);
  const first = (axis) => Math.max(0, Math.floor(Math.min(start[axis], end[axis]) - reach));
  const last = (axis, size) => Math.min(size - 1, Math.ceil(Math.max(start[axis], end[axis]) + reach));
  const left = first(1), lastRow = last(0, rows), lastCol = last(1, cols);
  for (let row = first(0); row <= lastRow; row++) {
    for (let col = left; col <= lastCol; col++) {
      const r = row - start[0], c = col - start[1];
      const along = Math.min(1, Math.max(0, (r * down + c * right) / length));
      const distance = Math.sqrt((r - along * down) ** 2 + (c - along * right) ** 2);
      visit(row * cols + col, Math.min(1, Math.max(0, reach - distance)));
    }
  }
}

export function stroked(frame, cover, erases) {
  return Float64Array.from(frame, (x, j) => (erases ? Math.min(x, 1 - cover[j]) : Math.max(x, cover[j])));
}

export function inkBetween(a, b) {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += Math.abs(a[j] - b[j]);
  return sum;
}
