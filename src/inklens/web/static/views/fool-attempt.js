/** Draw it yourself: what was changed by hand, measured against the least that is proven. */
import { html, render } from '../vendor/lit-html.js';
import { effect, signal, untracked } from '../vendor/signals-core.js';
import { decimal } from '../texts.js';

const FULL = 4; // times the least: the end of the measure

/**
 * @param {HTMLElement} root @param {import('../app.js').App} app @param {import('./fooling.js').Fooling}
 *   fooling
 * @returns {() => void}
 */
export function mountAttempt(root, app, fooling) {
  const [head, measure, words] = ['div', 'div', 'div'].map((name) =>
    root.appendChild(document.createElement(name)),
  );
  measure.className = 'measure';
  measure.setAttribute('role', 'img');
  measure.dataset.explain = 'fool.measure';
  const [track, fill, mark] = ['track', 'fill', 'mark'].map((name) =>
    Object.assign(document.createElement('i'), { className: name }),
  );
  measure.append(
    track,
    fill,
    mark,
    ...Array.from({ length: FULL }, (_, i) =>
      Object.assign(document.createElement('span'), { textContent: `${i + 1}×`, className: 'tick' }),
    ),
  );
  const best = signal(null); // times the least, of the best attempt so far
  const ends = [
    effect(() => render(heading(app, fooling), head)),
    effect(() => {
      void fooling.held.value;
      void fooling.target.value;
      best.value = null;
    }),
    effect(() => {
      const {
        attempt: { value: attempt },
        least: { value: least },
      } = fooling;
      const share = attempt && least ? Math.min(1, attempt.spent / least.cost / FULL) : 0;
      fill.style.transform = `scaleX(${share.toFixed(4)})`;
      measure.classList.toggle('is-reached', attempt?.reached ?? false);
      measure.setAttribute('aria-label', told(app, fooling, attempt));
      render(saying(app, fooling, attempt, best), words);
    }),
    effect(() => {
      app.note.value = brief(app, fooling);
    }),
    effect(() => {
      void app.settled.value;
      untracked(() => keepBest(app, fooling, best));
    }),
  ];
  return () => {
    ends.forEach((end) => end());
    app.note.value = null;
  };
}

/** The same in a few words, for the line under the pad. */
function brief(app, fooling) {
  const {
    attempt: { value: attempt },
    least: { value: least },
    goal: { value: goal },
  } = fooling;
  if (!attempt || !least || app.covered.value) return '';
  if (attempt.spent === 0) return told(app, fooling, attempt);
  const than = app.t(fooling.isProven.value ? 'fool.attempt.than.least' : 'fool.attempt.than.searched', {
    times: decimal(attempt.spent / least.cost, 1, app.language.value),
  });
  return app.t(attempt.reached ? 'fool.attempt.brief.reached' : 'fool.attempt.brief', {
    than,
    target: app.model.value.classes[goal],
  });
}

function heading(app, fooling) {
  const t = (key, values) => app.t(`fool.${key}`, values);
  const held = fooling.held.value !== null;
  return html`<h2>${t('attempt.title')}</h2>
    <p>${t(fooling.isProven.value ? 'attempt.text' : 'attempt.text.searched')}</p>
    <div class="row">${
      held
        ? html`<button type="button" data-explain="fool.restart"
          @click=${() => fooling.restart()}>${t('attempt.restart')}</button>
        <button type="button" class="quiet" data-explain="fool.release"
          @click=${() => fooling.release()}>${t('attempt.release')}</button>`
        : html`<button type="button" class="primary" data-explain="fool.hold"
          @click=${() => fooling.hold()}>${t('attempt.hold')}</button>`
    }</div>`;
}

/** Where the attempt stands, in one sentence. */
function told(app, fooling, attempt) {
  const t = (key, values) => app.t(`fool.attempt.${key}`, values);
  const { classes } = app.model.value;
  const {
    least: { value: least },
    goal: { value: goal },
  } = fooling;
  const number = (value) => decimal(value, 2, app.language.value);
  if (!attempt) return t('idle', { target: classes[goal] ?? '' });
  if (attempt.spent === 0)
    return t(least ? 'start' : 'start.unsearched', {
      target: classes[goal],
      least: least ? number(least.cost) : '–',
    });
  const values = {
    spent: number(attempt.spent),
    added: number(attempt.added),
    erased: number(attempt.erased),
    target: classes[goal],
    answer: classes[attempt.best],
    short: number(attempt.short),
  };
  const times = least
    ? t(fooling.isProven.value ? 'than.least' : 'than.searched', {
        times: decimal(attempt.spent / least.cost, 1, app.language.value),
      })
    : '';
  const outcome = attempt.reached ? 'reached' : attempt.best === goal ? 'nearly' : 'missing';
  return `${t('spent', values)}${times ? `: ${times}.` : '.'} ${t(outcome, values)}`;
}

function saying(app, fooling, attempt, best) {
  const found =
    best.value === null
      ? ''
      : app.t('fool.attempt.best', {
          than: app.t(fooling.isProven.value ? 'fool.attempt.than.least' : 'fool.attempt.than.searched', {
            times: decimal(best.value, 1, app.language.value),
          }),
        });
  const look = attempt?.reached ? 'fool-words truth right' : 'fool-words';
  return html`<p class=${look}>${told(app, fooling, attempt)} ${found}</p>`;
}

function keepBest(app, fooling, best) {
  const {
    attempt: { value: attempt },
    least: { value: least },
  } = fooling;
  const isOwn = app.pad.marks.every(({ kind }) => kind !== 'change'); // what was applied is no attempt
  if (!attempt?.reached || !least || attempt.spent === 0 || !isOwn) return;
  const times = attempt.spent / least.cost;
  if (best.value !== null && times >= best.value) return;
  best.value = times;
  app.announce(told(app, fooling, attempt));
}
