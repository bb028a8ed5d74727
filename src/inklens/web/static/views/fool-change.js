/** One change, pixel by pixel or by a stroke: on the pad as ghost ink, here as pictures, with its proof. */
import { html, render } from '../vendor/lit-html.js';
import { effect } from '../vendor/signals-core.js';
import { answer as answerOf, judge } from '../core.js';
import { Painter } from '../canvas.js';
import { paintChange } from '../change.js';
import { MapFigure } from '../maps.js';
import { saveCsv, saveJson, savePng } from '../save.js';
import { decimal, exponent, percent } from '../texts.js';
import { PENS } from './fooling.js';

const LISTED = 60; // pixels in the table, the most changed ones

/**
 * @param {HTMLElement} root @param {import('../app.js').App} app @param {import('./fooling.js').Fooling}
 *   fooling
 * @returns {() => void}
 */
export function mountChange(root, app, fooling) {
  const [head, figures, outcome] = Array.from({ length: 3 }, () =>
    root.appendChild(document.createElement('div')),
  );
  const [words, row, table] = Array.from({ length: 3 }, () =>
    outcome.appendChild(document.createElement('div')),
  );
  outcome.className = 'outcome';
  figures.className = 'maps-large';
  const picture = new ChangePicture(figures.appendChild(document.createElement('figure')), app);
  const afterFigure = figures.appendChild(document.createElement('figure'));
  const after = new MapFigure(afterFigure, app, {
    name: 'after',
    readout: (at) => pixelWords(app, fooling, at),
  });
  const ends = [
    effect(() => {
      outcome.classList.toggle('is-searched', !fooling.isProven.value); // what is found later has its room
      if (fooling.subject.value) render(heading(app, fooling), head);
    }),
    effect(() => {
      const {
        subject: { value: subject },
        shown: { value: shown },
      } = fooling;
      if (!subject) return;
      picture.show(subject.frame, shown?.change ?? null);
      after.ink(shown?.flipped ?? subject.frame);
      if (!shown) {
        const why = app.t(shown === null ? 'fool.none' : 'fool.costs.unsearched');
        for (const figure of [picture, after]) figure.caption(why, why);
        return; // the pictures keep their place
      }
      const { classes } = app.model.value;
      const values = { source: classes[subject.answer.best], target: classes[shown.target] };
      picture.caption(
        html`${app.t('fool.change.caption')} ${picture.saving()}`,
        app.t('fool.change.picture', { ...values, ...inks(app, shown) }),
      );
      after.caption(
        html`${app.t('fool.after.caption', values)} ${after.saving()}`,
        app.t('fool.after.picture', values),
      );
    }),
    effect(() => {
      if (fooling.subject.value) render(facts(app, fooling), words);
    }),
    effect(() => render(fooling.shown.value ? buttons(app, fooling) : '', row)),
    effect(() =>
      render(
        fooling.shown.value ? pixelTable(app, fooling.subject.value.frame, fooling.shown.value) : '',
        table,
      ),
    ),
  ];
  return () => ends.forEach((end) => end());
}

function heading(app, fooling) {
  const t = (key, values) => app.t(`fool.${key}`, values);
  const { way } = fooling;
  const button = (
    key,
  ) => html`<button type="button" aria-pressed=${String(way.value === key)} data-explain=${`fool.way.${key}`}
    @click=${() => {
      way.value = key;
    }}>${t(`way.${key}`)}</button>`;
  const pen = (width) =>
    html`<option value=${width} .selected=${width === fooling.pen.value}>${t('pen.is', { width })}</option>`;
  return html`<h2>${t('change.title')}</h2>
    <p class="choose" data-explain="fool.target">${t('ask.before')}
      ${targetChoice(app, fooling)}${t('ask.after')}</p>
    <div class="controls">
      <div class="row segments" role="group" aria-label=${t('way')}>${button('ink')}${button('stroke')}</div>
      <label ?hidden=${way.value !== 'stroke'} data-explain="fool.pen"><span>${t('pen')}</span>
        <select @change=${(event) => {
          fooling.pen.value = Number(event.target.value);
        }}>
          ${PENS.map(pen)}</select></label></div>`;
}

/** The choice of the class to reach: any but the present answer. */
function targetChoice(app, fooling) {
  const { subject, goal } = fooling;
  const { best } = subject.value.answer;
  return html`<select class="class-choice" aria-label=${app.t('fool.ask.label')}
    @change=${(event) => askFor(app, fooling, Number(event.target.value))}>
    ${app.model.value.classes.map((name, k) => html`<option value=${k} ?disabled=${k === best}
      .selected=${k === goal.value}>${name}</option>`)}</select>`;
}

function askFor(app, fooling, k) {
  fooling.ask(k);
  const { shown: { value: shown }, subject: { value: { answer } } } = fooling;
  if (!shown) return;
  const { classes } = app.model.value;
  const values = { source: classes[answer.best], target: classes[k], ...inks(app, shown) };
  app.announce(`${app.t('fool.change.picture', values)} ${proof(app, fooling)}`);
}

function inks(app, { added, erased, cost }) {
  const number = (value) => decimal(value, 2, app.language.value);
  return { added: number(added), erased: number(erased), cost: number(cost) };
}

function facts(app, fooling) {
  const t = (key, values) => app.t(`fool.${key}`, values);
  const {
    shown: { value: shown },
    subject: {
      value: { answer },
    },
    goal: { value: goal },
    way,
  } = fooling;
  const { classes } = app.model.value;
  const target = classes[goal];
  if (shown === undefined) return searching(app, fooling);
  if (!shown)
    return html`<p class="fool-words">
      ${t(way.value === 'stroke' ? 'none.stroke' : 'none.ink', { target })}</p>`;
  const lang = app.language.value;
  const { p } = answerOf(app.model.value, shown.flipped, app.weights.value);
  const pixels = shown.change.reduce((n, value) => n + (value !== 0), 0);
  const values = {
    ...inks(app, shown),
    target,
    source: classes[answer.best],
    pixels,
    before: percent(answer.p[goal], lang),
    after: percent(p[goal], lang),
  };
  return html`<p class="proof" data-explain="fool.proof">${proof(app, fooling)}</p>
    <p class="fool-words">${t(`facts.${shown.kind ?? kindOf(shown)}`, values)}
      ${t('facts.share', values)} ${checked(app, shown.flipped)}</p>`;
}

function searching(app, fooling) {
  const t = (key) => app.t(`fool.${key}`);
  if (fooling.searching.value) return html`<p class="state" role="status">${t('searching')}</p>`;
  return html`<p class="fool-words">${t('proof.searched')}</p>
    <button type="button" class="primary" data-explain="fool.search"
      @click=${() => fooling.search()}>${t('search')}</button>`;
}

/** Whether a change adds ink, rubs it out, or both, as it is told with two decimals. */
function kindOf({ added, erased }) {
  if (erased < 0.005) return 'adding';
  return added < 0.005 ? 'erasing' : 'both';
}

/** What is proven of the change that is shown. */
function proof(app, fooling) {
  const t = (key, values) => app.t(`fool.proof.${key}`, values);
  const {
    shown: { value: shown },
    least: { value: least },
  } = fooling;
  const lang = app.language.value;
  if (!fooling.isProven.value) return t(shown.kind ? 'stroke.searched' : 'searched');
  if (shown.kind) {
    const times = decimal(least ? shown.cost / least.cost : 1, 2, lang);
    return t('stroke', { times, least: decimal(shown.lowerBound, 2, lang), width: shown.width });
  }
  const gap = exponent(shown.gap);
  const { usual } = fooling;
  if (!shown.optimal) return t('open', { bound: decimal(shown.lowerBound, 2, lang), gap });
  return t(usual.value ? 'usual' : 'optimal', { gap });
}

/** Whether the check before an answer would let the changed digit pass. */
function checked(app, flipped) {
  const {
    model: { value: model },
  } = app;
  if (!model.gate) return '';
  return app.t(
    judge(model, { frame: flipped, measures: {}, blank: false }).accepted
      ? 'fool.check.passes'
      : 'fool.check.refuses',
  );
}

function buttons(app, fooling) {
  const t = (key) => app.t(`fool.${key}`);
  void app.ink.value;
  const { ghosting, held, shown } = fooling;
  const isApplied = held.value !== null && shown.value.flipped.every((ink, j) => ink === app.frame.value[j]);
  const isShown = ghosting.value && held.value !== null;
  const isUntouched = held.value === null || app.pad.marks.length === 0;
  const apply = () => {
    fooling.apply();
    app.announce(app.t('fool.applied', { target: app.model.value.classes[fooling.goal.value] }));
  };
  return html`<div class="row change-row">
    <button type="button" class="primary" data-explain="fool.apply" ?disabled=${isApplied}
      @click=${apply}>${t('apply')}</button>
    <button type="button" data-explain="tool.undo" ?disabled=${isUntouched}
      @click=${() => app.pad.undo()}>${t('undo')}</button>
    <label class="check" data-explain="fool.ghost"><input type="checkbox" .checked=${isShown}
      @change=${() => fooling.toggleGhost()}><span>${t('ghost')}</span></label>
    <button type="button" class="link"
      @click=${() => saveJson('flip', asJson(app, fooling))}>JSON</button></div>`;
}

function asJson(
  app,
  {
    subject: {
      value: { frame, answer },
    },
    shown: { value: shown },
  },
) {
  const { classes } = app.model.value;
  const { cost, added, erased, lowerBound, kind, start, end, width } = shown;
  return {
    from: classes[answer.best],
    to: classes[shown.target],
    cost,
    lower_bound: lowerBound,
    added,
    erased,
    ...(kind ? { stroke: { kind, start, end, width } } : { optimal: shown.optimal }),
    frame: Array.from(frame),
    flipped: Array.from(shown.flipped),
  };
}

/** The changed pixels, the most changed first. */
function pixelTable(app, frame, { change, flipped }) {
  const { cols } = app.model.value;
  const number = (value) => decimal(value, 2, app.language.value);
  const changed = Array.from(change.keys())
    .filter((j) => change[j] !== 0)
    .sort((a, b) => Math.abs(change[b]) - Math.abs(change[a]) || a - b);
  const rows = changed.map((j) => [Math.floor(j / cols), j % cols, frame[j], flipped[j], change[j]]);
  const head = [
    app.t('row'),
    app.t('column'),
    app.t('fool.before'),
    app.t('fool.then'),
    app.t('fool.difference'),
  ];
  const line = ([row, col, ...inked]) =>
    html`<tr><td>${row}</td><td>${col}</td>${inked.map((value) => html`<td>${number(value)}</td>`)}</tr>`;
  return html`<details><summary>${app.t('fool.pixels', { n: changed.length })}</summary>
    <div class="scroll" tabindex="0" role="group" aria-label=${app.t('as.table')}><table class="numbers">
      <thead><tr>${head.map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
      <tbody>${rows.slice(0, LISTED).map(line)}</tbody></table></div>
    <button type="button" class="link"
      @click=${() => saveCsv('change', [head, ...rows])}>CSV</button></details>`;
}

function pixelWords(app, { subject: { value: subject }, shown: { value: shown } }, at) {
  const { cols } = app.model.value;
  const number = (value) => decimal(value, 2, app.language.value);
  return app.t('fool.pixel', {
    row: Math.floor(at / cols),
    col: at % cols,
    before: number(subject.frame[at]),
    after: number((shown?.flipped ?? subject.frame)[at]),
  });
}

/** The digit with what changes over it. */
class ChangePicture {
  constructor(root, app) {
    const { rows, cols } = app.model.value;
    this.app = app;
    this.sheet = document.createElement('div');
    this.sheet.className = 'change-picture';
    this.sheet.setAttribute('role', 'img');
    const [paper, over] = ['paper', 'over'].map((name) =>
      Object.assign(document.createElement('canvas'), { className: name }),
    );
    this.sheet.append(paper, over);
    this.over = over;
    this.paper = paper;
    this.painter = new Painter(paper, rows, cols);
    this.label = document.createElement('figcaption');
    root.append(this.sheet, this.label);
  }

  show(frame, change) {
    const { rows, cols } = this.app.model.value;
    this.painter.paper(frame);
    paintChange(this.over, change, rows, cols);
  }

  caption(caption, words) {
    render(caption, this.label);
    this.sheet.setAttribute('aria-label', words);
  }

  saving() {
    return html`<span class="saving"><button type="button" class="link"
      @click=${() => savePng('change', this.#joined(), 1)}>PNG</button></span>`;
  }

  #joined() {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [this.over.width, this.over.height];
    const context = canvas.getContext('2d');
    context.imageSmoothingEnabled = false;
    for (const layer of [this.paper, this.over]) context.drawImage(layer, 0, 0, canvas.width, canvas.height);
    return canvas;
  }
}
