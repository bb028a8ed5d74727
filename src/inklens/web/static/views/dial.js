/** The slider over the path: C, the share of L1, "at most N pixels", or a solver's time; and what is known of the point. */
import { html, render } from '../vendor/lit-html.js';
import { batch, effect, signal } from '../vendor/signals-core.js';
import { gapText, hiddenZeros, isOverTime, nearest, pathOf, pointOf, within } from '../points.js';
import { wilson } from '../core.js';
import { jobButton } from './without_path.js';
import { decimal, percent, significant } from '../texts.js';

const FEW = 50; // pixels that are asked for at first: as many as a digit has ink in its middle

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountDial(root, app) {
  const [head, dial, answer, facts] = ['dial-head', 'dial-slider', 'dial-answer', 'dial-facts'].map((name) => root.appendChild(Object.assign(document.createElement('div'), { className: name })));
  const most = signal(FEW);
  const asking = app.host.api && app.model.value.features === 'pixels' ? jobButton(app, 'tolerance') : null;
  const ends = [
    effect(() => render(heading(app, asking), head)),
    effect(() => render(slider(app, most), dial)),
    effect(() => { answer.textContent = answerOf(app); }),
    effect(() => render(known(app), facts)),
  ];
  return () => ends.forEach((end) => end());
}

/** The answer in a line, for screens on which the pad is out of sight. */
function answerOf(app) {
  const { best, p } = app.answer.value;
  if (app.covered.value) return '';
  if (app.isBlank.value) return app.t('answer.blank');
  return app.t('answer.is', { label: app.model.value.classes[best], share: percent(p[best], app.language.value) });
}

/** Show a point of a path. @param {import('../app.js').App} app @param {number | null} point @param {object | null} [path] */
export function show(app, point, path = app.path.value) {
  batch(() => {
    app.path.value = path === app.model.value.path ? null : path;
    app.point.value = point;
  });
}

function heading(app, asking) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const { tolerance } = app.model.value;
  const overTime = isOverTime(app);
  const choice = (over, name, act) => html`<button type="button" aria-pressed=${String(overTime === over)} data-explain=${`penalty.over.${name}`} @click=${act}>${t(`over.${name}`)}</button>`;
  return html`<h2>${t(overTime ? 'dial.time' : 'dial.title')}</h2>
    ${tolerance ? html`<div class="row segments over" role="group" aria-label=${t('over')}>
      ${choice(false, 'C', () => show(app, null, null))}
      ${choice(true, 'time', () => show(app, Math.max(0, tolerance.tols.findIndex((tol) => tol !== null)), tolerance))}</div>` : asking ? asking() : ''}
    <p class="dial-text">${overTime ? t('time.text', { C: significant(tolerance.Cs[0], 3, app.language.value) }) : t('dial.text')}</p>`;
}

function slider(app, most) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const path = pathOf(app);
  const point = pointOf(app);
  const overTime = isOverTime(app);
  const last = path.Cs.length - 1;
  const words = nameOf(app, point);
  return html`
    <div class=${`dial ${overTime ? 'over-time' : ''} ${point.index === null ? 'at-rest' : ''}`}>
      <label for="dial" class="dial-name">${t(overTime ? 'dial.passes' : 'dial.C')}</label>
      <output class="dial-value" for="dial">${words}</output>
      <input id="dial" type="range" min="0" max=${last} step="1" .value=${String(point.index ?? nearest(path, Number.isFinite(point.C) ? point.C : path.Cs[last]))}
        aria-valuetext=${t('dial.spoken', { point: words, pixels: point.pixels, share: percentOr(point.test, app) })} data-explain=${overTime ? 'penalty.time' : 'penalty.C'}
        @input=${(event) => show(app, Number(event.target.value))}>
      <div class="dial-ends" aria-hidden="true"><span>${t(overTime ? 'dial.start' : 'dial.strong')}</span><span>${t(overTime ? 'dial.proven' : 'dial.weak')}</span></div>
    </div>
    <div class="controls">${overTime ? stops(app, path) : [shareOfL1(app, point), atMost(app, path, most), itself(app, point)]}</div>`;
}

/** A point as one says it. */
function nameOf(app, { index, C, epochs, tol }) {
  const lang = app.language.value;
  const t = (key, values) => app.t(`penalty.${key}`, values);
  if (index === null) return Number.isNaN(C) ? t('itself') : t('itself.C', { C: significant(C, 3, lang) });
  if (epochs === undefined) return `C\u00a0=\u00a0${significant(C, 3, lang)}`;
  if (epochs === null) return t('time.proven');
  return tol === null ? t('time.passes', { n: epochs }) : t('time.stop', { n: epochs, tol: significant(tol, 2, lang) });
}

/** Where scikit-learn's tolerances stop, and the optimum. */
function stops(app, path) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const places = path.tols.map((tol, index) => ({ tol, index })).filter(({ tol, index }) => tol !== null || path.epochs[index] === null);
  return html`<div class="row" role="group" aria-label=${t('time.places')}><span class="label">${t('time.places')}</span>
    ${places.map(({ tol, index }) => html`<button type="button" class="quiet" aria-pressed=${String(app.point.value === index)} data-explain="penalty.tol" @click=${() => show(app, index)}>${tol === null ? t('time.optimum') : `tol\u00a0=\u00a0${significant(tol, 2, app.language.value)}`}</button>`)}</div>`;
}

/** The second slider: how much of the penalty is L1, where the model brings several paths. */
function shareOfL1(app, point) {
  const paths = [...app.model.value.paths].sort((a, b) => a.l1_ratio - b.l1_ratio);
  if (paths.length < 2) return '';
  const at = paths.indexOf(pathOf(app));
  const text = ratio(app, paths[at]);
  const turn = (event) => {
    const path = paths[Number(event.target.value)];
    show(app, point.index === null ? null : nearest(path, point.C), path);
  };
  return html`<label data-explain="penalty.l1_ratio"><span>${app.t('penalty.l1_ratio')}</span>
    <input type="range" class="short" min="0" max=${paths.length - 1} step="1" .value=${String(at)} aria-valuetext=${text} @input=${turn}>
    <output>${text}</output></label>`;
}

function ratio(app, { l1_ratio: share, group }) {
  return `${decimal(share, 2, app.language.value)}${group ? ` ${app.t('penalty.group')}` : ''}`;
}

function atMost(app, path, most) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const unit = app.model.value.features === 'strokes' ? 'strokes' : 'pixels';
  const set = () => {
    const index = within(path, most.value);
    if (index >= 0) show(app, index);
    app.announce(index >= 0 ? nameOf(app, pointOf(app)) : t('most.none', { n: most.value }));
  };
  return html`<form class="at-most" data-explain="penalty.most" @submit=${(event) => { event.preventDefault(); set(); }}>
    <label><span>${t('most')}</span><input type="number" min="0" max=${app.model.value.coef.length / app.model.value.classes.length} step="1" .value=${String(most.value)}
      @input=${(event) => { const n = event.target.valueAsNumber; if (n >= 0) most.value = Math.floor(n); }}><span>${t(`most.${unit}`)}</span></label>
    <button type="submit">${t('most.set')}</button></form>`;
}

function itself(app, point) {
  return html`<button type="button" class="quiet" ?disabled=${point.index === null} data-explain="penalty.itself" @click=${() => show(app, null, null)}>${app.t('penalty.itself.back')}</button>`;
}

function percentOr(share, app) {
  return share === null ? '–' : percent(share, app.language.value);
}

/** What is known of the point: numbers first, then what is proven. */
function known(app) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const lang = app.language.value;
  const point = pointOf(app);
  const { features, classes, samples } = app.model.value;
  const all = point.of / classes.length;
  const fact = (name, value, note = '') => html`<div data-explain=${`penalty.fact.${name}`}><dt>${t(`fact.${name}`)}</dt><dd><strong>${value}</strong><span>${note}</span></dd></div>`;
  return html`<dl class="facts">
      ${fact(features === 'strokes' ? 'features' : 'pixels', decimal(point.pixels, 0, lang), t('fact.of', { n: decimal(all, 0, lang) }))}
      ${fact('zeros', percent(1 - point.nonzeros / point.of, lang), t('fact.zeros.note', { n: decimal(point.of - point.nonzeros, 0, lang), of: decimal(point.of, 0, lang) }))}
      ${fact('test', percentOr(point.test, app), intervalOf(point, samples, app))}
      ${fact('train', percentOr(point.train, app))}
      ${fact('gap', point.gap === null ? '–' : gapText(point.gap, lang))}
    </dl>
    <p class="proven" role="note">${proven(app, point)}</p>`;
}

function intervalOf({ test }, samples, app) {
  if (test === null || samples?.half !== 'test') return '';
  const [low, high] = wilson(Math.round(test * samples.n), samples.n);
  return app.t('penalty.fact.interval', { low: percent(low, app.language.value), high: percent(high, app.language.value) });
}

function proven(app, point) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const lang = app.language.value;
  if (point.gap === null) return t('proven.none');
  const gap = gapText(point.gap, lang);
  if (!isOverTime(app) || point.index === null) return t('proven.path', { gap });
  if (point.epochs === null) return t('proven.optimum', { gap });
  const { zeros, hidden } = hiddenZeros(app.model.value, pathOf(app), point.index);
  return t('proven.stop', { gap, hidden: decimal(hidden, 0, lang), zeros: decimal(zeros, 0, lang), share: percent(hidden / Math.max(1, zeros), lang) });
}
