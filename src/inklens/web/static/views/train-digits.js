/** My digits: kept from the pad, refitted with, and what models say of them before and after. */
import { html, nothing } from '../vendor/lit-html.js';
import { answer as answerOf } from '../core.js';
import { Painter } from '../canvas.js';
import { saveJson } from '../save.js';
import { percent } from '../texts.js';

/**
 * @param {import('../app.js').App} app @param {import('../library.js').Library} library
 * @param {{ attempt: (work: () => Promise<unknown>) => void, label: string | null, choose: (label: string) => void, before: object | null, after: object | null, refit: () => void, busy: boolean }} options
 *   before, after: decoded models
 */
export function digitsOf(app, library, { attempt, label, choose, before, after, refit, busy }) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const { classes } = app.model.value;
  const digits = library.digits.value;
  const chosen = label ?? app.sample.value?.label ?? classes[app.answer.value.best];
  const keep = () => attempt(() => library.keepDigit(app.frame.value, chosen, classes[app.answer.value.best]));
  return html`<h2>${t('digits')}</h2><p>${t('digits.text')}</p>
    <div class="controls" data-explain="train.digits"><label><span>${t('digits.label')}</span> <select @change=${(event) => choose(event.target.value)}>${classes.map((name) => html`<option value=${name} .selected=${name === chosen} ?selected=${name === chosen}>${name}</option>`)}</select></label>
      <button type="button" ?disabled=${app.isBlank.value} @click=${keep}>${t('digits.keep')}</button>
      ${digits?.length ? html`<button type="button" class="primary" ?disabled=${busy} @click=${refit}>${t('digits.refit')}</button>
      <button type="button" @click=${() => saveJson('my-digits', library.digitsFile())}>${t('digits.save')}</button>` : nothing}</div>
    ${app.isBlank.value && !digits?.length ? html`<p class="state">${t('digits.draw')}</p>` : nothing}
    ${digits?.length ? html`${summary(app, digits, before, after)}<ul class="my-digits">${digits.map((digit) => tile(app, library, digit, { attempt, before, after }))}</ul>` : nothing}`;
}

function summary(app, digits, before, after) {
  const right = (model) => digits.filter((digit) => says(model, digit)?.label === digit.label).length;
  const told = [before, after].filter(Boolean).map(right);
  if (told.length === 0) return nothing;
  return html`<p class="summary">${app.t(after ? 'train.digits.both' : 'train.digits.one', { n: digits.length, before: told[0], after: told[1] })}</p>`;
}

/** What a model answers to a digit; null where it knows other pictures. */
function says(model, { frame }) {
  if (!model || frame.length !== model.rows * model.cols) return null;
  const { best, p } = answerOf(model, frame);
  return { label: model.classes[best], share: p[best] };
}

function tile(app, library, digit, { attempt, before, after }) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const line = (name, said) => said && html`<span class=${said.label === digit.label ? 'truth right' : 'truth wrong'}>${name} ${said.label}, ${percent(said.share, app.language.value)}</span>`;
  return html`<li><button type="button" class="thumb" aria-label=${t('digits.show', { label: digit.label })} @click=${() => app.setFrame(digit.frame, { index: -1, label: digit.label, name: t('digits.name') })}>${picture(digit, app.model.value)}<span>${digit.label}</span></button>
    <div class="said">${line(after ? t('digits.before') : '', says(before, digit))}${after ? line(t('digits.after'), says(after, digit)) : nothing}
    <button type="button" class="link" @click=${() => attempt(() => library.deleteDigit(digit.id))}>${t('digits.delete')}</button></div></li>`;
}

/** @type {WeakMap<object, HTMLCanvasElement>} */
const pictures = new WeakMap();

function picture(digit, { rows, cols }) {
  if (!pictures.has(digit)) {
    const canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    if (digit.frame.length === rows * cols) new Painter(canvas, rows, cols).ink(digit.frame);
    pictures.set(digit, canvas);
  }
  return pictures.get(digit);
}
