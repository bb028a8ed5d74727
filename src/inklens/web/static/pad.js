/**
 * The pad: strokes in, ink out. It knows neither models nor views.
 *
 * A stroke is a polyline of a round pen. It covers the pixel whose centre lies at distance d from the line by
 *
 *     c = clip(width / 2 + 1/2 - d, 0, 1)        pen: max(ink, c)        eraser: min(ink, 1 - c)
 *
 * so that ink never depends on how fast the pen moved, nor on the browser's own lines. The grid is 140 x 140 for free
 * drawing, seven pixels for each of the box that a digit is shrunk into, and the frame's own 28 x 28 where strokes change what the model sees.
 */
import { signal } from './vendor/signals-core.js';

/** Pixels along each side of the grid of free drawing. */
export const DRAWING_SIDE = 140;

/** Width of the pen at first: MNIST was written with pens of 0.137 of the digit, and digits fill three quarters of the pad. */
export const PEN_WIDTH = 0.1;

/**
 * @typedef {{ kind: 'stroke', erase: boolean, width: number, points: number[] }} Stroke
 *   width and points (x0, y0, x1, y1, ...) in shares of the pad's side
 * @typedef {{ kind: 'pixel', index: number, value: number }} PixelEdit   one pixel of the frame set to a value
 * @typedef {{ kind: 'change', flipped: Float64Array }} Change            the whole frame replaced, as by a flip
 * @typedef {Stroke | PixelEdit | Change} Mark
 */

/** Ink on a grid, with every mark that made it. */
export class Pad {
  /** @param {number} [rows] of the frame @param {number} [cols] of the frame */
  constructor(rows = 28, cols = 28) {
    this.frameRows = rows;
    this.frameCols = cols;
    /** Changes whenever the ink does. */
    this.version = signal(0);
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {Mark[]} */
    this.undone = [];
    /** @type {Float64Array | null} the frame that strokes change; null while drawing freely */
    this.base = null;
    this.width = PEN_WIDTH;
    this.erase = false;
    this.#resize();
  }

  /** Whether strokes change a frame rather than a free drawing. */
  get isFrame() {
    return this.base !== null;
  }

  /** Whether there is any ink, or anything that could be undone. */
  get isEmpty() {
    return this.marks.length === 0 && this.base === null;
  }

  /** Draw freely on an empty pad. */
  draw() {
    this.base = null;
    this.#forget();
  }

  /** Take a frame; strokes change it from now on. @param {ArrayLike<number>} frame */
  take(frame) {
    this.base = Float64Array.from(frame);
    this.#forget();
  }

  /** Wipe the pad and forget all marks. */
  clear() {
    if (this.base) this.base = new Float64Array(this.base.length);
    this.#forget();
  }

  /** Start a stroke. @param {number} x @param {number} y shares of the pad's side */
  start(x, y) {
    /** @type {Stroke} */
    const stroke = { kind: 'stroke', erase: this.erase, width: this.width, points: [x, y] };
    this.#add(stroke);
    this.#segment(stroke, x, y, x, y);
    this.#changed();
  }

  /** Lengthen the stroke that was started last. @param {number} x @param {number} y */
  move(x, y) {
    const stroke = this.marks.at(-1);
    if (!stroke || stroke.kind !== 'stroke') return;
    const [x0, y0] = stroke.points.slice(-2);
    if (x === x0 && y === y0) return;
    stroke.points.push(x, y);
    this.#segment(stroke, x0, y0, x, y);
    this.#changed();
  }

  /** Set one pixel of the frame. @param {number} index @param {number} value from 0 to 1 */
  setPixel(index, value) {
    const mark = { kind: /** @type {const} */ ('pixel'), index, value: Math.min(1, Math.max(0, value)) };
    this.#add(mark);
    this.#put(mark);
    this.#changed();
  }

  /** Replace the frame as one step that can be undone. @param {Float64Array} flipped */
  change(flipped) {
    const mark = { kind: /** @type {const} */ ('change'), flipped };
    this.#add(mark);
    this.#put(mark);
    this.#changed();
  }

  /** Draw all strokes of the pen again with another width, and go on with it. @param {number} width share of the pad's side */
  rewiden(width) {
    this.width = width;
    for (const mark of this.marks) if (mark.kind === 'stroke' && !mark.erase) mark.width = width;
    this.#redraw();
  }

  /** Take the last mark back. @returns {boolean} whether there was one */
  undo() {
    const mark = this.marks.pop();
    if (!mark) return false;
    this.undone.push(mark);
    this.#redraw();
    return true;
  }

  /** Put the mark back that was taken last. @returns {boolean} whether there was one */
  redo() {
    const mark = this.undone.pop();
    if (!mark) return false;
    this.marks.push(mark);
    this.#put(mark);
    this.#changed();
    return true;
  }

  /**
   * The ink after each number of marks, from none to all: what every stroke added.
   * @returns {(Float32Array | Float64Array)[]}
   */
  history() {
    const ink = this.ink.slice();
    this.ink.set(this.#bare());
    const states = [this.ink.slice()];
    for (const mark of this.marks) {
      this.#put(mark);
      states.push(this.ink.slice());
    }
    this.ink.set(ink);
    return states;
  }

  #add(mark) {
    this.marks.push(mark);
    this.undone = [];
  }

  #forget() {
    this.marks = [];
    this.undone = [];
    this.#resize();
    this.#changed();
  }

  #resize() {
    this.rows = this.isFrame ? this.frameRows : DRAWING_SIDE;
    this.cols = this.isFrame ? this.frameCols : DRAWING_SIDE;
    this.ink = this.#bare();
  }

  #bare() {
    return this.base ? this.base.slice() : new Float32Array(this.rows * this.cols); // a frame stays what it was, to the bit
  }

  #redraw() {
    this.ink.set(this.#bare());
    for (const mark of this.marks) this.#put(mark);
    this.#changed();
  }

  #put(mark) {
    if (mark.kind === 'pixel') this.ink[mark.index] = mark.value;
    else if (mark.kind === 'change') this.ink.set(mark.flipped);
    else {
      const { points } = mark;
      if (points.length === 2) this.#segment(mark, points[0], points[1], points[0], points[1]);
      for (let i = 2; i < points.length; i += 2) {
        this.#segment(mark, points[i - 2], points[i - 1], points[i], points[i + 1]);
      }
    }
  }

  #changed() {
    this.version.value += 1;
  }

  /** Cover the pixels near one segment; coordinates in shares of the side, pixel (i, j) has its centre at j + 1/2. */
  #segment(stroke, x0, y0, x1, y1) {
    const { rows, cols, ink } = this;
    const ax = x0 * cols - 0.5;
    const ay = y0 * rows - 0.5;
    const dx = (x1 - x0) * cols;
    const dy = (y1 - y0) * rows;
    const radius = (stroke.width * cols) / 2 + 0.5;
    const length = dx * dx + dy * dy;
    const left = Math.max(0, Math.floor(Math.min(ax, ax + dx) - radius));
    const right = Math.min(cols - 1, Math.ceil(Math.max(ax, ax + dx) + radius));
    const top = Math.max(0, Math.floor(Math.min(ay, ay + dy) - radius));
    const bottom = Math.min(rows - 1, Math.ceil(Math.max(ay, ay + dy) + radius));
    for (let row = top; row <= bottom; row += 1) {
      for (let col = left; col <= right; col += 1) {
        const px = col - ax;
        const py = row - ay;
        const along = length > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        const distance = Math.hypot(px - along * dx, py - along * dy);
        const cover = Math.min(1, radius - distance);
        if (cover <= 0) continue;
        const at = row * cols + col;
        ink[at] = stroke.erase ? Math.min(ink[at], 1 - cover) : Math.max(ink[at], cover);
      }
    }
  }
}
