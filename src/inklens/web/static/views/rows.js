/** The rows behind the cells of a confusion matrix: samples that came with the model, or all of them from the studio. */

const FULL_INK = 255;

/**
 * @typedef {{
 *   half: string, row: number, index: number | null, label: string, predicted: string,
 *   frame: ArrayLike<number>, sample: number
 * }} Row
 *   row within its half; index in the data set (null: not known); sample among those of the model (-1: none of them)
 * @typedef {{ total: number, rows: Row[] }} Rows how many there are, and those that can be shown
 * @typedef {{
 *   confusion: number[][], half: string, data: string | null, isWhole: boolean,
 *   cell: (t: number, p: number, offset?: number) => Rows | Promise<Rows>
 * }} Judged
 *   data: what a relabel file says of its data set; isWhole: all rows can be shown, a part at a time
 * @typedef {{ label: string, row: number, vote: number, frame: Float64Array }} Vote
 * @typedef {{ words: string[], votes: { for: Vote[], against: Vote[] } | null }} Told
 */

/** What a model was judged on, or null where it came without. @param {import('../core.js').Model} model @returns {Judged | null} */
export function judgedSamples(model) {
  const { samples } = model;
  if (!samples) return null;
  const { confusion, half, data = null } = samples;
  const cell = (t, p) => {
    const isIn = (_, i) => samples.labels[i] === t && samples.predicted[i] === p;
    return { total: confusion[t][p], rows: sampleRows(model).filter(isIn) };
  };
  return { confusion, half, data, isWhole: false, cell };
}

/** Rows are made once for each model, as what is shown of them is kept with them. @type {WeakMap<object, Row[]>} */
const made = new WeakMap();

/** Return the samples of a model as rows. @param {import('../core.js').Model} model @returns {Row[]} */
export function sampleRows(model) {
  if (!made.has(model)) made.set(model, Array.from({ length: model.samples.length }, (_, i) => sampleRow(model, i)));
  return made.get(model);
}

function sampleRow({ samples, classes, header }, i) {
  const { half, rows, labels, predicted, pixels, size, index } = samples;
  return {
    half, row: rows[i], index: index?.[i] ?? null, sample: i,
    label: classes[labels[i]] ?? String(header.samples.labels[i]), predicted: classes[predicted[i]],
    frame: Float64Array.from(pixels.subarray(i * size, (i + 1) * size), (ink) => ink / FULL_INK),
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
