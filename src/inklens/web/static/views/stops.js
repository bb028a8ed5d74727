/**
 * The stops of the tutorial, in its order: what there is to do at each, how the state of the face shows that it was
 * done, and a question that is asked before its answer is shown. Texts are in texts/learn.js under the stop's key.
 */
import { radius } from '../core.js';
import { gapText, hiddenZeros, isOverTime, pathOf } from '../points.js';
import { decimal, percent, significant } from '../texts.js';

/**
 * @typedef {Record<string, string | number>} Values
 * @typedef {{ id: string, label?: string }} Choice   label: where it is no text of the catalogue, as the name of a class
 * @typedef {{ choices: Choice[], right: string, why?: string, values?: (language: string) => Values }} Question
 * @typedef {{
 *   key: string, act: (app: import('../app.js').App, lesson: import('./lesson.js').Lesson) => void,
 *   done: (app: import('../app.js').App, lesson: import('./lesson.js').Lesson) => Values | null,
 *   sofar?: (app: import('../app.js').App, lesson: import('./lesson.js').Lesson) => Values | null,
 *   by?: ('view' | 'chosen' | 'sample' | 'cell' | 'point' | 'path' | 'pad')[],
 *   needs?: 'samples' | 'path' | 'tolerance', types?: boolean,
 *   ask: (model: import('../core.js').Model) => Question | null
 * }} Stop
 *   act: what its button does; done: what is to be said once the task is done, null before; sofar: how far it is;
 *   by: what its visitor changes for it, one of these at least; without it, what the stop remembers says that;
 *   needs: what the model has to bring; types: whether a number is to be typed
 */

const LABELS_TO_SEE = 3;
const LOSS_TO_REACH = 2; // the true class at 13.5 %
const SURE = 0.9;
const FEW_PIXELS = 50;
const NEAR = 0.02; // relative; z is shown with two decimals, and e to it is then right to 1 %
const LITTLE_INK = 5; // pixels of ink; a digit has about a hundred
const MUCH_INK = 20;
const FEW_ZEROS = 0.2; // of those that the optimum has

const choices = (...ids) => ids.map((id) => ({ id }));
const always = (right, ...ids) => () => ({ choices: choices(...ids), right });

/** @type {Stop[]} */
export const STOPS = [
  {
    key: 'load', by: ['sample'], needs: 'samples',
    act: (app) => showSome(app, () => true),
    done: (app) => (app.sample.value ? { label: app.sample.value.label ?? '?' } : null),
    ask: ({ rows, cols }) => ({ choices: [rows, rows + cols, rows * cols].map((n) => ({ id: String(n), label: String(n) })), right: String(rows * cols), values: () => ({ rows, cols, n: rows * cols }) }),
  },
  {
    key: 'look', needs: 'samples',
    act: (app, { memo }) => showSome(app, (i) => !memo.labels?.has(app.model.value.samples.labels[i])),
    sofar: (app, { memo }) => ({ n: seenLabels(app, memo), of: LABELS_TO_SEE }),
    done: (app, { memo }) => (seenLabels(app, memo) >= LABELS_TO_SEE ? {} : null),
    ask: always('edge', 'edge', 'middle', 'nowhere'),
  },
  {
    key: 'split', by: ['view'], needs: 'samples',
    act: (app) => app.go('judge'),
    done: (app) => (app.view.value === 'judge' ? {} : null),
    ask: ({ header: { accuracy } }) => ({
      choices: choices('slow', 'flatter', 'unfair'), right: 'flatter',
      ...(accuracy?.train && accuracy?.test
        ? { why: 'numbers', values: (lang) => ({ train: percent(accuracy.train, lang), test: percent(accuracy.test, lang) }) } : {}),
    }),
  },
  {
    key: 'scale',
    act: (app, { memo }) => {
      if (app.isBlank.value) showSome(app, () => true);
      if (app.isBlank.value) return;
      memo.most = Math.max(...app.frame.value);
      memo.before = app.answer.value.p[app.answer.value.best];
      app.apply(app.frame.value.map((ink) => ink / 2));
    },
    done: (app, { memo }) => {
      if (!memo.most || Math.max(...app.frame.value) > memo.most / 2 + 1e-9) return null;
      const { p, best } = app.answer.value;
      return { before: percent(memo.before, app.language.value), after: percent(p[best], app.language.value) };
    },
    ask: always('half', 'half', 'same', 'quarter'),
  },
  {
    key: 'fit', by: ['pad'], needs: 'samples',
    act: (app) => showSome(app, isRight(app)),
    sofar: (app) => (lossOf(app) === null ? null : { label: app.sample.value.label, loss: decimal(lossOf(app), 2, app.language.value), of: LOSS_TO_REACH }),
    done: (app) => (wasChanged(app) && lossOf(app) > LOSS_TO_REACH ? { loss: decimal(lossOf(app), 2, app.language.value), label: app.sample.value.label } : null),
    ask: ({ header: { certificate } }) => ({
      choices: choices('still', 'test', 'bound'), right: 'bound',
      ...(certificate ? { why: 'numbers', values: (lang) => ({ objective: significant(certificate.objective, 6, lang), bound: significant(certificate.lower_bound, 6, lang), gap: gapText(certificate.relative_gap, lang) }) } : {}),
    }),
  },
  {
    key: 'coefficients', by: ['chosen'],
    act: (app) => app.go('see'),
    sofar: (app) => ({ label: app.model.value.classes[0] }),
    done: (app) => (app.view.value === 'see' && app.chosen.value?.[0] === 0 ? { label: app.model.value.classes[0] } : null),
    ask: middleOf,
  },
  {
    key: 'softmax', types: true,
    act: (app) => showSome(app, (i) => app.model.value.samples.close?.[i] ?? true),
    done: (app, { memo }) => {
      const { p, best, second } = app.answer.value;
      const ratio = p[best] / p[second];
      return Math.abs((memo.typed ?? NaN) / ratio - 1) < NEAR ? { ratio: significant(ratio, 3, app.language.value) } : null;
    },
    ask: always('same', 'same', 'more', 'five'),
  },
  {
    key: 'evaluate', by: ['cell'], needs: 'samples',
    act: (app) => app.go('judge'),
    done: (app) => {
      const cell = app.cell.value;
      return app.view.value === 'judge' && cell && cell.t === cell.p ? { label: app.model.value.classes[cell.t] } : null;
    },
    ask: hardestOf,
  },
  {
    key: 'own', by: ['pad'],
    act: (app) => { app.go('draw'); app.startDrawing(); },
    sofar: (app) => (app.isBlank.value || app.mode.value !== 'drawing' ? null : ({ ...bestOf(app), of: percent(SURE, app.language.value) })),
    done: (app) => (app.mode.value === 'drawing' && app.pad.marks.length > 0 && app.verdict.value.accepted && app.answer.value.p[app.answer.value.best] > SURE ? bestOf(app) : null),
    ask: always('mass', 'none', 'shrink', 'mass'),
  },
  {
    key: 'why', by: ['chosen'],
    act: (app) => app.go('see'),
    sofar: (app) => (app.isBlank.value ? null : { label: app.model.value.classes[app.answer.value.second] }),
    done: (app) => {
      const { best, second } = app.answer.value;
      const isChosen = app.view.value === 'see' && !app.isBlank.value && app.chosen.value?.[0] === second;
      return isChosen ? { a: app.model.value.classes[second], b: app.model.value.classes[best] } : null;
    },
    ask: always('against', 'weak', 'against', 'empty'),
  },
  {
    key: 'fool', by: ['pad'], needs: 'samples',
    act: (app) => showSome(app, isRight(app)),
    sofar: (app) => (app.sample.value?.label ? { label: app.sample.value.label, answer: bestOf(app).label } : null),
    done: (app) => {
      const label = app.sample.value?.label;
      if (!label || !wasChanged(app) || bestOf(app).label === label) return null;
      const { base, ink } = app.pad;
      const changed = base.reduce((sum, value, i) => sum + Math.abs(ink[i] - value), 0);
      const values = { label, answer: bestOf(app).label, changed: decimal(changed, 1, app.language.value) };
      const least = app.model.value.features === 'pixels' ? radius(app.model.value, base, app.weights.value) : null;
      return least === null ? { ...values, kind: 'searched' } : { ...values, least: decimal(least, 1, app.language.value) };
    },
    ask: (model) => (model.features === 'pixels' && model.samples ? leastOf(model) : null),
  },
  {
    key: 'regularise', by: ['point'], needs: 'path',
    act: (app) => app.go('penalty'),
    done: (app) => {
      const pixels = onPath(app) ? pathOf(app).pixels[app.point.value] : 0;
      return pixels > 0 && pixels <= FEW_PIXELS ? { pixels, share: percent(pathOf(app).test_accuracy[app.point.value], app.language.value) } : null;
    },
    ask: always('zero', 'zero', 'small', 'large'),
  },
  {
    key: 'C', by: ['point'], needs: 'path',
    act: (app) => app.go('penalty'),
    sofar: (app) => (onPath(app) ? { share: percent(pathOf(app).test_accuracy[app.point.value], app.language.value) } : null),
    done: (app) => {
      if (!onPath(app)) return null;
      const { test_accuracy: shares, Cs } = pathOf(app);
      const here = shares[app.point.value];
      return here === Math.max(...shares) ? { share: percent(here, app.language.value), C: significant(Cs[app.point.value], 2, app.language.value) } : null;
    },
    ask: ({ path }) => (path ? zerosAlong(path) : null),
  },
  {
    key: 'tol', by: ['path', 'point'], needs: 'tolerance',
    act: (app) => app.go('penalty'),
    done: (app) => {
      const { tolerance } = app.model.value;
      if (!isOverTime(app) || app.point.value === null || tolerance.tols[app.point.value] === null) return null;
      const { zeros, hidden } = hiddenZeros(app.model.value, tolerance, app.point.value);
      return { hidden, zeros, gap: gapText(tolerance.gaps[app.point.value], app.language.value) };
    },
    ask: (model) => (model.tolerance ? hiddenAt(model) : null),
  },
];

/** Show one of the held-out digits for which `keep` holds, by chance. */
function showSome(app, keep) {
  const { samples } = app.model.value;
  const found = Array.from({ length: samples?.length ?? 0 }, (_, i) => i).filter(keep);
  if (found.length) app.showSample(found[Math.floor(Math.random() * found.length)]);
}

const isRight = (app) => (i) => app.model.value.samples.labels[i] === app.model.value.samples.predicted[i];
const wasChanged = (app) => app.mode.value === 'frame' && app.pad.marks.length > 0;
const onPath = (app) => app.point.value !== null && !isOverTime(app);

function seenLabels(app, memo) {
  memo.labels ??= new Set();
  if (app.sample.value?.label && app.sample.value.index >= 0) memo.labels.add(app.model.value.samples.labels[app.sample.value.index]);
  return memo.labels.size;
}

/** −ln p of the true class of the digit on the pad; null where it is not known. */
function lossOf(app) {
  const k = app.model.value.classes.indexOf(app.sample.value?.label);
  return k < 0 ? null : -Math.log(app.answer.value.p[k]);
}

function bestOf(app) {
  const { best, p } = app.answer.value;
  return { label: app.model.value.classes[best], share: percent(p[best], app.language.value) };
}

/** Does ink in the very middle speak for the first class? The mean weight of the middle 4 x 4 pixels says it. */
function middleOf(model) {
  const { rows, cols, coef, classes, features } = model;
  const n = coef.length / classes.length;
  if (features === 'strokes' || rows < 4 || cols < 4) return { choices: [classes.length, n, n * classes.length].map((k) => ({ id: String(k), label: String(k) })), right: String(n * classes.length), why: 'count', values: () => ({ K: classes.length, n, all: n * classes.length }) };
  let sum = 0;
  for (let i = rows / 2 - 2; i < rows / 2 + 2; i += 1) for (let j = cols / 2 - 2; j < cols / 2 + 2; j += 1) sum += coef[Math.floor(i) * cols + Math.floor(j)];
  return { choices: choices('for', 'against'), right: sum > 0 ? 'for' : 'against', why: sum > 0 ? 'for' : 'against', values: (lang) => ({ label: classes[0], mean: decimal(sum / 16, 2, lang) }) };
}

/** Which class has the smallest share of its own digits read rightly? */
function hardestOf({ samples, classes }) {
  const { confusion } = samples ?? {};
  if (!confusion?.length) return null;
  const shares = confusion.map((row, k) => row[k] / Math.max(1, row.reduce((sum, count) => sum + count, 0)));
  const [low, high] = [Math.min(...shares), Math.max(...shares)];
  const name = (share) => classes[shares.indexOf(share)];
  return { choices: classes.map((label) => ({ id: label, label })), right: name(low), values: (lang) => ({ worst: name(low), low: percent(low, lang), best: name(high), high: percent(high, lang) }) };
}

/** How much ink a typical digit is from another answer: the median over the samples that are read rightly. */
function leastOf(model) {
  const { samples } = model;
  const found = [];
  for (let i = 0; i < samples.length; i += 1) {
    if (samples.labels[i] !== samples.predicted[i]) continue;
    found.push(radius(model, Float64Array.from(samples.pixels.subarray(i * samples.size, (i + 1) * samples.size), (v) => v / 255)));
  }
  if (found.length === 0) return null;
  const median = found.sort((a, b) => a - b)[found.length >> 1];
  const right = median < LITTLE_INK ? 'little' : median < MUCH_INK ? 'some' : 'much';
  return { choices: choices('little', 'some', 'much'), right, values: (lang) => ({ median: decimal(median, 1, lang), n: found.length }) };
}

function zerosAlong({ nonzeros, Cs }) {
  const [first, last] = [nonzeros[0], nonzeros.at(-1)];
  const right = last > first ? 'less' : last < first ? 'more' : 'same';
  return { choices: choices('more', 'same', 'less'), right, values: (lang) => ({ first, last, low: significant(Cs[0], 2, lang), high: significant(Cs.at(-1), 2, lang) }) };
}

function hiddenAt(model) {
  const { tolerance } = model;
  const index = Math.max(0, tolerance.tols.findIndex((tol) => tol !== null));
  const { zeros, hidden } = hiddenZeros(model, tolerance, index);
  const share = hidden / Math.max(1, zeros);
  const right = hidden === 0 ? 'none' : share < FEW_ZEROS ? 'few' : 'many';
  return { choices: choices('none', 'few', 'many'), right, values: (lang) => ({ tol: decimal(tolerance.tols[index] ?? 0, 2, lang), zeros, hidden, share: percent(share, lang) }) };
}
