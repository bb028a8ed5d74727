/** What the studio keeps: models, my digits, data sets; and which model is on the pad. */
import { batch, signal } from './vendor/signals-core.js';
import { decodeModel } from './core.js';
import { ApiError, fromBase64, LOST, toBase64 } from './api.js';

const FULL_INK = 255;
const AT_ONCE = 48; // rows of a cell that are asked for at a time

/**
 * @typedef {{
 *   id: string, name: string, created: string, origin: string, features: string, classes: string[],
 *   penalty: { C: number | null, l1_ratio: number, group: boolean } | null,
 *   certificate: { relative_gap: number, status: string } | null, accuracy: { train: number | null, test: number | null },
 *   data: { name: string | null, train: number | null, test: number | null }
 * }} ModelEntry
 * @typedef {{ id: string, label: string, frame: Float64Array, created: string }} MyDigit
 */

/** Lists of the studio as signals; whoever changes them calls the functions here. */
export class Library {
  /** @param {import('./api.js').StudioApi} api @param {string | null} model on the pad */
  constructor(api, model = null) {
    this.api = api;
    /** Which model is on the pad. */
    this.current = signal(model);
    /** Which is beside it. */
    this.beside = signal(null);
    /** @type {import('./vendor/signals-core.js').Signal<ModelEntry[] | null>} null: not loaded yet */
    this.models = signal(null);
    /** @type {import('./vendor/signals-core.js').Signal<MyDigit[] | null>} */
    this.digits = signal(null);
    this.datasets = signal(null);
    this.decoded = new Map();
  }

  /** Load all lists anew. */
  async refresh() {
    const [{ models }, { digits }, { datasets }] = await Promise.all([this.api.models(), this.api.digits(), this.api.datasets()]);
    batch(() => {
      this.models.value = models;
      this.digits.value = digits.map(readDigit);
      this.datasets.value = datasets;
    });
  }

  async refreshModels() {
    this.models.value = (await this.api.models()).models;
  }

  /** Bytes and decoded model, kept; made anew after a job that gave it a path. @param {string} id @param {{ anew?: boolean }} [options] */
  async open(id, { anew = false } = {}) {
    if (anew || !this.decoded.has(id)) {
      const bytes = await this.api.modelBytes(id);
      this.decoded.set(id, { bytes, model: decodeModel(bytes) });
    }
    return this.decoded.get(id);
  }

  /** Put a model on the pad. @param {import('./app.js').App} app @param {string} id */
  async use(app, id) {
    const { bytes } = await this.open(id);
    batch(() => {
      app.load(bytes);
      this.current.value = id;
    });
  }

  /** Set a model beside the one on the pad, or take it away. @param {import('./app.js').App} app @param {string | null} id */
  async compare(app, id) {
    const bytes = id ? (await this.open(id)).bytes : null;
    batch(() => {
      app.compare(bytes);
      this.beside.value = id;
    });
  }

  /** @param {import('./core.js').Model} model the one on the pad */
  judged(model) { return judged(this, model); }

  /** @param {import('./views/rows.js').Row} row of the model on the pad */
  told(row) { return told(this, row); }

  /** Wait for a job's end. @param {Promise<import('./api.js').Job>} started @param {(now: import('./api.js').Progress) => void} [progress] @returns {Promise<import('./api.js').Job>} */
  async ended(started, progress) {
    const { id } = await started;
    const job = await new Promise((end, fail) => {
      this.api.jobEvents(id, { progress, end, lost: () => fail(new ApiError({ status: 0, detail: LOST })) });
    });
    if (job.error) throw new ApiError({ status: 500, ...job.error });
    return job;
  }

  /** Training rows of the model on the pad whose labels are doubted. @param {(now: import('./api.js').Progress) => void} progress */
  async doubts(progress) {
    const { result } = await this.ended(this.api.startJob({ kind: 'labels', model: this.current.value }), progress);
    return { rows: suspectRows(result), of: result.n_rows };
  }

  /** Fit the model on the pad again with other labels; the old one stays beside it. @param {import('./app.js').App} app @param {{ row: number, label: string | null }[]} relabel */
  async refit(app, relabel) {
    const before = this.current.value;
    const asked = await this.askedFor();
    if (!asked) throw new ApiError({ status: 0, detail: app.t('judge.refit.unknown') });
    const { model } = await this.ended(this.api.startJob({ ...asked, name: null, start: before, relabel }));
    await this.refreshModels();
    await this.use(app, model);
    await this.compare(app, before);
  }

  /** How the model on the pad was fitted here; null where it was not. @returns {Promise<object | null>} */
  async askedFor() {
    const { jobs } = await this.api.jobs();
    return jobs.find(({ kind, model }) => kind === 'fit' && model === this.current.value)?.asked ?? null;
  }

  /** @param {string} id */
  async deleteModel(id) {
    await this.api.deleteModel(id);
    this.decoded.delete(id);
    await this.refreshModels();
  }

  /** My digits as a file of the class's wall (`inklens class wall`). */
  digitsFile() {
    const digits = this.digits.value.map(({ label, frame }) => ({ label, pixels: pixelsOf(frame) }));
    return { schema: 'inklens-digits/1', digits };
  }

  /** Keep a frame with its label. @param {ArrayLike<number>} frame @param {string} label @param {string} readAs */
  async keepDigit(frame, label, readAs) {
    const pixels = pixelsOf(frame);
    await this.api.addDigit({ pixels, label, read_as: readAs, ...(this.current.value ? { model: this.current.value } : {}) });
    this.digits.value = (await this.api.digits()).digits.map(readDigit);
  }

  /** @param {string} id */
  async deleteDigit(id) {
    await this.api.deleteDigit(id);
    this.digits.value = this.digits.value.filter((digit) => digit.id !== id);
  }
}

/** What a model answered on all rows of its test half. @param {Library} library @param {import('./core.js').Model} model @returns {Promise<import('./views/rows.js').Judged>} */
async function judged({ api, current }, { classes, samples }) {
  const id = current.value;
  const { confusion, part } = await api.evaluation(id);
  const cell = async (t, p, offset = 0) => {
    const { n_images: total, images } = await api.cell(id, t, p, { offset, limit: AT_ONCE });
    const rows = images.map(({ index, row, pixels }) => ({
      half: part, row: index, index: row >= 0 ? row : null, sample: -1, label: classes[t], predicted: classes[p], frame: inkOf(pixels),
    }));
    return { total, rows };
  };
  return { confusion, half: part, data: samples?.data ?? null, isWhole: true, cell };
}

/** Why a row is read so, in words, and which training rows vote for it. @param {Library} library @param {import('./views/rows.js').Row} row @returns {Promise<import('./views/rows.js').Told>} */
async function told({ api, current }, { half, row }) {
  const { words, votes } = await api.row(current.value, half, row);
  const side = (name) => votes.strongest[name].map(({ label, sample, vote }, i) => ({ label, row: sample, vote, frame: inkOf(votes.pixels[name][i]) }));
  return { words, votes: votes && { for: side('for'), against: side('against') } };
}

/** Training rows whose labels a job doubts. @param {{ suspects: object[] }} result @returns {import('./views/rows.js').Row[]} */
function suspectRows({ suspects }) {
  return suspects.map(({ sample, row, given, suggested, pixels }) => ({
    half: 'train', row: sample, index: row, sample: -1, label: given, predicted: suggested, frame: inkOf(pixels),
  }));
}

/** @param {ArrayLike<number>} frame @returns {string} bytes in base64 */
function pixelsOf(frame) {
  return toBase64(Uint8Array.from(frame, (value) => Math.round(value * FULL_INK)));
}

/** @param {string} pixels bytes in base64 @returns {Float64Array} */
function inkOf(pixels) {
  return Float64Array.from(fromBase64(pixels), (ink) => ink / FULL_INK);
}

function readDigit({ pixels, ...known }) {
  return { ...known, frame: inkOf(pixels) };
}
