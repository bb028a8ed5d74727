/**
 * Predict, then test: say what the model will answer before it is shown; the score stays while the page is
 * open.
 */
import { html, render } from '../vendor/lit-html.js';
import { batch, effect, signal, untracked } from '../vendor/signals-core.js';
import { answer as answerOf, leastInk } from '../core.js';
import { Painter } from '../canvas.js';
import { paintChange } from '../change.js';
import { decimal, percent } from '../texts.js';

const SHOWN = 30; // guesses whose marks are shown, the last ones

/**
 * @typedef {{ kind: 'answer' | 'nearest' | 'own', frame: Float64Array, index: number, truth: string | null,
 *   given: import('../core.js').Answer,
 *   flips: (import('../core.js').Flip | null)[] | null, right: number, before: Float64Array | null }}
 * Question
 *   index among the samples; the truth, where it is known; the class to guess; the frame before one's own
 * change
 * @typedef {{ question: Question | null, guess: number | null, marks: boolean[], asked: Set<number> }} Game
 */

const games = new WeakMap();

/** The game of an app. @param {import('../app.js').App} app */
function gameOf(app) {
  if (!games.has(app))
    games.set(app, {
      kind: signal(app.model.value.samples ? 'answer' : 'own'),
      question: signal(null),
      guess: signal(null),
      marks: signal([]),
      asked: new Set(),
    });
  return games.get(app);
}

/**
 * @param {HTMLElement} root @param {import('../app.js').App} app
 * @returns {() => void}
 */
export function mountGuessing(root, app) {
  const game = gameOf(app);
  const [head, board, score] = ['div', 'div', 'div'].map((name) =>
    root.appendChild(document.createElement(name)),
  );
  board.className = 'guessing';
  const ends = [
    effect(() => {
      void app.weights.value; // another model answers otherwise: a question is asked of it
      untracked(() => choose(app, game, game.kind.value));
    }),
    effect(() => render(heading(app, game), head)),
    effect(() => {
      render(game.kind.value === 'own' ? own(app, game) : shown(app, game), board);
    }),
    effect(() => render(scored(app, game), score)),
  ];
  return () => {
    ends.forEach((end) => end());
    stopOwn(app, game);
  };
}

function heading(app, game) {
  const t = (key) => app.t(`fool.guess.${key}`);
  const kinds = app.model.value.samples
    ? ['answer', ...(app.model.value.features === 'pixels' ? ['nearest'] : []), 'own']
    : ['own'];
  return html`<h2>${t('title')}</h2><p>${t('text')}</p>
    ${
      kinds.length > 1
        ? html`<div class="row segments" role="group" aria-label=${t('kind')}>${kinds.map(
            (kind) => html`<button type="button"
      aria-pressed=${String(game.kind.value === kind)} data-explain=${`fool.guess.${kind}`}
      @click=${() => choose(app, game, kind)}>${t(`kind.${kind}`)}</button>`,
          )}</div>`
        : ''
    }`;
}

function choose(app, game, kind) {
  batch(() => {
    stopOwn(app, game);
    game.kind.value = kind;
    game.question.value = null;
    game.guess.value = null;
  });
  ask(app, game);
}

/** Put the next question; each sample comes once until all have come. */
function ask(app, game) {
  const { samples } = app.model.value;
  if (game.kind.value === 'own' || !samples) return;
  if (game.asked.size === samples.length) game.asked.clear();
  const left = Array.from({ length: samples.length }, (_, i) => i).filter((i) => !game.asked.has(i));
  const index = left[Math.floor(Math.random() * left.length)];
  game.asked.add(index);
  const { frame, label } = app.sampleAt(index);
  batch(() => {
    game.guess.value = null;
    game.question.value = questionOf(app, game.kind.value, { frame, index, truth: label, before: null });
  });
}

function questionOf(app, kind, { frame, index, truth, before }) {
  const {
    model: { value: model },
    weights: { value: weights },
  } = app;
  const given = answerOf(model, frame, weights);
  if (kind !== 'nearest') return { kind, frame, index, truth, before, given, flips: null, right: given.best };
  const flips = model.classes.map((_, k) =>
    k === given.best ? null : leastInk(model, frame, k, { weights }),
  );
  const cost = (k) => flips[k]?.cost ?? Infinity;
  const right = model.classes.reduce((best, _, k) => (cost(k) < cost(best) ? k : best), given.second);
  return { kind, frame, index, truth, before, given, flips, right };
}

function guess(app, game, k) {
  if (game.kind.value === 'own') {
    game.question.value = questionOf(app, 'own', {
      frame: Float64Array.from(app.frame.value),
      index: -1,
      truth: null,
      before: null,
    });
  }
  const { right } = game.question.value;
  batch(() => {
    game.guess.value = k;
    game.marks.value = [...game.marks.value, k === right];
    app.covered.value = false;
  });
  app.announce(verdict(app, game.question.value, k));
}

/** A held-out digit: what will it answer, or which class is nearest. */
function shown(app, game) {
  const {
    question: { value: question },
    guess: { value: chosen },
  } = game;
  if (!question) return '';
  const { classes } = app.model.value;
  const t = (key, values) => app.t(`fool.guess.${key}`, values);
  const values = { label: classes[question.given.best] };
  return html`<div class="guess-picture">${picture(app, question, chosen)}</div>
    <div class="guess-words"><p class="question">${t(`ask.${question.kind}`, values)}</p>
      ${choices(app, game, question.kind === 'nearest' ? question.given.best : null)}
      <div class="verdict">${
        chosen === null
          ? html`<p class="state">${t('hidden')}</p>`
          : html`
        ${outcome(app, question, chosen)}
        <div class="row">
          <button type="button" class="primary" @click=${() => ask(app, game)}>${t('next')}</button>
          <button type="button" class="quiet"
            @click=${() => app.showSample(question.index)}>${t('to.pad')}</button></div>`
      }</div></div>`;
}

function choices(app, game, without, disabled = false) {
  const {
    question: { value: question },
    guess: { value: chosen },
  } = game;
  const state = (k) =>
    chosen === null ? '' : k === question.right ? 'is-right' : k === chosen ? 'is-wrong' : '';
  const say = (k) => (event) => {
    const board = event.target.closest('.guessing');
    guess(app, game, k);
    board.querySelector('.verdict button')?.focus(); // the buttons of the guess are spent
  };
  const button = (name, k) => html`<button type="button" class=${`guess-choice ${state(k)}`}
    ?disabled=${disabled || chosen !== null} @click=${say(k)}>${name}</button>`;
  return html`<div class="row guesses" role="group" aria-label=${app.t('fool.guess.choices')}>
    ${app.model.value.classes.map((name, k) => (k === without ? '' : button(name, k)))}</div>`;
}

function outcome(app, question, chosen) {
  const look = chosen === question.right ? 'truth right' : 'truth wrong';
  return html`<p class=${look}>${verdict(app, question, chosen)}</p>`;
}

/** What came out, in words. */
function verdict(app, { kind, given, truth, flips, right, index }, chosen) {
  const { classes } = app.model.value;
  const lang = app.language.value;
  const number = (flip) => (flip ? decimal(flip.cost, 2, lang) : '∞');
  const values = {
    guess: classes[chosen],
    answer: classes[given.best],
    share: percent(given.p[given.best], lang),
    truth,
  };
  if (kind === 'nearest') {
    const nearest = {
      ...values,
      nearest: classes[right],
      cost: number(flips[right]),
      other: number(flips[chosen]),
    };
    return app.t(chosen === right ? 'fool.guess.nearest.right' : 'fool.guess.nearest.wrong', nearest);
  }
  const said = app.t(chosen === right ? 'fool.guess.answer.right' : 'fool.guess.answer.wrong', values);
  if (index < 0 || truth === null) return said;
  const meant = truth === classes[given.best] ? 'fool.guess.truth.same' : 'fool.guess.truth.other';
  return `${said} ${app.t(meant, values)}`;
}

function picture(app, { frame, kind, flips, right }, chosen) {
  const { rows, cols } = app.model.value;
  const [paper, over] = [0, 1].map(() => document.createElement('canvas'));
  new Painter(paper, rows, cols).paper(frame);
  const sheet = Object.assign(document.createElement('div'), { className: 'change-picture' });
  sheet.setAttribute('role', 'img');
  sheet.setAttribute('aria-label', app.t('fool.guess.picture'));
  sheet.append(paper, over);
  if (kind === 'nearest' && chosen !== null && flips[right])
    requestAnimationFrame(() => paintChange(over, flips[right].change, rows, cols));
  return sheet;
}

/** One's own change: the answer is covered until it is guessed. */
function own(app, game) {
  const {
    question: { value: question },
    guess: { value: chosen },
  } = game;
  const t = (key, values) => app.t(`fool.guess.own.${key}`, values);
  const isCovered = app.covered.value;
  const isChanged = isCovered && hasChanged(app, game);
  return html`<div class="guess-words"><p>${t('text')}</p>
    <div class="row"><button type="button" class=${isCovered ? '' : 'primary'}
      aria-pressed=${String(isCovered)}
      @click=${() => (isCovered ? stopOwn : startOwn)(app, game)}>${t('cover')}</button></div>
    <p class="state">${t(!isCovered ? 'open' : isChanged ? 'ready' : 'change')}</p>
    ${isCovered ? choices(app, game, null, !isChanged) : ''}
    <div class="verdict">${chosen !== null && question ? outcome(app, question, chosen) : ''}</div></div>`;
}

function startOwn(app, game) {
  batch(() => {
    game.guess.value = null;
    game.question.value = {
      kind: 'own',
      before: app.isBlank.value ? null : Float64Array.from(app.frame.value),
    };
    app.covered.value = true;
  });
  app.announce(app.t('answer.covered'));
}

/** Whether there is something new to guess; the question is made of it. */
function hasChanged(app, game) {
  void app.ink.value;
  void app.settled.value;
  const before = untracked(() => game.question.value?.before);
  if (app.isBlank.value) return false;
  const frame = app.frame.value;
  return !before || before.some((ink, j) => Math.abs(ink - frame[j]) > 0.02);
}

function stopOwn(app, game) {
  if (!app.covered.value) return;
  batch(() => {
    app.covered.value = false;
    game.question.value = null;
  });
}

function scored(app, game) {
  const marks = game.marks.value;
  const right = marks.filter(Boolean).length;
  if (marks.length === 0) return html`<p class="guess-score">${app.t('fool.guess.score.none')}</p>`;
  const sign = (is) => html`<i class=${is ? 'right' : 'wrong'}>${is ? '✓' : '✗'}</i>`;
  return html`<p class="guess-score" data-explain="fool.score">
    <strong>${app.t('fool.guess.score', { right, n: marks.length })}</strong>
    <span class="run" aria-hidden="true">${marks.slice(-SHOWN).map(sign)}</span>
    <button type="button" class="link" @click=${() => {
      game.marks.value = [];
    }}>${app.t('fool.guess.reset')}</button></p>`;
}
