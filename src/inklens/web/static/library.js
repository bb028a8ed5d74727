/** What the studio keeps: models, my digits, data sets; and which model is on the pad. */
import { batch, signal } from './vendor/signals-core.js';
import { decodeModel } from './core.js';
import { fromBase64, toBase64 } from './api.js';

const FULL_INK = 255;

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

  /** @param {string} id */
  async deleteModel(id) {
    await this.api.deleteModel(id);
    this.decoded.delete(id);
    await this.refreshModels();
  }

  /** Keep a frame with its label. @param {ArrayLike<number>} frame @param {string} label @param {string} readAs */
  async keepDigit(frame, label, readAs) {
    const pixels = toBase64(Uint8Array.from(frame, (value) => Math.round(value * FULL_INK)));
    await this.api.addDigit({ pixels, label, read_as: readAs, ...(this.current.value ? { model: this.current.value } : {}) });
    this.digits.value = (await this.api.digits()).digits.map(readDigit);
  }

  /** @param {string} id */
  async deleteDigit(id) {
    await this.api.deleteDigit(id);
    this.digits.value = this.digits.value.filter((digit) => digit.id !== id);
  }
}

function readDigit({ pixels, ...known }) {
  return { ...known, frame: Float64Array.from(fromBase64(pixels), (ink) => ink / FULL_INK) };
}
