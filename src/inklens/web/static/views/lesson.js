/** The state of the tutorial: the stop, what was done and guessed; kept while other views are open, and in the address. */
import { batch, effect, signal, untracked } from '../vendor/signals-core.js';
import { STOPS } from './stops.js';

/** @typedef {import('./stops.js').Stop} Stop */

/** What a visitor changes; the pad is watched by its version. */
const CHANGED = ['view', 'chosen', 'sample', 'cell', 'point', 'path'];

/** One reader's way through the tutorial. */
export class Lesson {
  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.stops = STOPS;
    /** Whether the tutorial was opened: before, nothing is watched. */
    this.begun = signal(false);
    this.at = signal(0);
    /** What was said of each task that is done, by key. @type {import('../vendor/signals-core.js').Signal<Record<string, object>>} */
    this.done = signal({});
    /** The first guess at each question, by key. @type {import('../vendor/signals-core.js').Signal<Record<string, string>>} */
    this.guessed = signal({});
    /** Keys of the stops that were opened: where nothing can be done or asked, this is all there is to do. */
    this.visited = signal(new Set());
    /** What was changed since the tutorial began: what stood before, as by the address, nobody did for a stop. */
    this.touched = new Set();
    /** How far the task is: values of its text, or null. */
    this.sofar = signal(null);
    /** What a task remembers between its steps. */
    this.memo = {};
    this.#watch();
  }

  /** @returns {Stop} */
  get stop() {
    return this.stops[this.at.value];
  }

  /** Whether the model brings what a stop's task needs. @param {Stop} stop */
  isPossible({ needs }) {
    return !needs || Boolean(this.app.model.value[needs]);
  }

  /** Whether nothing is left to do at a stop. @param {Stop} stop */
  isDone(stop) {
    const isTold = !this.questionOf(stop) || stop.key in this.guessed.value;
    return this.visited.value.has(stop.key) && isTold && (stop.key in this.done.value || !this.isPossible(stop));
  }

  /** Open the tutorial: from now on what its visitor does is watched. */
  begin() {
    if (this.begun.value) return;
    this.touched.clear();
    batch(() => {
      this.begun.value = true;
      this.#visit([this.stop.key]);
    });
  }

  /** Take over what was done before. @param {number} index @param {{ done: string[], told: string[], visited: string[] }} before */
  resume(index, { done, told, visited }) {
    const missing = (keys, known, value) => Object.fromEntries(keys.filter((key) => !(key in known)).map((key) => [key, value]));
    this.touched.clear();
    batch(() => {
      this.done.value = { ...missing(done, this.done.value, { kind: 'before' }), ...this.done.value };
      this.guessed.value = { ...missing(told, this.guessed.value, ''), ...this.guessed.value };
      this.#visit(visited);
      if (index !== this.at.value) this.go(index);
      this.begin();
    });
  }

  /** Go to a stop. @param {number} index */
  go(index) {
    batch(() => {
      this.memo = {};
      this.at.value = Math.min(this.stops.length - 1, Math.max(0, index));
      this.sofar.value = null;
      this.#visit([this.stop.key]);
    });
    this.look();
  }

  #visit(keys) {
    if (keys.some((key) => !this.visited.value.has(key))) this.visited.value = new Set([...this.visited.value, ...keys]);
  }

  /** Do what the stop's button does. */
  act() {
    this.stop.act(this.app, this);
    this.look();
  }

  /** @param {string} id */
  guess(id) {
    const { key } = this.stop;
    if (!(key in this.guessed.value)) this.guessed.value = { ...this.guessed.value, [key]: id };
  }

  /** The question of a stop with what this model answers; null where it has none. @param {Stop} stop */
  questionOf(stop) {
    const model = this.app.model.value;
    if (!questions.has(model)) questions.set(model, {});
    const known = questions.get(model);
    if (!(stop.key in known)) known[stop.key] = stop.ask(model);
    return known[stop.key];
  }

  /** Look whether the task of the stop is done now. */
  look() {
    untracked(() => {
      const { stop, app } = this;
      if (!this.begun.value || !this.isPossible(stop)) return;
      this.sofar.value = stop.sofar?.(app, this) ?? null;
      if (stop.key in this.done.value) return;
      const said = !stop.by || stop.by.some((name) => this.touched.has(name)) ? stop.done(app, this) : null;
      if (!said) return;
      this.done.value = { ...this.done.value, [stop.key]: said };
      app.announce(praise(app, stop, said));
    });
  }

  /** Tasks are looked at when the pad rests and when something was chosen, never while the pen moves. */
  #watch() {
    const { app } = this;
    const follow = (name, read) => {
      let isFirst = true;
      effect(() => {
        read();
        if (isFirst) isFirst = false;
        else if (!this.touched.has(name)) {
          this.touched.add(name);
          this.look();
        }
      });
    };
    for (const name of CHANGED) follow(name, () => app[name].value);
    follow('pad', () => app.pad.version.value);
    effect(() => {
      for (const name of ['settled', 'view', 'point', 'path', 'cell', 'chosen', 'sample', 'mode', 'model', 'language']) void app[name].value;
      void this.begun.value;
      this.look();
    });
  }
}

/** What is said of a task that is done. @param {import('../app.js').App} app @param {Stop} stop @param {object} said */
export function praise(app, { key }, { kind, ...values }) {
  if (kind === 'before') return app.t('learn.before');
  return app.t(kind ? `learn.${key}.done.${kind}` : `learn.${key}.done`, values);
}

const questions = new WeakMap();
const lessons = new WeakMap();

/** The lesson of an app. @param {import('../app.js').App} app @returns {Lesson} */
export function lessonOf(app) {
  if (!lessons.has(app)) lessons.set(app, untracked(() => new Lesson(app)));
  return lessons.get(app);
}

// Progress in the address: the key of the stop, then a digit for each stop, the sum of 1 (its task is done), 2 (its
// question is told) and 4 (it was opened).

/** @param {import('../app.js').App} app @returns {Record<string, string>} */
export function progressParts(app) {
  const lesson = lessonOf(app);
  if (!lesson.begun.value) return {};
  const digits = lesson.stops.map(({ key }) => (key in lesson.done.value ? 1 : 0) + (key in lesson.guessed.value ? 2 : 0) + (lesson.visited.value.has(key) ? 4 : 0));
  return { stop: lesson.stop.key, done: digits.join('').replace(/0+$/, '') };
}

/** @param {import('../app.js').App} app @param {URLSearchParams} asked */
export function readProgress(app, asked) {
  const lesson = lessonOf(app);
  const at = lesson.stops.findIndex(({ key }) => key === asked.get('stop'));
  if (at < 0) return;
  const marks = [...(asked.get('done') ?? '')].map(Number);
  const among = (bits) => lesson.stops.filter((_, i) => marks[i] & bits).map(({ key }) => key);
  lesson.resume(at, { done: among(1), told: among(2), visited: among(7) });
}
