/**
 * Fool it: the least change of ink that changes the answer, proven; drawn by oneself; guessed before it is
 * seen.
 */
import { html, render } from '../vendor/lit-html.js';
import { effect } from '../vendor/signals-core.js';
import { addBlock } from '../block.js';
import { bars, keepOpen } from '../charts.js';
import { decimal, exponent } from '../texts.js';
import { foolingOf, MARGINS } from './fooling.js';
import { mountChange } from './fool-change.js';
import { mountAttempt } from './fool-attempt.js';
import { mountGuessing } from './fool-guess.js';
import { fool as texts } from '../texts/fool.js';

export const fool = {
  key: 'fool',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const section = (name) => addBlock(root, 'fool', name);
    const [intro, empty, distance, change, attempt, guess] = [
      'intro',
      'nothing',
      'distance',
      'change',
      'attempt',
      'guess',
    ].map(section);
    const fooling = foolingOf(app);
    render(html`<h1>${app.t('fool.title')}</h1><p class="lead">${app.t('fool.lead')}</p>`, intro);
    const ends = [
      fooling.follow(),
      effect(() => {
        const isEmpty = fooling.subject.value === null;
        empty.hidden = !isEmpty || app.covered.value;
        for (const part of [distance, change, attempt]) part.hidden = isEmpty || app.covered.value;
      }),
      effect(() => render(nothing(app), empty)),
      mountDistance(distance, app, fooling),
      mountChange(change, app, fooling),
      mountAttempt(attempt, app, fooling),
      mountGuessing(guess, app),
    ];
    return () => ends.forEach((end) => end());
  },
};

function nothing(app) {
  const { samples } = app.model.value;
  const any = () => app.showSample(Math.floor(Math.random() * samples.length));
  return html`<p class="empty">${app.t(samples ? 'fool.empty.samples' : 'fool.empty')}
    ${samples ? html`<button type="button" @click=${any}>${app.t('fool.empty.take')}</button>` : ''}</p>`;
}

/** How far the digit is from every other answer. */
function mountDistance(root, app, fooling) {
  const t = (key, values) => app.t(`fool.${key}`, values);
  const [words, controls, chart] = ['div', 'div', 'div'].map((name) =>
    root.appendChild(document.createElement(name)),
  );
  controls.className = 'controls';
  chart.className = 'costs';
  const ends = [
    effect(() => {
      const {
        subject: { value: subject },
        radius: { value: radius },
      } = fooling;
      if (subject) render(distance(app, fooling, subject, radius), words);
    }),
    effect(() =>
      render(
        html`
      <label data-explain="fool.margin"><span>${t('margin')}</span>
        <select @change=${(event) => {
          fooling.margin.value = MARGINS[event.target.value];
        }}>
          ${MARGINS.map((margin, i) => html`<option value=${i}
            .selected=${margin === fooling.margin.value}>${t(`margin.${i}`)}</option>`)}
        </select></label>
      ${
        app.model.value.usual
          ? html`<label class="check" data-explain="fool.usual">
              <input type="checkbox" .checked=${fooling.usual.value}
        @change=${(event) => {
          fooling.usual.value = event.target.checked;
        }}><span>${t('usual')}</span></label>`
          : ''
      }`,
        controls,
      ),
    ),
    effect(() => {
      if (!fooling.flips.value) chart.replaceChildren();
      else keepOpen(chart, costs(app, fooling));
    }),
  ];
  return () => ends.forEach((end) => end());
}

function distance(app, fooling, { answer }, radius) {
  const t = (key, values) => app.t(`fool.${key}`, values);
  const { classes } = app.model.value;
  const values = {
    source: classes[answer.best],
    nearest: classes[fooling.nearest.value],
    radius: decimal(radius ?? 0, 2, app.language.value),
  };
  const known =
    radius === null ? 'distance.searched' : Number.isFinite(radius) ? 'distance.text' : 'distance.never';
  return html`<h2>${t('distance.title')}</h2>
    <p class="big-number" ?hidden=${!Number.isFinite(radius ?? NaN)}>
      <strong>${values.radius}</strong> <span>${t('distance.unit')}</span></p>
    <p class="fool-words">${t(known, values)}</p>`;
}

/** Bars: the least ink for each class. */
function costs(app, fooling) {
  const t = (key, values) => app.t(`fool.${key}`, values);
  const { classes } = app.model.value;
  const {
    subject: {
      value: { answer },
    },
    flips: { value: flips },
    goal: { value: goal },
    nearest: { value: nearest },
  } = fooling;
  const lang = app.language.value;
  const rows = flips.map((flip, k) => {
    const kind = k === goal ? 'chosen' : k === answer.best ? 'best' : '';
    if (k === answer.best)
      return { label: classes[k], value: 0, text: t('costs.now'), kind, cells: [t('costs.now'), '', '', ''] };
    if (flip === undefined)
      return {
        label: classes[k],
        value: 0,
        text: t('costs.unsearched'),
        kind,
        cells: [t('costs.unsearched'), '', '', ''],
      };
    if (!flip)
      return {
        label: classes[k],
        value: 0,
        text: t('costs.never'),
        kind,
        cells: [t('costs.never'), '', '', ''],
      };
    const { cost, added, erased, gap } = flip;
    return {
      label: classes[k],
      value: cost,
      text: decimal(cost, 2, lang),
      kind,
      cells: [cost, added, erased, fooling.isProven.value ? exponent(gap) : t('costs.searched')],
    };
  });
  return bars(
    {
      name: 'least-ink',
      bars: rows,
      words: t('costs.words', {
        nearest: classes[nearest],
        cost: decimal(flips[nearest]?.cost ?? 0, 2, lang),
      }),
      caption: t(fooling.isProven.value ? 'costs.caption' : 'costs.caption.searched'),
      head: [t('class'), t('costs.cost'), t('costs.added'), t('costs.erased'), t('costs.gap')],
      onChoose: (k) => {
        if (flips[k] !== null) fooling.ask(k);
      },
    },
    app,
  );
}
