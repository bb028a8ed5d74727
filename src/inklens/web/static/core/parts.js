/** Connected parts of a drawing: which of them are the digit, and which are others. */

import { room } from './scratch.js';

const EDGE_PIXELS = 2; // of the soft edge round a stroke
const JOIN_GAP = 0.12, STACK_GAP = 0.3; // of the digit's extent: parts nearer than this belong together
const SPECK_SHARE = 0.02; // of the largest part's area: less is a speck
const FLAW_EXTENT = 0.04; // of the digit's extent: a smaller hole is a flaw

/**
 * @typedef {{
 *   area: number, left: number, top: number, right: number, bottom: number, touching: number, border: number,
 *   along: number, runs: number[]
 * }} Part
 */

/**
 * Connected parts of a mask, largest first; runs of its rows are joined, so work is per run, not per pixel.
 *
 * @param {Uint8Array} mask
 * @param {number} rows
 * @param {number} cols
 * @param {boolean} diagonal whether corners touch
 * @returns {Part[]}
 */
export function components(mask, rows, cols, diagonal) {
  const runs = [], parent = [], reach = diagonal ? 0 : 1;
  const root = (i) => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]];
    return i;
  };
  let above = 0;
  for (let row = 0; row < rows; row++) {
    const first = parent.length, end = (row + 1) * cols;
    let other = above;
    for (let at = row * cols; at < end; at++) {
      if (!mask[at]) continue;
      const start = at;
      while (at < end && mask[at]) at++;
      const run = parent.length, from = start - row * cols, to = at - row * cols;
      runs.push(row, from, to);
      parent.push(run);
      while (other < first && runs[3 * other + 2] < from + reach) other++;
      for (let next = other; next < first && runs[3 * next + 1] <= to - reach; next++) {
        const a = root(next), b = root(run);
        parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
    above = first;
  }
  return gather(runs, parent.map((_, i) => root(i)), rows, cols);
}

/**
 * @param {number[]} runs row, start, end (outside) of each
 * @param {number[]} roots the first run of each run's part
 * @param {number} rows
 * @param {number} cols
 * @returns {Part[]}
 */
function gather(runs, roots, rows, cols) {
  const parts = new Map();
  roots.forEach((root, run) => {
    const row = runs[3 * run], start = runs[3 * run + 1], end = runs[3 * run + 2];
    let part = parts.get(root);
    if (!part) {
      part = {
        area: 0, left: cols, top: row, right: 0, bottom: 0, touching: 0, border: 0, along: 0, runs: [],
        sides: [0, 0, 0, 0],
      };
      parts.set(root, part);
    }
    part.area += end - start;
    part.left = Math.min(part.left, start);
    part.right = Math.max(part.right, end);
    part.bottom = row + 1;
    part.runs.push(row, start, end);
    if (row === 0) part.sides[0] += end - start;
    if (row === rows - 1) part.sides[1] += end - start;
    if (start === 0) part.sides[2]++;
    if (end === cols) part.sides[3]++;
  });
  return [...parts.values()].sort((a, b) => b.area - a.area);
}

/**
 * Measure how much of each part's outline lies on the picture's border, and of its extent along one side.
 *
 * @param {Part[]} parts
 * @param {Uint8Array} mask
 * @param {number} rows
 * @param {number} cols
 */
export function measureBorders(parts, mask, rows, cols) {
  for (const part of parts) {
    const touching = part.sides.reduce((sum, n) => sum + n, 0);
    part.along = Math.max(...part.sides) / Math.max(part.bottom - part.top, part.right - part.left);
    part.border = touching ? touching / outline(part, mask, rows, cols) : 0;
  }
}

/** Count the pixels of a part with paper, or the picture's border, beside them. */
function outline({ runs }, mask, rows, cols) {
  let count = 0;
  for (let i = 0; i < runs.length; i += 3) {
    const row = runs[i];
    for (let col = runs[i + 1]; col < runs[i + 2]; col++) {
      const at = row * cols + col;
      const inner = row > 0 && row < rows - 1 && col > 0 && col < cols - 1
        && mask[at - 1] && mask[at + 1] && mask[at - cols] && mask[at + cols];
      if (!inner) count++;
    }
  }
  return count;
}

/** The part most likely to be the digit: by its area, less along the border or far from the middle. */
export function mainPart(parts, rows, cols) {
  let best = parts[0], most = -1;
  for (const part of parts) {
    const off = Math.max(
      Math.abs((part.left + part.right) / cols - 1), Math.abs((part.top + part.bottom) / rows - 1));
    const value = part.area * Math.max(0.02, 1 - 3 * part.border) * (1 - 0.6 * off * off);
    if (value > most) [best, most] = [part, value];
  }
  return best;
}

/** Add the parts that lie near enough to the digit to belong to it. */
export function grow(main, parts) {
  const group = [main];
  const isSpeck = (part) => part.area < SPECK_SHARE * main.area;
  let rest = parts.filter((part) => part !== main && part.border < 0.3 && !isSpeck(part));
  for (let near = group; near.length;) {
    const box = union(group);
    near = rest.filter((part) => belongs(part, box));
    group.push(...near);
    rest = rest.filter((part) => !near.includes(part));
  }
  return group;
}

function belongs(part, [left, top, right, bottom]) {
  const gapX = Math.max(part.left - right, left - part.right);
  const gapY = Math.max(part.top - bottom, top - part.bottom);
  const extent = Math.max(right - left, bottom - top);
  if (Math.max(gapX, gapY) <= JOIN_GAP * extent) return true;
  const overlap = Math.min(part.right, right) - Math.max(part.left, left);
  return overlap >= 0.5 * (part.right - part.left) && gapY <= STACK_GAP * extent;
}

/** Count the other parts about as large as the digit, neither cut off by the border nor round it. */
export function rivals(group, others) {
  const extentOf = (part) => Math.max(part.right - part.left, part.bottom - part.top);
  const extent = Math.max(...group.map(extentOf)), area = group.reduce((sum, part) => sum + part.area, 0);
  const [left, top, right, bottom] = union(group);
  return others.filter((part) => {
    const share = extentOf(part) / extent;
    const round = part.left <= left && part.top <= top && part.right >= right && part.bottom >= bottom;
    return share > 0.5 && share < 2 && part.area > 0.25 * area && part.border === 0 && !round;
  }).length;
}

/** Count the holes that are wider than a flaw. */
export function holes(mask, rows, cols) {
  const W = cols + 2, paper = room('paper', Uint8Array, (rows + 2) * W).fill(1);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, at++) if (mask[at]) paper[(row + 1) * W + col + 1] = 0;
  }
  const least = (FLAW_EXTENT * Math.max(rows, cols)) ** 2;
  return components(paper, rows + 2, cols + 2, false).filter((part) => part.area > least).length - 1;
}

/** @returns {number[]} left, top, right, bottom of the box round some parts */
export function union(parts) {
  return [
    Math.min(...parts.map((part) => part.left)), Math.min(...parts.map((part) => part.top)),
    Math.max(...parts.map((part) => part.right)), Math.max(...parts.map((part) => part.bottom)),
  ];
}

export function paint(parts, rows, cols) {
  const mask = new Uint8Array(rows * cols);
  for (const { runs } of parts) {
    for (let i = 0; i < runs.length; i += 3) {
      const from = runs[i] * cols;
      mask.fill(1, from + runs[i + 1], from + runs[i + 2]);
    }
  }
  return mask;
}

/** Take out what belongs to others, with their soft edges. */
export function without(ink, own, others, rows, cols) {
  const clean = Float32Array.from(ink);
  for (const { runs } of others) {
    for (let i = 0; i < runs.length; i += 3) {
      const low = Math.max(0, runs[i] - EDGE_PIXELS), high = Math.min(rows - 1, runs[i] + EDGE_PIXELS);
      const from = Math.max(0, runs[i + 1] - EDGE_PIXELS), to = Math.min(cols, runs[i + 2] + EDGE_PIXELS);
      for (let row = low; row <= high; row++) {
        for (let at = row * cols + from; at < row * cols + to; at++) if (!own[at]) clean[at] = 0;
      }
    }
  }
  return clean;
}
