/** The rows behind the cells of a confusion matrix: samples that came with the model, or all of them from the studio. */

/**
 * @typedef {{
 *   half: string, row: number, index: number | null, label: string, predicted: string,
 *   frame: ArrayLike<number>, sample: number
 * }} Row
 *   row within its half; index in the data set (null: not known); sample among those of the model (-1: none of them)
 * @typedef {{ total: number, rows: Row[] }} Rows how many there are, and those that can be shown
 * @typedef {{
 *   confusion: number[][], half: string, data: string | null, cell: (t: number, p: number) => Rows | Promise<Rows>
 * }} Judged
 *   data: what a relabel file says of its data set
 */

/** What a model was judged on, or null where it came without. @param {import('../core.js').Model} model @returns {Judged | null} */
export function judgedSamples(model) {
  const { samples, classes } = model;
  if (!samples) return null;
  const { confusion, half, data = null } = samples;
  const cell = (t, p) => {
    const isIn = (i) => samples.labels[i] === classes[t] && samples.predicted[i] === classes[p];
    const rows = samples.labels.map((_, i) => i).filter(isIn).map((i) => sampleRow(samples, i));
    return { total: confusion[t][p], rows };
  };
  return { confusion, half, data, cell };
}

/** Return one sample as a row. @param {import('../core.js').Samples} samples @param {number} i @returns {Row} */
export function sampleRow(samples, i) {
  const { half, rows, labels, predicted } = samples;
  return {
    half, row: rows[i], index: samples.index?.[i] ?? null, label: labels[i], predicted: predicted[i],
    frame: samples.frame(i), sample: i,
  };
}

/** What a person calls a row. @param {import('../app.js').App} app @param {Row} row */
export function nameOf(app, { half, row }) {
  return app.t('sample', { half: app.t(`judge.half.${half}`), row });
}

/** Put a row on the pad. @param {import('../app.js').App} app @param {Row} row */
export function showRow(app, row) {
  app.setFrame(row.frame, { index: row.sample, label: row.label, name: nameOf(app, row) });
}
