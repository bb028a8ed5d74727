/** Small pictures of rows, to choose from: choosing one puts it on the pad. */
import { html } from '../vendor/lit-html.js';
import { answer as answerOf } from '../core.js';
import { Painter } from '../canvas.js';
import { percent } from '../texts.js';
import { nameOf, showRow } from './rows.js';

/**
 * @param {import('../app.js').App} app @param {import('./rows.js').Row[]} rows
 * @param {import('../vendor/signals-core.js').Signal<import('./rows.js').Row | null>} picked
 * @param {{ note?: (row: import('./rows.js').Row) => string, chosen?: () => void }} [options]
 *   what stands under a picture, by default the probability of the answer; what else choosing one does
 */
export function thumbs(app, rows, picked, { note, chosen } = {}) {
  const model = app.model.value;
  return html`<ul class="thumbs">${rows.map((row) => {
    const { p, best } = answerOf(model, row.frame);
    const share = percent(p[best], app.language.value);
    const words = app.t('judge.thumb', { name: nameOf(app, row), label: row.label, answer: model.classes[best], share });
    return html`<li><button type="button" class="thumb" aria-label=${words} title=${words} aria-pressed=${String(picked.value?.row === row.row && picked.value?.half === row.half)}
      @click=${() => { picked.value = row; showRow(app, row); chosen?.(); }}>${picture(row, model)}<span>${note ? note(row) : share}</span></button></li>`;
  })}</ul>`;
}

/** Pictures are kept: a list is rendered anew at every choice. @type {WeakMap<object, HTMLCanvasElement>} */
const pictures = new WeakMap();

function picture(row, { rows, cols }) {
  let canvas = pictures.get(row);
  if (!canvas) {
    canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    new Painter(canvas, rows, cols).ink(row.frame);
    pictures.set(row, canvas);
  }
  return canvas;
}
