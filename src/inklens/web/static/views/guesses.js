/** Questions before their answers: what does C do to zeros, to weights, to held-out digits? The path itself answers. */
import { html, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';
import { largest, Painter } from '../canvas.js';
import { pathPoint } from '../core.js';
import { decimal, percent, significant } from '../texts.js';
import { show } from './dial.js';

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountGuesses(root, app) {
  root.classList.add('card');
  root.dataset.explain = 'penalty.guesses';
  const questions = questionsOf(app.model.value);
  const state = signal({ at: 0, guessed: questions.map(() => null) });
  const compared = app.model.value.features === 'strokes' ? null : beforeAndAfter(app, questions[0].show);
  return effect(() => render(asking(app, questions, state, compared), root));
}

/**
 * @typedef {{ key: string, choices: string[], right: string, values: (language: string) => Record<string, string>, show: number }} Question
 *   show: the point that shows the answer
 */

/** The questions with what this path answers. @param {import('../core.js').Model} model @returns {Question[]} */
export function questionsOf(model) {
  const { path } = model;
  const last = path.Cs.length - 1;
  const zeros = (index) => 1 - path.nonzeros[index] / model.coef.length;
  const before = model.coef.reduce((count, weight) => count + (weight === 0 ? 1 : 0), 0) / model.coef.length;
  const best = path.test_accuracy.indexOf(Math.max(...path.test_accuracy));
  const middle = best > 0 && best < last ? best : Math.floor(last / 2);
  const growth = largest(pathPoint(model, last).coef) - largest(pathPoint(model, middle).coef);
  const after = path.test_accuracy[best] - path.test_accuracy[last];
  return [
    { key: 'L1', choices: ['more', 'same', 'less'], right: compare(zeros(middle), before), show: middle,
      values: (lang) => ({ before: percent(before, lang), after: percent(zeros(middle), lang), C: significant(path.Cs[middle], 2, lang) }) },
    { key: 'zeros', choices: ['more', 'same', 'less'], right: compare(zeros(last), zeros(middle)), show: last,
      values: (lang) => ({ low: percent(zeros(middle), lang), high: percent(zeros(last), lang), C: significant(path.Cs[middle], 2, lang), last: significant(path.Cs[last], 2, lang) }) },
    { key: 'weights', choices: ['more', 'same', 'less'], right: compare(growth, 0), show: last,
      values: (lang) => ({ low: decimal(largest(pathPoint(model, middle).coef), 2, lang), high: decimal(largest(pathPoint(model, last).coef), 2, lang) }) },
    { key: 'test', choices: ['always', 'peak'], right: after > 0 ? 'peak' : 'always', show: best,
      values: (lang) => ({ best: percent(path.test_accuracy[best], lang), C: significant(path.Cs[best], 2, lang), end: percent(path.test_accuracy[last], lang), last: significant(path.Cs[last], 2, lang) }) },
  ];
}

function compare(after, before) {
  return after > before ? 'more' : after < before ? 'less' : 'same';
}

function asking(app, questions, state, compared) {
  const t = (key, values) => app.t(`penalty.guess.${key}`, values);
  const { at, guessed } = state.value;
  const lang = app.language.value;
  const { key, choices, right, values, show: point } = questions[at];
  const guess = guessed[at];
  const take = (choice) => {
    state.value = { at, guessed: guessed.map((old, i) => (i === at ? choice : old)) };
    app.announce(`${t(choice === right ? 'right' : 'wrong')} ${t(`${key}.answer`, values(lang))}`);
  };
  const go = (to) => { state.value = { at: to, guessed }; };
  const score = guessed.filter((choice, i) => choice === questions[i].right).length;
  return html`<div class="ask-head"><h2>${t('title')}</h2><span class="ask-count">${t('count', { n: at + 1, of: questions.length })}</span></div>
    <p class="ask-question">${t(`${key}.ask`)}</p>
    <div class="row" role="group" aria-label=${t(`${key}.ask`)}>${choices.map((choice) => html`<button type="button" aria-pressed=${String(guess === choice)} ?disabled=${guess !== null && guess !== choice} @click=${() => { if (guess === null) take(choice); }}>${t(`${key}.${choice}`)}</button>`)}</div>
    <div class="ask-answer">${guess === null ? html`<p class="ask-first">${t('first')}</p>` : html`
      <p><strong class=${guess === right ? 'truth right' : 'truth wrong'}>${t(guess === right ? 'right' : 'wrong')}</strong> ${t(`${key}.answer`, values(lang))}</p>
      ${key === 'L1' ? compared : ''}
      <div class="row"><button type="button" class="quiet" @click=${() => show(app, point, app.model.value.path)}>${t('show')}</button>
        ${at + 1 < questions.length ? html`<button type="button" class="primary" @click=${() => go(at + 1)}>${t('next')}</button>`
          : html`<span class="ask-score">${t('score', { n: score, of: questions.length })}</span><button type="button" class="link" @click=${() => { state.value = { at: 0, guessed: questions.map(() => null) }; }}>${t('again')}</button>`}</div>`}</div>`;
}

/** The maps of all classes before and after L1, each row on its own scale, zeros black. */
function beforeAndAfter(app, point) {
  const model = app.model.value;
  const { classes, rows, cols, path } = model;
  const lang = app.language.value;
  const root = Object.assign(document.createElement('div'), { className: 'before-after' });
  const after = { C: significant(path.Cs[point], 2, lang) };
  for (const [key, coef, values] of [['before', model.coef, {}], ['after', pathPoint(model, point).coef, after]]) {
    const figure = document.createElement('figure');
    const maps = Object.assign(document.createElement('div'), { className: 'map-row' });
    const share = percent(coef.reduce((count, weight) => count + (weight === 0 ? 1 : 0), 0) / coef.length, lang);
    const label = Object.assign(document.createElement('figcaption'), { textContent: app.t(`penalty.guess.${key}`, { ...values, share }) });
    classes.forEach((_, k) => {
      const canvas = Object.assign(document.createElement('canvas'), { className: 'map' });
      canvas.setAttribute('aria-hidden', 'true');
      new Painter(canvas, rows, cols).signed(coef, largest(coef) / 2, k * rows * cols);
      maps.append(canvas);
    });
    figure.append(maps, label);
    root.append(figure);
  }
  return root;
}
