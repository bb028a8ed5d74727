/** How sure a share of a sample is. */

const NORMAL_QUANTILE = 1.959963984540054; // of 97.5 %

/**
 * The interval that holds the true proportion with 95 % confidence: Wilson (1927).
 *
 * @param {number} count
 * @param {number} n
 * @returns {number[]} low, high
 */
export function wilson(count, n) {
  if (n === 0) return [0, 1];
  const p = count / n, z = NORMAL_QUANTILE;
  const middle = p + z * z / (2 * n), reach = z * Math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2);
  const scale = 1 + z * z / n;
  return [count ? (middle - reach) / scale : 0, count < n ? (middle + reach) / scale : 1];
}
