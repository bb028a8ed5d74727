/**
 * Hints: what the state of the face allows to be said for certain, each with why, and with a button that does something
 * about it where something can be done. They wait behind one small button in the corner.
 */
import { html, render } from './vendor/lit-html.js';
import { effect, signal, untracked } from './vendor/signals-core.js';
import { radius, wilson } from './core.js';
import { gapText, hiddenZeros, isOverTime, pathOf, pointOf } from './points.js';
import { PEN_WIDTH } from './pad.js';
import { decimal, percent, significant } from './texts.js';

/**
 * @typedef {import('./app.js').App} App
 * @typedef {{ values: Record<string, string | number>, apply?: () => void }} Found
 */

const LARGE_GAP = 1e-3; // of the objective: above, zeros and votes may be those of a solver on its way
const MANY_HIDDEN = 0.1; // of the optimum's zeros
const NEAR = 1; // pixels of ink
const SURE = 0.95;

/** Each rule says what it found, or null. @type {Record<string, (app: App) => Found | null>} */
const RULES = {
  hidden: hiddenByStop, gap: ofFit('gap'), separated: ofFit('separated'), separable, better: betterPoint, label: doubtfulLabel, near: nearlyAnother, pen: unusualPen,
};

/** What is to be said now. @param {App} app @returns {(Found & { key: string })[]} */
export function hintsOf(app) {
  return Object.entries(RULES).flatMap(([key, rule]) => {
    const found = rule(app);
    return found ? [{ key, ...found }] : [];
  });
}

/** @param {HTMLElement} corner @param {App} app */
export function mountHints(corner, app) {
  const root = document.createElement('div');
  root.className = 'hints';
  corner.append(root);
  const isOpen = signal(false);
  const hints = signal([]);
  effect(() => {
    // points of a path wait until the slider rests: what is proven of each costs more than a step may
    for (const name of ['settled', 'model', 'view', 'sample', 'mode', 'language', 'isBlank', 'covered']) void app[name].value;
    untracked(() => { hints.value = app.covered.value ? [] : hintsOf(app); });
  });
  root.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    isOpen.value = false;
    root.querySelector('.hints-open')?.focus();
  });
  effect(() => render(hints.value.length ? listed(app, hints.value, isOpen) : '', root));
}

function listed(app, hints, isOpen) {
  const t = (key, values) => app.t(`hint.${key}`, values);
  return html`
    ${isOpen.value ? html`<ul class="hint-list" id="hint-list" aria-label=${t('title')}>${hints.map(({ key, values, apply }) => html`<li>
      <p>${t(key, values)}</p>
      <details><summary>${t('why')}</summary><p>${t(`${key}.why`, values)}</p></details>
      ${apply ? html`<button type="button" @click=${() => { apply(); app.announce(t('applied')); }}>${t(`${key}.apply`, values)}</button>` : ''}
    </li>`)}</ul>` : ''}
    <button type="button" class="hints-open" aria-expanded=${String(isOpen.value)} aria-controls="hint-list" data-explain="hints"
      @click=${() => { isOpen.value = !isOpen.value; }}>${isOpen.value ? t('close') : hints.length === 1 ? t('one') : t('many', { n: hints.length })}</button>`;
}

/** The stop of a loose tolerance has weights where the optimum has none. */
function hiddenByStop(app) {
  const { tolerance } = app.model.value;
  if (!isOverTime(app) || app.point.value === null || app.point.value === tolerance.Cs.length - 1) return null;
  const { zeros, hidden } = hiddenZeros(app.model.value, tolerance, app.point.value);
  if (hidden < MANY_HIDDEN * zeros) return null;
  return { values: { share: percent(hidden / zeros, app.language.value), hidden, zeros }, apply: () => { app.point.value = tolerance.Cs.length - 1; } };
}

/**
 * What the certificate of a fit says: no optimum exists, or the fit ended before it was proven to be near it.
 * @param {{ status: string, relative_gap: number } | null | undefined} certificate @param {string} language
 * @returns {{ key: 'separated' | 'gap', values: Record<string, string> } | null} texts are hint.<key> and hint.<key>.why
 */
export function fitHint(certificate, language) {
  if (certificate?.status === 'separated') return { key: 'separated', values: {} };
  return certificate?.relative_gap > LARGE_GAP ? { key: 'gap', values: { gap: gapText(certificate.relative_gap, language) } } : null;
}

/** The same as a rule of the corner, where another plan can be made; Train says it beside its own plan. */
function ofFit(key) {
  return (app) => {
    const found = app.point.value === null && app.view.value !== 'train' ? fitHint(app.model.value.header.certificate, app.language.value) : null;
    if (found?.key !== key) return null;
    const hasTrain = app.views.some((view) => view.key === 'train');
    return { values: found.values, apply: hasTrain ? () => app.go('train') : undefined };
  };
}

/** Weights that read every training digit rightly prove that the classes are separable. */
function separable(app) {
  const { train, test, C, index } = pointOf(app);
  if (train !== 1 || (index === null && app.model.value.header.certificate?.status === 'separated')) return null;
  const lang = app.language.value;
  const said = test === null ? '–' : percent(test, lang);
  return { values: { test: said, C: Number.isFinite(C) ? significant(C, 2, lang) : '∞' }, apply: () => app.go(app.model.value.path ? 'penalty' : 'judge') };
}

/** Another point of the path reads more held-out digits rightly, beyond what chance explains. */
function betterPoint(app) {
  const { samples } = app.model.value;
  const path = pathOf(app);
  const { index, test } = pointOf(app);
  if (index === null || isOverTime(app) || test === null || samples?.half !== 'test') return null;
  const best = path.test_accuracy.indexOf(Math.max(...path.test_accuracy));
  const [low] = wilson(Math.round(path.test_accuracy[best] * samples.n), samples.n);
  if (test >= low) return null;
  const lang = app.language.value;
  return { values: { here: percent(test, lang), best: percent(path.test_accuracy[best], lang), low: percent(low, lang), C: significant(path.Cs[best], 2, lang) }, apply: () => { app.point.value = best; } };
}

/** A digit that is read surely as another class than its label. */
function doubtfulLabel(app) {
  const label = app.sample.value?.label;
  const { best, p } = app.answer.value;
  const answer = app.model.value.classes[best];
  if (label == null || label === answer || p[best] < SURE || app.pad.marks.length > 0) return null;
  return { values: { label, answer, share: percent(p[best], app.language.value) }, apply: () => app.go('judge') };
}

/** Less than a pixel of ink changes the answer. */
function nearlyAnother(app) {
  if (app.isBlank.value || !app.verdict.value.accepted || app.model.value.features !== 'pixels') return null;
  const least = radius(app.model.value, app.frame.value, app.weights.value);
  if (!(least < NEAR)) return null;
  const { best, second } = app.answer.value;
  const { classes } = app.model.value;
  return { values: { least: decimal(least, 2, app.language.value), answer: classes[best], second: classes[second] }, apply: () => app.go('fool') };
}

/** The pen was so thin or thick that the strokes were drawn again as wide as MNIST has them. */
function unusualPen(app) {
  const normalised = app.normalised.value;
  const step = normalised?.steps.find(({ name }) => name === 'pen');
  if (!step) return null;
  const isThin = normalised.measures.pen < step.value;
  const lang = app.language.value;
  return { values: { kind: app.t(isThin ? 'hint.pen.thin' : 'hint.pen.thick'), pen: percent(normalised.measures.pen, lang), usual: percent(step.value, lang) }, apply: () => app.pad.rewiden(PEN_WIDTH) };
}
