/**
 * Maps and ink as pixels. Signed values have one symmetric scale: blue adds, red subtracts, near zero is white, and an
 * exact zero is black. Ink is white on black, as the model sees it.
 */

const HALF = 256;
/** From "subtracts" over white to "adds"; the ends and what lies between, as in the report. */
const SIGNED = ['#67001f', '#d6604d', '#fddbc7', '#ffffff', '#d1e5f0', '#4393c3', '#053061'];
const BLACK = 0xff000000;

/** @type {Uint32Array} colours of -scale to +scale in 513 steps, as little-endian RGBA */
const LUT = buildLut();

function buildLut() {
  const stops = SIGNED.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 2 * HALF + 1 }, (_, step) => {
    const at = (step / (2 * HALF)) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    const [r, g, b] = stops[low].map((channel, i) => Math.round(channel + (at - low) * (stops[low + 1][i] - channel)));
    return packed(r, g, b);
  });
}

function packed(r, g, b) {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

const PAPER = [252, 251, 248];
const PEN = [31, 35, 40];

/** Shades of ink in 256 steps: white on black as the model sees it, and a pen on paper. */
const NIGHT = shades([0, 0, 0], [255, 255, 255]);
const SHEET = shades(PAPER, PEN);

function shades(paper, pen) {
  return Uint32Array.from({ length: 256 }, (_, step) => {
    const [r, g, b] = paper.map((channel, k) => Math.round(channel + (step / 255) * (pen[k] - channel)));
    return packed(r, g, b);
  });
}

/** Whether the page is shown dark. */
export function isDark() {
  return matchMedia('(prefers-color-scheme: dark)').matches;
}

/** Return the largest absolute value, the scale on which maps are shown. @param {ArrayLike<number>} values */
export function largest(values) {
  let most = 0;
  for (let i = 0; i < values.length; i += 1) most = Math.max(most, Math.abs(values[i]));
  return most;
}

/** Painter of maps or ink into one canvas: one ImageData that is kept. */
export class Painter {
  /** @param {HTMLCanvasElement} canvas @param {number} rows @param {number} cols */
  constructor(canvas, rows, cols) {
    canvas.width = cols;
    canvas.height = rows;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    this.image = this.context.createImageData(cols, rows);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /**
   * Paint signed values.
   * @param {ArrayLike<number>} values @param {number} scale value of the full colours
   * @param {number} [offset] of the first value
   * @param {{ zeros?: boolean }} [options] zeros: paint exact zeros black
   */
  signed(values, scale, offset = 0, { zeros = true } = {}) {
    const { pixels } = this;
    const unit = scale > 0 ? HALF / scale : 0;
    for (let i = 0; i < pixels.length; i += 1) {
      const value = values[offset + i];
      if (value === 0 && zeros) pixels[i] = BLACK;
      else pixels[i] = LUT[Math.min(2 * HALF, Math.max(0, Math.round(HALF + value * unit)))];
    }
    this.#show();
  }

  /** Paint ink from 0 to 1 in white on black. @param {ArrayLike<number>} ink */
  ink(ink) {
    this.#shades(ink, NIGHT);
  }

  /** Paint ink from 0 to 1 as a pen on paper. Paper stays light in dark mode too: it is paper. @param {ArrayLike<number>} ink */
  paper(ink) {
    this.#shades(ink, SHEET);
  }

  #shades(ink, colours) {
    const { pixels } = this;
    for (let i = 0; i < pixels.length; i += 1) {
      const value = ink[i];
      pixels[i] = colours[value <= 0 ? 0 : value >= 1 ? 255 : (value * 255 + 0.5) | 0];
    }
    this.#show();
  }

  #show() {
    this.context.putImageData(this.image, 0, 0);
  }
}

/** Colour of one signed value as CSS. @param {number} value @param {number} scale */
export function signedColour(value, scale) {
  const unit = scale > 0 ? HALF / scale : 0;
  const colour = LUT[Math.min(2 * HALF, Math.max(0, Math.round(HALF + value * unit)))];
  return `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
}

const LARGEST_SHEET = 720; // pixels of a sheet's side

/**
 * Draw the marks of a free drawing as lines, sharp on any screen; what the model is given is the pad's own ink.
 * @param {HTMLCanvasElement} canvas @param {import('./pad.js').Mark[]} marks
 */
export function drawSheet(canvas, marks) {
  const side = Math.min(LARGEST_SHEET, Math.round((canvas.clientWidth || LARGEST_SHEET / 2) * devicePixelRatio));
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const colour = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
  context.fillStyle = colour(PAPER);
  context.fillRect(0, 0, side, side);
  context.lineCap = 'round';
  context.lineJoin = 'round';
  for (const mark of marks) {
    if (mark.kind !== 'stroke') continue;
    const { points, width, erase } = mark;
    context.strokeStyle = colour(erase ? PAPER : PEN);
    context.lineWidth = width * side;
    context.beginPath();
    context.moveTo(points[0] * side, points[1] * side);
    for (let i = 0; i < points.length; i += 2) context.lineTo(points[i] * side, points[i + 1] * side);
    context.stroke();
  }
}
