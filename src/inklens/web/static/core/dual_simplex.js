/** A dual simplex with bound flipping for programmes of few rows. The twin of `inklens.explanations.programs`. */

const MAX_ROUNDS = 5000; // of the dual simplex; ten classes need about ten
const FEASIBLE = 1e-11; // by how much a pixel may leave its bounds and still count as inside
const PIVOT = 1e-9; // smallest pivot, relative to the largest of its row

/**
 * Least ink by an exact dual simplex with bound flipping, as in `inklens.explanations.programs`.
 *
 * Columns are ink added, ink erased and slacks; each is basic, untouched or full. It starts from no change;
 * each round follows the edge of the variable furthest outside its bounds, and flips pixels that it passes.
 * Koberstein (2005), The dual simplex method, section 3.2 (steepest edge), 3.3 (bound flipping ratio test).
 *
 * @returns {{change: Float64Array | null, multipliers: Float64Array, none: boolean}}
 *   no change where the bound reached `cutoff`, or, with `none`, where no change reaches r
 */
export function dualSimplex(program, cutoff) {
  const tableau = tableauOf(program), { m, basis, widths } = tableau;
  const result = (change, none) => (
    { change, none, multipliers: tableau.multipliers.map((value) => Math.max(value, 0)) });
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const inverse = inverseOf(tableau);
    if (!inverse) return result(null, false);
    const values = new Float64Array(m);
    let leaving = -1, steepest = 0, slope = 0;
    for (let i = 0; i < m; i++) {
      let norm = 0;
      for (let l = 0; l < m; l++) {
        values[i] += inverse[i * m + l] * tableau.rest[l];
        norm += inverse[i * m + l] ** 2;
      }
      const outside = Math.max(-values[i], values[i] - widths[basis[i]]);
      if (outside > FEASIBLE && outside * outside / norm > steepest) {
        [leaving, steepest, slope] = [i, outside * outside / norm, outside];
      }
    }
    if (leaving < 0) return result(changeOf(tableau, values), false);
    const sign = values[leaving] < 0 ? 1 : -1; // +1: below 0, leaves empty; -1: above, leaves full
    const edge = inverse.subarray(leaving * m, (leaving + 1) * m).map((v) => sign * v);
    if (!followEdge(tableau, leaving, edge, sign, slope)) return result(null, true);
    if (tableau.value >= cutoff) break;
  }
  return result(null, false);
}

function tableauOf({ A, r, m, n, erasable, addable }) {
  const pixels = [], signs = [];
  let most = 0;
  const used = new Uint8Array(n);
  for (let at = 0; at < m * n; at++) {
    if (A[at]) used[at % n] = 1;
    most = Math.max(most, Math.abs(A[at]));
  }
  for (const [sign, room] of [[1, addable], [-1, erasable]]) {
    for (let j = 0; j < n; j++) {
      if (used[j] && room[j] > 0) {
        pixels.push(j);
        signs.push(sign);
      }
    }
  }
  const count = pixels.length, N = count + m, columns = new Float64Array(N * m); // column by column
  const unit = most ? 2 ** Math.floor(Math.log2(most)) : 1; // of slacks, so that a basis keeps one scale
  const widths = new Float64Array(N).fill(Infinity), reduced = new Float64Array(N), state = new Uint8Array(N);
  for (let c = 0; c < count; c++) {
    for (let l = 0; l < m; l++) columns[c * m + l] = signs[c] * A[l * n + pixels[c]];
    widths[c] = signs[c] > 0 ? addable[pixels[c]] : erasable[pixels[c]];
    reduced[c] = 1;
  }
  for (let l = 0; l < m; l++) {
    columns[(count + l) * m + l] = -unit;
    state[count + l] = BASIC;
  }
  return {
    m, n, N, count, pixels, signs, columns, widths, reduced, state, basis: Array.from(r, (_, l) => count + l),
    rest: Float64Array.from(r), multipliers: new Float64Array(m), value: 0, row: new Float64Array(N),
    steps: new Float64Array(N),
  };
}

const EMPTY = 0, FULL = 1, BASIC = 2;

/** Inverse of the basis by Gauss and Jordan with pivots from the whole column; null where it is singular. */
function inverseOf({ m, basis, columns }) {
  const W = 2 * m, work = new Float64Array(m * W);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < m; l++) work[l * W + i] = columns[basis[i] * m + l];
    work[i * W + m + i] = 1;
  }
  for (let c = 0; c < m; c++) {
    let pivot = c;
    for (let i = c + 1; i < m; i++) if (Math.abs(work[i * W + c]) > Math.abs(work[pivot * W + c])) pivot = i;
    const size = work[pivot * W + c];
    if (!size) return null;
    for (let l = 0; l < W; l++) {
      const value = work[pivot * W + l];
      work[pivot * W + l] = work[c * W + l];
      work[c * W + l] = value / size;
    }
    for (let i = 0; i < m; i++) {
      const share = work[i * W + c];
      if (i !== c && share) for (let l = c; l < W; l++) work[i * W + l] -= share * work[c * W + l];
    }
  }
  const inverse = new Float64Array(m * m);
  for (let i = 0; i < m; i++) inverse.set(work.subarray(i * W + m, (i + 1) * W), i * m);
  return inverse;
}

/** Move the multipliers along -edge to the top of the dual and pivot; false where the dual has no top. */
function followEdge(tableau, leaving, edge, sign, slope) {
  const { m, N, columns, widths, reduced, state, row, steps } = tableau;
  let largest = 0;
  for (let c = 0; c < N; c++) {
    let sum = 0;
    for (let l = 0, at = c * m; l < m; l++, at++) sum += edge[l] * columns[at];
    row[c] = sum;
    largest = Math.max(largest, Math.abs(sum));
  }
  const falling = (c) => (state[c] === FULL ? row[c] : -row[c]); // how fast a |reduced cost| falls
  const passed = [];
  for (let c = 0; c < N; c++) {
    if (state[c] === BASIC || falling(c) <= PIVOT * largest) continue;
    steps[c] = Math.abs(reduced[c]) / falling(c);
    passed.push(c);
  }
  passed.sort((a, b) => steps[a] - steps[b] || a - b);
  let top = 0, before = 0;
  for (; top < passed.length; top++) {
    const c = passed[top];
    tableau.value += slope * (steps[c] - before);
    before = steps[c];
    slope -= falling(c) * widths[c];
    if (slope <= 0) break;
  }
  if (top === passed.length) return false;
  const step = steps[passed[top]];
  for (let l = 0; l < m; l++) tableau.multipliers[l] -= step * edge[l];
  for (let c = 0; c < N; c++) reduced[c] += step * row[c];
  for (let i = 0; i < top; i++) flipColumn(tableau, passed[i]);
  exchange(tableau, leaving, passed[top], sign < 0);
  return true;
}

function flipColumn({ m, columns, widths, rest, state }, c) {
  const gain = state[c] === FULL ? -widths[c] : widths[c];
  for (let l = 0; l < m; l++) rest[l] -= columns[c * m + l] * gain;
  state[c] = state[c] === FULL ? EMPTY : FULL;
}

function exchange(tableau, leaving, entering, full) {
  const { basis, state, reduced } = tableau, out = basis[leaving];
  if (state[entering] === FULL) flipColumn(tableau, entering);
  basis[leaving] = entering;
  state[entering] = BASIC;
  state[out] = EMPTY;
  reduced[entering] = 0;
  if (full) flipColumn(tableau, out);
}

function changeOf({ n, m, count, pixels, signs, widths, state, basis }, values) {
  const change = new Float64Array(n), amounts = new Float64Array(count);
  for (let c = 0; c < count; c++) if (state[c] === FULL) amounts[c] = widths[c];
  for (let i = 0; i < m; i++) {
    if (basis[i] < count) amounts[basis[i]] = Math.min(widths[basis[i]], Math.max(0, values[i]));
  }
  for (let c = 0; c < count; c++) change[pixels[c]] += signs[c] * amounts[c];
  return change;
}
