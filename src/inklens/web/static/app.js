/**
 * The state of the face: a model, a pad, and what follows from them.
 *
 * While the pen moves, the pad's version changes many times between two frames of the screen; `ink` follows it once a
 * frame, and everything else is computed from `ink`. Views read signals in effects and call the functions here.
 */
import { signal, computed, effect, batch, untracked } from './vendor/signals-core.js';
import {
  answer as answerOf, decodeModel, judge, normaliseDrawing, pathPoint,
} from './core.js';
import { Pad } from './pad.js';
import { mountShell } from './shell.js';
import { addTexts, translate } from './texts.js';

/**
 * @typedef {{ kind: 'studio' | 'page' | 'output' | 'widget', api?: object, share?: (key: string, value: unknown) => void,
 *   others?: (app: App, what: string) => (() => unknown) }} Host
 *   others: the template of what another model can do that this one cannot, where there are others
 * @typedef {{ index: number, label: string | null, name: string }} Sample
 *   index among the samples of the model (-1: none of them), the true label if known, what a person calls it
 * @typedef {{ above: HTMLElement, corner: HTMLElement }} Places   over the open view, and the corner of the screen
 * @typedef {{
 *   key: string, texts: object, mount: (root: HTMLElement, app: App) => (() => void),
 *   always?: (places: Places, app: App) => void,
 *   address?: { parts: (app: App) => Record<string, string>, read: (app: App, asked: URLSearchParams) => void }
 * }} View
 *   always: what it shows while other views are open too; address: what it keeps in the page's address
 */

const REST_MS = 250; // without a change, after which the pad is at rest
const READABLE_MS = 100; // between two states of a number that somebody reads
const WORK_KEPT = 2000; // durations of frame work that are kept for whoever measures

/** The state, and what can be done to it. */
export class App {
  /** @param {{ bytes: ArrayBuffer, host: Host, views: View[], language?: string }} options */
  constructor({ bytes, host, views, language = 'en' }) {
    this.host = host;
    this.views = [...views];
    /** Counts how often views came later. */
    this.arrived = signal(0);
    for (const { key, texts } of views) addTexts(key, texts);
    const first = decodeModel(bytes);
    this.model = signal(first);
    /** A second model, shown beside the first. */
    this.other = signal(null);
    this.language = signal(language);
    this.view = signal(this.views[0].key);
    /** Point of the path that is looked at; null: the model itself. */
    this.point = signal(null);
    /** The path whose points are counted, another l1_ratio's or early stops; null: the model's first. */
    this.path = signal(null);
    /** @type {import('./vendor/signals-core.js').Signal<Sample | null>} */
    this.sample = signal(null);
    this.pad = new Pad(first.rows, first.cols);
    this.mode = signal('drawing');
    /** Parameters of the drawing's normalisation that were changed. */
    this.recipe = signal({});
    /** Classes that were chosen to be compared; null: the best and the second. */
    this.chosen = signal(null);
    /** Ink that a flip or a hint would change, shown over the pad: { change, flipped, cost, target } or null. */
    this.ghost = signal(null);
    /** A line under the pad, where the hand is: what the open view has to say of the drawing; null takes its room away. */
    this.note = signal(null);
    /** Whether the answer is covered, as while somebody guesses it. */
    this.covered = signal(false);
    /** Class that a flip is asked for, by index; null: the nearest. */
    this.target = signal(null);
    /** Cell of the confusion matrix that is open: { t, p }, true class and answer; null: the most frequent mistake. */
    this.cell = signal(null);
    /** Counts the moments in which the pad, or the slider over the path, came to rest. */
    this.settled = signal(0);
    /** Timer of the next such moment; null: all is at rest. */
    this.resting = null;
    /** Counts, ten times a second at most, that the pen moves. */
    this.pace = signal(0);
    /** Key of the text that is shown in the corner, as an explanation or a term; null: none, '': nothing to explain. */
    this.told = signal(null);
    /** A sentence for the polite live region. */
    this.spoken = signal('');
    this.work = [];
    this.shown = 0; // version of the pad that signals show
    this.ink = signal({ values: this.pad.ink, rows: this.pad.rows, cols: this.pad.cols });
    this.#derive();
    this.#followPad();
    effect(() => {
      if (this.weights.value !== first) this.#rest();
    });
    if (!this.drawsFreely) this.startDrawing();
  }

  #derive() {
    this.normalised = computed(() => {
      const { values, rows, cols } = this.ink.value;
      return this.mode.value === 'drawing' ? normaliseDrawing(values, rows, cols, this.recipe.value) : null;
    });
    this.frame = computed(() => this.normalised.value?.frame ?? this.ink.value.values.slice()); // the pad writes into its own
    /** The check before an answer; while the pen moves it keeps the pace of words, and what is refused stays so. */
    this.verdict = computed(() => {
      void this.readable.value;
      return untracked(() => {
        const seen = this.normalised.value ?? { frame: this.frame.value, measures: {}, blank: this.isBlank.value };
        return judge(this.model.value, seen);
      });
    });
    this.weights = computed(() => weightsOf(this.model.value, this.point.value, this.path.value));
    this.answer = computed(() => answerOf(this.model.value, this.frame.value, this.weights.value));
    this.otherAnswer = computed(() => (this.other.value ? answerOf(this.other.value, this.frame.value) : null));
    /** Whether there is anything to answer. */
    this.isBlank = computed(() => {
      const frame = this.frame.value;
      for (let i = 0; i < frame.length; i += 1) if (frame[i] > 0) return false;
      return true;
    });
    this.pair = computed(() => this.chosen.value ?? [this.answer.value.best, this.answer.value.second]);
    /** What words wait for: ten times a second while the pen moves, and at once where something else has changed. */
    this.readable = computed(() => [
      this.pace.value, this.settled.value, this.language.value, this.model.value, this.mode.value, this.point.value,
      this.chosen.value, this.other.value, this.recipe.value, this.sample.value,
    ]);
  }

  #followPad() {
    let waiting = false;
    let paced = 0;
    const follow = () => {
      waiting = false;
      const start = performance.now();
      if (this.shown !== this.pad.version.value) {
        const isReadable = start - paced >= READABLE_MS;
        if (isReadable) paced = start;
        batch(() => this.#show(isReadable));
      }
      this.#rest();
      this.work.push(performance.now() - start);
      if (this.work.length > WORK_KEPT) this.work.splice(0, WORK_KEPT / 2);
    };
    effect(() => {
      if (this.pad.version.value === 0 || waiting) return;
      waiting = true;
      requestAnimationFrame(follow);
    });
  }

  /** Say that all is at rest when nothing changes for a while. */
  #rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.resting = null;
      this.settled.value += 1;
    }, REST_MS);
  }

  /** Show a text of the catalogue in the chosen language. @param {string} key @param {Record<string, unknown>} [values] */
  t(key, values) {
    return translate(this.language.value, key, values);
  }

  /** Have a sentence spoken by screen readers. @param {string} text */
  announce(text) {
    this.spoken.value = text;
  }

  /** Show a view. @param {string} key */
  go(key) {
    if (this.views.some((view) => view.key === key)) this.view.value = key;
  }

  /** Take in views that were fetched after the start, in the places of those that stood for them. @param {View[]} views */
  welcome(views) {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const view of views) {
      addTexts(view.key, view.texts);
      this.views[this.views.findIndex(({ key }) => key === view.key)] = view;
      view.address?.read(this, asked);
    }
    this.arrived.value += 1;
    for (const { always } of views) always?.(this.places, this);
  }

  /** Whether drawings can be normalised: MNIST's recipe ends at 28 x 28, models of other sizes are drawn on directly. */
  get drawsFreely() {
    const { rows, cols } = this.model.value;
    return rows === 28 && cols === 28;
  }

  /** Start on an empty pad: a free drawing, or an empty frame where the model has another size. */
  startDrawing() {
    const { rows, cols } = this.model.value;
    if (!this.drawsFreely) return this.setFrame(new Float64Array(rows * cols));
    batch(() => {
      this.mode.value = 'drawing';
      this.sample.value = null;
      this.pad.draw();
      this.#show();
    });
  }

  /**
   * Put a frame on the pad; strokes change it from now on.
   * @param {ArrayLike<number>} frame @param {Sample | null} [sample]
   */
  setFrame(frame, sample = null) {
    batch(() => {
      this.mode.value = 'frame';
      this.sample.value = sample;
      this.pad.take(frame);
      this.#show();
    });
  }

  /** Frame and true label of a sample of the model. @param {number} index */
  sampleAt(index) {
    const { samples, classes } = this.model.value;
    const frame = Float64Array.from(samples.pixels.subarray(index * samples.size, (index + 1) * samples.size), (v) => v / 255);
    return { frame, label: classes[samples.labels[index]] ?? null };
  }

  /** Show a sample of the model. @param {number} index */
  showSample(index) {
    const { samples } = this.model.value;
    const { frame, label } = this.sampleAt(index);
    this.setFrame(frame, { index, label, name: this.t('sample', { half: samples.half, row: samples.rows[index] }) });
  }

  /** Go on with what the model sees, so that strokes change it pixel by pixel. */
  holdFrame() {
    if (this.mode.value === 'drawing') this.setFrame(this.frame.value, this.sample.value);
  }

  /** Make a changed frame the pad's, as one step that can be undone. @param {Float64Array} flipped */
  apply(flipped) {
    this.holdFrame();
    this.pad.change(flipped);
  }

  /** Take over another model. @param {ArrayBuffer} bytes */
  load(bytes) {
    const model = decodeModel(bytes);
    const { rows, cols } = this.model.value;
    batch(() => {
      this.point.value = null;
      this.path.value = null;
      this.chosen.value = null;
      this.target.value = null;
      this.cell.value = null;
      this.model.value = model;
      if (model.rows === rows && model.cols === cols) return;
      this.pad.frameRows = model.rows;
      this.pad.frameCols = model.cols;
      this.startDrawing();
    });
  }

  /** Take the same model with all that belongs to it, in place of its weights alone. @param {ArrayBuffer} bytes */
  fill(bytes) {
    this.model.value = decodeModel(bytes);
  }

  /** Set a second model beside the first, or take it away. @param {ArrayBuffer | null} bytes */
  compare(bytes) {
    this.other.value = bytes ? decodeModel(bytes) : null;
  }

  /** Show the pad's ink now; a ghost over it is out of date. Words and verdict follow if they can be read. */
  #show(isReadable = true) {
    const { ink, rows, cols } = this.pad;
    this.shown = this.pad.version.value;
    this.ghost.value = null;
    this.ink.value = { values: ink, rows, cols };
    if (isReadable) this.pace.value += 1;
  }
}

function weightsOf(model, point, path) {
  return point === null ? model : pathPoint(model, point, path ?? model.path);
}

/**
 * Build the face into an element.
 * @param {HTMLElement} root
 * @param {{ bytes: ArrayBuffer, host: Host, views: View[], language?: string }} options
 * @returns {App}
 */
export function mount(root, options) {
  const app = new App(options);
  mountShell(root, app);
  untracked(() => options.host.share?.('ready', true));
  return app;
}
