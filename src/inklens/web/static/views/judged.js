/** What follows from a confusion matrix: row = true class, column = answer, as in `inklens.evaluation.counts`. */
import { wilson } from '../core.js';

/**
 * @typedef {{ count: number, of: number, share: number, low: number, high: number }} Share
 *   a proportion with its 95 % interval; share is 0 of nothing
 * @typedef {{ tp: number, fp: number, fn: number, tn: number, recall: Share, precision: Share, f1: number }} ClassNumbers
 * @typedef {{ t: number, p: number, count: number }} Mistake true class, answer, how often
 */

/** Return count / of with its Wilson interval. @param {number} count @param {number} of @returns {Share} */
export function share(count, of) {
  const [low, high] = wilson(count, of);
  return { count, of, share: of ? count / of : 0, low, high };
}

/** Return the sums of a matrix's rows: how many samples each true class has. @param {number[][]} confusion */
export function perTrueClass(confusion) {
  return confusion.map((row) => row.reduce((sum, n) => sum + n, 0));
}

/** Return right answers among all, with the interval. @param {number[][]} confusion @returns {Share} */
export function accuracyOf(confusion) {
  const right = confusion.reduce((sum, row, k) => sum + row[k], 0);
  return share(right, perTrueClass(confusion).reduce((sum, n) => sum + n, 0));
}

/** Return the numbers of each class. @param {number[][]} confusion @returns {ClassNumbers[]} */
export function classNumbers(confusion) {
  const n = perTrueClass(confusion).reduce((sum, count) => sum + count, 0);
  return confusion.map((row, k) => {
    const tp = row[k];
    const fn = row.reduce((sum, count) => sum + count, 0) - tp;
    const fp = confusion.reduce((sum, other) => sum + other[k], 0) - tp;
    const both = 2 * tp + fp + fn;
    return {
      tp, fp, fn, tn: n - tp - fp - fn, recall: share(tp, tp + fn), precision: share(tp, tp + fp), f1: both ? (2 * tp) / both : 0,
    };
  });
}

/** Return classes that have samples, the highest recall first. @param {number[][]} confusion @returns {number[]} */
export function byRecall(confusion) {
  const numbers = classNumbers(confusion);
  const present = numbers.map((_, k) => k).filter((k) => numbers[k].recall.of > 0);
  return present.sort((a, b) => numbers[b].recall.share - numbers[a].recall.share || a - b);
}

/** Return the mistakes that are made most often. @param {number[][]} confusion @param {number} [most] @returns {Mistake[]} */
export function frequentMistakes(confusion, most = 5) {
  const all = confusion.flatMap((row, t) => row.map((count, p) => ({ t, p, count })));
  return all.filter(({ t, p, count }) => t !== p && count > 0).sort((a, b) => b.count - a.count).slice(0, most);
}
