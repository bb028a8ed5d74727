/** Pictures made smaller or larger, with the same bits as Python. */

import { room } from './scratch.js';

export function crop(values, cols, left, top, width, height, Type) {
  const cut = new Type(width * height);
  for (let row = 0; row < height; row++) {
    const from = (top + row) * cols + left;
    cut.set(values.subarray(from, from + width), row * width);
  }
  return cut;
}

export const BOX = { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
export const TRIANGLE = { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) };

/** Resample a picture by a separable filter, along the rows first, each pass rounded to single precision. */
export function resample(picture, rows, cols, outRows, outCols, filter) {
  let wide = picture;
  if (cols !== outCols) {
    wide = room('wide', Float32Array, rows * outCols);
    taps(cols, outCols, filter).forEach(({ first, shares }, out) => {
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let i = 0, at = row * cols + first; i < shares.length; i++, at++) sum += picture[at] * shares[i];
        wide[row * outCols + out] = sum;
      }
    });
  }
  if (rows === outRows) return wide;
  const small = new Float32Array(outRows * outCols);
  taps(rows, outRows, filter).forEach(({ first, shares }, out) => {
    for (let col = 0; col < outCols; col++) {
      let sum = 0;
      for (let i = 0; i < shares.length; i++) sum += wide[(first + i) * outCols + col] * shares[i];
      small[out * outCols + col] = sum;
    }
  });
  return small;
}

/** The inputs that each output averages, and their shares. */
function taps(size, outSize, filter) {
  const scale = size / outSize, stretch = Math.max(scale, 1), support = filter.support * stretch;
  return Array.from({ length: outSize }, (_, out) => {
    const centre = (out + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(size, Math.trunc(centre + support + 0.5));
    const shares = [];
    for (let i = first; i < end; i++) shares.push(filter.at((i - centre + 0.5) / stretch));
    const sum = shares.reduce((total, share) => total + share, 0);
    return { first, shares: sum ? shares.map((share) => share / sum) : shares };
  });
}
