/** A map with its caption: read by pointer, finger and arrow keys, and as a text; saved as PNG or CSV. */
import { html, render } from './vendor/lit-html.js';
import { Painter } from './canvas.js';
import { saveCsv, savePng } from './save.js';

/**
 * @typedef {{ name: string, readout?: (index: number) => string, onChoose?: () => void, explain?: string }} MapOptions
 *   name of the saved files, what is said of a pixel, what choosing the map does, key of what explains it
 */

/** One map of a frame's pixels. */
export class MapFigure {
  /**
   * @param {HTMLElement} root @param {import('./app.js').App} app @param {MapOptions} options
   */
  constructor(root, app, { name, readout, onChoose, explain }) {
    const { rows, cols } = app.model.value;
    this.app = app;
    this.cols = cols;
    this.rows = rows;
    this.name = name;
    this.readout = readout;
    this.values = null;
    this.offset = 0;
    this.at = null;
    this.canvas = document.createElement('canvas');
    this.canvas.className = 'map';
    this.painter = new Painter(this.canvas, rows, cols);
    this.label = document.createElement('figcaption');
    this.told = document.createElement('output');
    this.told.className = 'told-pixel';
    root.classList.add('map-figure');
    if (explain) root.dataset.explain = explain;
    root.replaceChildren(this.canvas, this.label);
    if (readout) root.append(this.told);
    if (readout) {
      this.#listen();
      this.rest();
    }
    if (onChoose) this.#choose(onChoose);
    else this.canvas.setAttribute('role', readout ? 'application' : 'img');
  }

  /** Paint signed values. @param {ArrayLike<number>} values @param {number} scale @param {number} [offset] @param {{ zeros?: boolean }} [options] */
  signed(values, scale, offset = 0, options = {}) {
    this.values = values;
    this.offset = offset;
    this.painter.signed(values, scale, offset, options);
    if (this.at !== null) this.#tell();
  }

  /** Paint ink. @param {ArrayLike<number>} ink */
  ink(ink) {
    this.values = ink;
    this.offset = 0;
    this.painter.ink(ink);
    if (this.at !== null) this.#tell();
  }

  /** Set the caption and what screen readers say of the picture. @param {unknown} caption @param {string} words */
  caption(caption, words) {
    render(caption, this.label);
    this.canvas.setAttribute('aria-label', words);
  }

  /** Buttons that save what is shown. */
  saving() {
    const { app } = this;
    return html`<span class="saving" data-explain="save">
      <button type="button" class="link" @click=${() => savePng(this.name, this.canvas)}>PNG</button>
      <button type="button" class="link" @click=${() => saveCsv(this.name, this.table())}>CSV</button>
      <span class="hidden">${app.t('save.map')}</span></span>`;
  }

  /** The values row by row. */
  table() {
    const value = (row, col) => this.values?.[this.offset + row * this.cols + col] ?? 0;
    return Array.from({ length: this.rows }, (_, row) => Array.from({ length: this.cols }, (__, col) => value(row, col)));
  }

  #choose(act) {
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'button');
    this.canvas.classList.add('choosable');
    this.canvas.addEventListener('click', act);
    this.canvas.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      act();
    });
  }

  #listen() {
    const { canvas } = this;
    canvas.tabIndex = 0;
    const point = (event) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const col = Math.floor(((event.clientX - left) / width) * this.cols);
      const row = Math.floor(((event.clientY - top) / height) * this.rows);
      this.#look(row, col);
    };
    canvas.addEventListener('pointermove', point);
    canvas.addEventListener('pointerdown', point);
    canvas.addEventListener('pointerleave', () => this.#forget());
    canvas.addEventListener('blur', () => this.#forget());
    canvas.addEventListener('keydown', (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = this.at ?? Math.floor(this.rows / 2) * this.cols + Math.floor(this.cols / 2);
      this.#look(Math.floor(at / this.cols) + step[0], (at % this.cols) + step[1]);
      this.app.announce(this.told.textContent);
    });
  }

  #look(row, col) {
    const inside = (value, end) => Math.min(end - 1, Math.max(0, value));
    this.at = inside(row, this.rows) * this.cols + inside(col, this.cols);
    this.#tell();
  }

  #forget() {
    this.at = null;
    this.rest();
  }

  /** Say how to read the map while no pixel is pointed at. */
  rest() {
    this.told.textContent = this.app.t('map.point');
  }

  #tell() {
    this.told.textContent = this.readout(this.at);
  }
}
