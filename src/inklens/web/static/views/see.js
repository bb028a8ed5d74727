/** See: why the model answers what it answers, while the pen moves. */
import { html, render } from '../vendor/lit-html.js';
import { computed, effect, signal } from '../vendor/signals-core.js';
import { addBlock } from '../block.js';
import { between, evidence, missing, rank } from '../core.js';
import { largest } from '../canvas.js';
import { MapFigure } from '../maps.js';
import { classChoice } from '../choices.js';
import { decimal, percent } from '../texts.js';
import { readably, seen } from '../seen.js';
import { strokesTable } from './strokes.js';
import { see as texts } from '../texts/see.js';

export const see = {
  key: 'see',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const parts = Object.fromEntries(['intro', 'why', 'all', 'sums', 'strokes'].map((name) => [name, addBlock(root, 'see', name)]));
    render(html`<h1>${app.t('see.title')}</h1><p class="lead">${app.t('see.lead')}</p>`, parts.intro);
    const ends = [mountWhy(parts.why, app), mountAll(parts.all, app), mountFormula(parts.sums, app), strokesTable(parts.strokes, app)];
    return () => ends.forEach((end) => end());
  },
};

/** Why A and not B: where its ink speaks for either, and where new ink would. */
function mountWhy(root, app) {
  const t = (key, values) => app.t(`see.${key}`, values);
  const share = computed(() => {
    const { model: { value: model }, answer: { value: answer }, weights: { value: weights } } = app;
    const [a, b] = app.pair.value;
    const map = between(model, answer, a, b, weights);
    return { a, b, map, absent: missing(model, answer, a, b, weights), scale: largest(map), names: [model.classes[a], model.classes[b]] };
  });
  const holder = document.createElement('div');
  const figures = document.createElement('div');
  figures.className = 'maps-large';
  const words = document.createElement('div');
  words.className = 'words';
  root.append(holder, figures, words);
  const [forFigure, missingFigure] = [0, 1].map(() => figures.appendChild(document.createElement('figure')));
  const forMap = new MapFigure(forFigure, app, { name: 'why', explain: 'see.map.why', readout: (at) => readout(app, share.value, at) });
  const missingMap = new MapFigure(missingFigure, app, { name: 'missing-ink', explain: 'see.map.missing', readout: (at) => absentWords(app, share.value, at) });
  const ends = [
    effect(() => {
      const { a, b } = share.value;
      render(html`<h2>${t('why.title')}</h2>
        <p class="choose">${t('why.ask.before')} ${classChoice(app, a, (k) => choosePair(app, k, b), t('why.first'))}
          ${t('why.ask.between')} ${classChoice(app, b, (k) => choosePair(app, a, k), t('why.second'))}${t('why.ask.after')}
          ${app.chosen.value ? html`<button type="button" class="link" @click=${() => { app.chosen.value = null; }}>${t('why.follow')}</button>` : ''}</p>`, holder);
    }),
    effect(() => {
      const { map, absent, scale, names: [a, b] } = share.value;
      forMap.signed(map, scale, 0, { zeros: false });
      missingFigure.hidden = absent === null;
      if (absent) missingMap.signed(absent, largest(absent), 0, { zeros: false });
      forMap.caption(html`${t('why.caption', { a, b })} ${forMap.saving()}`, t('why.words', { a, b }));
      missingMap.caption(html`${t('missing.caption', { a, b })} ${missingMap.saving()}`, t('missing.caption', { a, b }));
    }),
    readably(words, app, () => render(reasons(app, share.value), words)),
  ];
  return () => ends.forEach((end) => end());
}

function choosePair(app, a, b) {
  app.chosen.value = a === b ? null : [a, b];
}

/** What is said of one pixel: place, ink, weights, product, rank. */
function readout(app, { a, b, map, names }, at) {
  const { cols, rows, features } = app.model.value;
  const { frame } = app.answer.value;
  const lang = app.language.value;
  const place = { row: Math.floor(at / cols), col: at % cols };
  const order = rank(map, frame);
  const position = order.indexOf(at) + 1;
  const values = { ...place, x: decimal(frame[at], 2, lang), product: decimal(map[at], 3, lang), a: names[0], b: names[1] };
  const said = app.t('see.pixel', values);
  if (features !== 'pixels') return said;
  const { coef } = app.weights.value;
  const size = rows * cols;
  const weights = app.t('see.pixel.weights', { ...values, wa: decimal(coef[a * size + at], 3, lang), wb: decimal(coef[b * size + at], 3, lang) });
  return `${said} ${weights} ${position ? app.t('see.pixel.rank', { rank: position, of: order.length }) : ''}`;
}

function absentWords(app, { absent, names }, at) {
  const { cols } = app.model.value;
  return app.t('see.missing.pixel', { row: Math.floor(at / cols), col: at % cols, gain: decimal(absent?.[at] ?? 0, 3, app.language.value), a: names[0], b: names[1] });
}

/** The same as text: log-odds, their parts, and the strongest pixels. */
function reasons(app, { a, b, map, names: [A, B] }) {
  const { z, frame } = app.answer.value;
  const { intercept } = app.weights.value;
  const { cols } = app.model.value;
  const lang = app.language.value;
  let [up, down] = [0, 0];
  for (const value of map) if (value > 0) up += value; else down += value;
  const number = (value) => decimal(value, 2, lang);
  const strongest = rank(map, frame).slice(0, 8);
  return html`<p>${app.t('see.sum', { a: A, b: B, odds: number(z[a] - z[b]), up: number(up), down: number(down), start: number(intercept[a] - intercept[b]) })}</p>
    <details><summary>${app.t('see.strongest')}</summary>
      <table class="numbers"><thead><tr><th scope="col">${app.t('row')}</th><th scope="col">${app.t('column')}</th><th scope="col">${app.t('ink')}</th><th scope="col">${app.t('see.adds', { a: A, b: B })}</th></tr></thead>
      <tbody>${[...strongest].map((at) => html`<tr><td>${Math.floor(at / cols)}</td><td>${at % cols}</td><td>${number(frame[at])}</td><td>${decimal(map[at], 3, lang)}</td></tr>`)}</tbody></table>
    </details>`;
}

/** All classes: weights above, what this digit's ink makes of them below, on one scale. */
function mountAll(root, app) {
  const t = (key, values) => app.t(`see.${key}`, values);
  const zoom = signal(1);
  const head = document.createElement('div');
  const grid = document.createElement('div');
  grid.className = 'maps-all';
  root.append(head, grid);
  const { classes, rows, cols, features } = app.model.value;
  const size = rows * cols;
  const hasWeights = features !== 'strokes';
  const tiles = classes.map((name, k) => {
    const tile = document.createElement('div');
    tile.className = 'tile';
    const title = Object.assign(document.createElement('p'), { className: 'tile-name', textContent: name });
    tile.append(title);
    const part = (file) => {
      const figure = document.createElement('figure');
      tile.append(figure);
      return new MapFigure(figure, app, { name: `${file}-${name}`, explain: `see.map.${file}`, onChoose: () => choosePair(app, k, app.pair.value.find((other) => other !== k)) });
    };
    grid.append(tile);
    return { tile, title, weight: hasWeights ? part('weights') : null, given: part('evidence') };
  });
  const given = computed(() => evidence(app.model.value, app.answer.value, app.weights.value));
  const ends = [
    effect(() => render(html`<h2>${t('all.title')}</h2><p>${t(hasWeights ? 'all.text' : 'all.text.strokes')}</p>
      <label class="scale" data-explain="see.scale"><span>${t('scale')}</span>
        <input type="range" min="0.2" max="3" step="0.1" .value=${String(zoom.value)} @input=${(event) => { zoom.value = Number(event.target.value); }}>
        <output>${t('scale.is', { scale: decimal(largest(hasWeights ? app.weights.value.coef : given.value) / zoom.value, 2, app.language.value) })}</output></label>`, head)),
    seen(grid, app, () => {
      if (!hasWeights) return;
      const { coef } = app.weights.value;
      const scale = largest(coef) / zoom.value;
      tiles.forEach(({ weight }, k) => weight.signed(coef, scale, k * size));
    }),
    seen(grid, app, () => {
      const scale = largest(hasWeights ? app.weights.value.coef : given.value) / zoom.value;
      tiles.forEach(({ given: map }, k) => map.signed(given.value, scale, k * size, { zeros: false }));
    }),
    readably(grid, app, () => {
      const { z, p, best } = app.answer.value;
      const lang = app.language.value;
      tiles.forEach(({ tile, title, weight, given: map }, k) => {
        tile.classList.toggle('best', k === best);
        title.textContent = `${classes[k]}  ${decimal(z[k], 1, lang)}`;
        const words = t('all.words', { class: classes[k], z: decimal(z[k], 2, lang), share: percent(p[k], lang) });
        map.canvas.setAttribute('aria-label', words);
        weight?.canvas.setAttribute('aria-label', t('all.weight.words', { class: classes[k] }));
      });
    }),
  ];
  return () => ends.forEach((end) => end());
}

/** The formula with this digit's numbers. */
function mountFormula(root, app) {
  return readably(root, app, () => {
    const { z, p, best } = app.answer.value;
    const { classes } = app.model.value;
    const { intercept } = app.weights.value;
    const lang = app.language.value;
    const total = z.reduce((sum, value) => sum + Math.exp(value - z[best]), 0);
    const given = evidence(app.model.value, app.answer.value, app.weights.value);
    const size = given.length / classes.length;
    const parts = classes.map((_, k) => {
      let [up, down] = [0, 0];
      for (let i = 0; i < size; i += 1) {
        const value = given[k * size + i];
        if (value > 0) up += value; else down += value;
      }
      return [up, down];
    });
    const number = (value) => decimal(value, 2, lang);
    render(html`<h2>${app.t('see.formula.title')}</h2>
      <p class="formula" role="math" aria-label=${app.t('see.formula.spoken')}>
        <math display="inline"><msub><mi>z</mi><mi>k</mi></msub><mo>=</mo><msub><mi>b</mi><mi>k</mi></msub><mo>+</mo><munder><mo>∑</mo><mi>j</mi></munder><msub><mi>w</mi><mrow><mi>k</mi><mi>j</mi></mrow></msub><msub><mi>x</mi><mi>j</mi></msub></math>
        <math display="inline"><msub><mi>p</mi><mi>k</mi></msub><mo>=</mo><mfrac><msup><mi>e</mi><msub><mi>z</mi><mi>k</mi></msub></msup><mrow><munder><mo>∑</mo><mi>l</mi></munder><msup><mi>e</mi><msub><mi>z</mi><mi>l</mi></msub></msup></mrow></mfrac></math>
      </p>
      <p>${app.t('see.formula.text', { best: classes[best], z: number(z[best]), ...division(total, p[best], lang) })}</p>
      <div class="scroll" tabindex="0" role="region" aria-label=${app.t('see.formula.title')}><table class="numbers"><thead><tr><th scope="col">k</th><th scope="col">b<sub>k</sub></th><th scope="col">${app.t('see.formula.up')}</th><th scope="col">${app.t('see.formula.down')}</th><th scope="col">z<sub>k</sub></th><th scope="col">p<sub>k</sub></th></tr></thead>
      <tbody>${classes.map((name, k) => html`<tr class=${k === best ? 'best' : ''}><th scope="row">${name}</th><td>${number(intercept[k])}</td><td>${number(parts[k][0])}</td><td>${number(parts[k][1])}</td><td>${number(z[k])}</td><td>${percent(p[k], lang)}</td></tr>`)}</tbody></table></div>`, root);
  });
}

/** The last step of the softmax, in as many digits as tell the sum from 1. @param {number} total @param {number} p @param {string} language */
function division(total, p, language) {
  const digits = Math.min(12, Math.max(2, 1 + Math.ceil(-Math.log10(Math.max(total - 1, 1e-12)))));
  const share = p > 0.999 && p < 1 ? decimal(p, digits, language) : percent(p, language);
  return { total: decimal(total, digits, language), share };
}
