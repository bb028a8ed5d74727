/**
 * What is known of the digit on the pad: what it takes to make it any other class, and what was done towards
 * it.
 */
import { batch, computed, effect, signal, untracked } from '../vendor/signals-core.js';
import { answer as answerOf, flipSearch, leastInk, radius, smallestStroke, strokeSearch } from '../core.js';

/**
 * How clearly the other class should win: log-odds, against the next best; the first is the least that
 * counts.
 */
export const MARGINS = [1e-6, Math.log(3), Math.log(19)]; // even, 75 : 25, 95 : 5

/** Widths of the pen that makes the smallest stroke, in pixels of the frame. */
export const PENS = [1, 2, 3];

const SLICE_MS = 8; // of a search between two looks at what the visitor does: half a picture of the screen

/**
 * @typedef {import('../core.js').Flip & { kind?: 'draw' | 'erase', start?: number[], end?: number[], width?:
 *   number }} Way
 *   a changed frame; of a stroke, also the stroke
 * @typedef {{ frame: Float64Array, weights: import('../core.js').Weights, answer: import('../core.js').Answer
 *   }} Subject
 * @typedef {{ base: Float64Array, frame: Float64Array }} Held   the pad's own frame, and the start of all
 *   measuring
 * @typedef {{ spent: number, added: number, erased: number, best: number, reached: boolean, short: number }}
 *   Attempt
 *   ink changed since the start; the answer now; log-odds that are still missing
 */

/** One digit and the changes of it; kept while other views are open. */
export class Fooling {
  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.model = app.model.value; // that the target is a class of
    /** Class that was asked for; null: the nearest. */
    this.target = app.target;
    /** 'ink': pixel by pixel; 'stroke': by one stroke of a pen. */
    this.way = signal('ink');
    this.margin = signal(MARGINS[0]);
    this.pen = signal(PENS[1]);
    this.usual = signal(false);
    this.ghosting = signal(false);
    /** Changes of this digit that were searched, on features that are not linear in the ink. */
    this.found = signal(new Map());
    this.searching = signal(false);
    /** The search that goes on; one that is no longer this ends by itself. @type {Generator | null} */
    this.steps = null;
    /** @type {import('../vendor/signals-core.js').Signal<Held | null>} */
    this.held = signal(null);
    /** @type {import('../vendor/signals-core.js').Signal<Subject | null>} */
    this.looked = signal(null);
    this.#derive();
  }

  #derive() {
    const { app } = this;
    /** The digit that all this is about; null on an empty pad, and until another model has looked at it. */
    this.subject = computed(() =>
      this.looked.value?.weights === app.weights.value ? this.looked.value : null,
    );
    this.isProven = computed(() => app.model.value.features === 'pixels');
    this.options = computed(() => ({ margin: this.margin.value, weights: app.weights.value }));
    /**
     * The least ink for each class: null for the present answer, and where no change does it; undefined
     * before a search.
     */
    this.flips = computed(() => {
      const subject = this.subject.value;
      return (
        subject &&
        app.model.value.classes.map((_, k) =>
          k === subject.answer.best ? null : this.#flip(subject.frame, k),
        )
      );
    });
    this.radius = computed(() =>
      this.isProven.value && this.subject.value
        ? radius(app.model.value, this.subject.value.frame, app.weights.value)
        : null,
    );
    this.nearest = computed(() => nearestOf(this.flips.value, this.subject.value));
    this.goal = computed(() => {
      const asked = this.target.value;
      return asked === null || asked === this.subject.value?.answer.best ? this.nearest.value : asked;
    });
    this.least = computed(() => this.flips.value?.[this.goal.value] ?? null);
    /** The change that is shown: null where none does it, undefined before a search. */
    this.shown = computed(() =>
      this.way.value === 'stroke' ? this.#stroke() : this.flips.value?.[this.goal.value],
    );
    this.attempt = computed(() => this.#attempt());
  }

  /** Follow the pad while the view is open. @returns {() => void} ends it */
  follow() {
    const { app } = this;
    const ends = [
      effect(() => {
        void app.ink.value;
        if (this.held.peek() && this.held.peek().base !== app.pad.base) this.held.value = null;
      }),
      effect(() => {
        const model = app.model.value;
        if (this.model === model) return;
        this.model = model;
        untracked(() => this.release());
      }),
      effect(() => {
        void app.settled.value;
        void app.isBlank.value;
        void app.mode.value;
        void app.sample.value;
        void app.model.value;
        void app.weights.value;
        void this.held.value;
        untracked(() => batch(() => this.#look()));
      }),
      effect(() => {
        void app.ink.value;
        const way = this.ghosting.value && this.held.value ? this.shown.value : null;
        app.ghost.value = way && {
          change: remaining(way, app.frame.value),
          flipped: way.flipped,
          cost: way.cost,
          target: way.target,
        };
      }),
    ];
    return () => {
      ends.forEach((end) => end());
      app.ghost.value = null;
    };
  }

  /** The most ink of a pixel in digits of a class, where only usual ink may be added. @param {number} k */
  highest(k) {
    const { usual, rows, cols } = this.app.model.value;
    return usual && this.usual.value ? usual.subarray(k * rows * cols, (k + 1) * rows * cols) : null;
  }

  /** Ask for a class: from now on the frame is held, and every change of it is measured. @param {number} k */
  ask(k) {
    batch(() => {
      this.hold();
      this.target.value = k;
      this.ghosting.value = true;
    });
    if (this.shown.value === undefined) this.search();
  }

  /** Measure all changes from what the model sees now. */
  hold() {
    if (this.held.value) return;
    const { app } = this;
    app.holdFrame();
    this.held.value = { base: app.pad.base, frame: Float64Array.from(app.frame.value) };
  }

  /** Show or hide what would change, over the pad. */
  toggleGhost() {
    batch(() => {
      this.hold();
      this.ghosting.value = !this.ghosting.value;
    });
  }

  /** Make the change. */
  apply() {
    const { flipped } = this.shown.value;
    batch(() => {
      this.hold();
      this.target.value = this.goal.value;
    });
    this.app.apply(flipped);
  }

  /** Put the start back on the pad. */
  restart() {
    const { app, held } = this;
    const { frame } = held.value;
    batch(() => {
      app.setFrame(frame, app.sample.value);
      held.value = { base: app.pad.base, frame };
    });
  }

  /** Take what is on the pad as the new start. */
  release() {
    batch(() => {
      this.held.value = null;
      this.target.value = null;
      this.ghosting.value = false;
    });
  }

  #look() {
    const { app } = this;
    const frame = this.held.value?.frame ?? app.frame.value;
    const was = this.looked.value;
    if (!this.held.value && app.isBlank.value) this.looked.value = null;
    else if (!was || was.weights !== app.weights.value || was.frame.some((ink, j) => ink !== frame[j])) {
      const copy = Float64Array.from(frame);
      this.found.value = new Map();
      this.looked.value = {
        frame: copy,
        weights: app.weights.value,
        answer: answerOf(app.model.value, copy, app.weights.value),
      };
    }
  }

  #flip(frame, k) {
    if (!this.isProven.value) return this.found.value.get(this.#key('ink', k));
    return leastInk(this.app.model.value, frame, k, { ...this.options.value, highest: this.highest(k) });
  }

  #stroke() {
    const goal = this.goal.value;
    if (goal === null) return null;
    if (!this.isProven.value) return this.found.value.get(this.#key('stroke', goal));
    return this.#strokeTo(this.subject.value.frame, goal, this.least.value?.lowerBound ?? 0);
  }

  #strokeTo(frame, goal, lowerBound) {
    const found = smallestStroke(this.app.model.value, frame, goal, this.#penOptions());
    return found && asWay(found, frame, lowerBound);
  }

  #penOptions() {
    return { ...this.options.value, width: this.pen.value };
  }

  #key(way, k) {
    return [way, k, this.margin.value, way === 'ink' ? this.usual.value : this.pen.value].join(' ');
  }

  /**
   * Search for a change where none can be proven. It takes up to a second or two, in slices, so that the pen stays
   * alive; it ends when another digit or another change is asked for.
   */
  search() {
    const [subject, goal, way] = [this.subject.value, this.goal.value, this.way.value];
    if (this.isProven.value || !subject || goal === null) return;
    const key = this.#key(way, goal);
    const steps = this.#search(subject.frame, goal, way);
    this.steps = steps;
    this.searching.value = true;
    const goOn = () => {
      if (this.steps !== steps) return;
      const isAsked = this.subject.value === subject && this.goal.value === goal && key === this.#key(this.way.value, goal);
      const step = isAsked ? sliceOf(steps) : { done: true };
      if (!step.done) {
        setTimeout(goOn);
        return;
      }
      batch(() => {
        this.steps = null;
        this.searching.value = false;
        if (isAsked) this.found.value = new Map(this.found.value).set(key, step.value);
      });
    };
    requestAnimationFrame(() => setTimeout(goOn)); // the screen first says that it searches
  }

  *#search(frame, goal, way) {
    const model = this.app.model.value;
    if (way !== 'stroke') return yield* flipSearch(model, frame, goal, { ...this.options.value, highest: this.highest(goal) });
    const found = yield* strokeSearch(model, frame, goal, this.#penOptions());
    return found && asWay(found, frame, 0);
  }

  #attempt() {
    const held = this.held.value;
    void this.app.ink.value;
    if (!held || this.goal.value === null) return null;
    const { z, best } = this.app.answer.value;
    const frame = this.app.frame.value;
    const { added, erased } = split(frame.map((ink, j) => ink - held.frame[j]));
    const ahead = lead(z, this.goal.value);
    return {
      spent: added + erased,
      added,
      erased,
      best,
      reached: ahead >= this.margin.value,
      short: Math.max(0, this.margin.value - ahead),
    };
  }
}

const kept = new WeakMap();

/**
 * The one of an app, so that a digit stays as it was while another view is open.
 * @param {import('../app.js').App} app
 */
export function foolingOf(app) {
  if (!kept.has(app)) kept.set(app, new Fooling(app));
  return kept.get(app);
}

/** A stroke as a change of the frame. */
function asWay(stroke, frame, lowerBound) {
  const change = stroke.flipped.map((ink, j) => ink - frame[j]);
  return { ...stroke, ...split(change), change, cost: stroke.ink, lowerBound };
}

/** Go on with a search for some milliseconds. @param {Generator} steps */
function sliceOf(steps) {
  const end = performance.now() + SLICE_MS;
  let step = steps.next();
  while (!step.done && performance.now() < end) step = steps.next();
  return step;
}

/** Ink added and erased by a change. @param {ArrayLike<number>} change */
export function split(change) {
  let [added, erased] = [0, 0];
  for (let j = 0; j < change.length; j += 1)
    if (change[j] > 0) added += change[j];
    else erased -= change[j];
  return { added, erased };
}

/** By how much a class beats the next best, in log-odds. @param {ArrayLike<number>} z @param {number} k */
export function lead(z, k) {
  let rival = -Infinity;
  for (let l = 0; l < z.length; l += 1) if (l !== k) rival = Math.max(rival, z[l]);
  return z[k] - rival;
}

function nearestOf(flips, subject) {
  if (!subject) return null;
  let best = null;
  flips.forEach((flip, k) => {
    if (flip && (best === null || flip.cost < flips[best].cost)) best = k;
  });
  return best ?? subject.answer.second;
}

/** What is left of a change: as one draws, it fades. */
function remaining({ change, flipped }, frame) {
  return change.map((value, j) => {
    const left = flipped[j] - frame[j];
    return value > 0 ? Math.max(0, left) : value < 0 ? Math.min(0, left) : 0;
  });
}
