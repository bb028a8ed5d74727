/** The stage: the pad with its tools, and the answer; it stays in sight whatever view is open. */
import { html, render } from './vendor/lit-html.js';
import { computed, effect, untracked } from './vendor/signals-core.js';
import { Painter, drawSheet } from './canvas.js';
import { paintChange } from './change.js';
import { followKeys, followPointer } from './hand.js';
import { AnswerBars } from './bars.js';
import { percent, significant } from './texts.js';

const SPEAK_AFTER_MS = 700; // without a change: a screen reader should not read every movement of the pen

/** @param {HTMLElement} root @param {import('./app.js').App} app */
export function mountStage(root, app) {
  const board = document.createElement('div');
  board.className = 'board';
  const tools = document.createElement('div');
  tools.className = 'tools';
  const answer = document.createElement('div');
  answer.className = 'answer';
  const note = document.createElement('p');
  note.className = 'note';
  root.replaceChildren(board, note, tools, answer);
  effect(() => {
    note.textContent = app.note.value ?? '';
    note.hidden = app.note.value === null; // with nothing to say it keeps its room, or what is below would jump
  });
  mountBoard(board, app);
  const hand = computed(() => {
    void app.pad.version.value; // changes with every movement, and what the tools show does not
    const { marks, undone, erase, isEmpty, width } = app.pad;
    return [marks.length > 0, undone.length > 0, erase, isEmpty, width].join();
  });
  effect(() => {
    void hand.value;
    root.setAttribute('aria-label', app.t('stage'));
    render(toolbar(app), tools);
  });
  mountAnswer(answer, app);
}

function mountBoard(board, app) {
  const [paper, ghost, marks] = ['paper', 'ghost', 'marks'].map((name) => {
    const canvas = document.createElement('canvas');
    canvas.className = name;
    if (name !== 'marks') canvas.setAttribute('aria-hidden', 'true');
    return canvas;
  });
  const hint = document.createElement('p');
  hint.className = 'hint';
  board.replaceChildren(paper, ghost, marks, hint);
  marks.tabIndex = 0;
  marks.id = 'pad';
  marks.dataset.explain = 'pad';
  marks.setAttribute('role', 'application');
  const cursor = followKeys(marks, app);
  followPointer(marks, app);

  let painter = null;
  effect(() => {
    const { values, rows, cols } = app.ink.value;
    board.classList.toggle('is-frame', app.mode.value === 'frame');
    if (app.mode.value === 'drawing') {
      drawSheet(paper, app.pad.marks);
      painter = null;
      return;
    }
    if (painter?.image.width !== cols || painter?.image.height !== rows) painter = new Painter(paper, rows, cols);
    painter.paper(values);
  });
  effect(() => paintChange(ghost, app.ghost.value?.change ?? null, app.model.value.rows, app.model.value.cols));
  effect(() => cursor.paint(marks));
  effect(() => {
    marks.setAttribute('aria-label', app.t('pad.label'));
    hint.textContent = app.pad.isEmpty && app.ink.value ? app.t('pad.hint') : '';
  });
}

function toolbar(app) {
  const { pad, t } = { pad: app.pad, t: (key, values) => app.t(key, values) };
  const isFrame = app.mode.value === 'frame';
  const choose = (change) => () => {
    change();
    pad.version.value += 1;
  };
  const button = (key, act, { pressed = null, disabled = false } = {}) => html`<button
    type="button" class="tool" data-explain=${`tool.${key}`} ?disabled=${disabled}
    aria-pressed=${pressed === null ? undefined : String(pressed)} @click=${act}
  ><svg viewBox="0 0 20 20" aria-hidden="true"><path d=${ICONS[key]}></path></svg><span>${t(`tool.${key}`)}</span></button>`;
  return html`
    <div class="row" role="group" aria-label=${t('tools')}>
      ${button('pen', choose(() => { pad.erase = false; }), { pressed: !pad.erase })}
      ${button('eraser', choose(() => { pad.erase = true; }), { pressed: pad.erase })}
      ${button('undo', () => pad.undo(), { disabled: pad.marks.length === 0 })}
      ${button('redo', () => pad.redo(), { disabled: pad.undone.length === 0 })}
      ${button('clear', () => app.startDrawing(), { disabled: pad.isEmpty })}
    </div>
    <label class="width" data-explain="tool.width"><span>${t('tool.width')}</span>
      <input type="range" min="0.03" max="0.16" step="0.01" .value=${String(pad.width)}
        @input=${(event) => { pad.width = Number(event.target.value); }}>
    </label>
    <p class="mode" data-explain="mode">${t(isFrame ? 'mode.frame' : 'mode.drawing')}
      ${isFrame || app.isBlank.value ? '' : html`<button type="button" class="link" @click=${() => app.holdFrame()}>${t('mode.hold')}</button>`}
    </p>
    ${app.model.value.samples ? sampleButtons(app) : ''}`;
}

const ICONS = {
  pen: 'M3 17l1-4L14 3l3 3L7 16l-4 1zM12 5l3 3',
  eraser: 'M3 13l7-8 7 6-5 6H7l-4-4zM7 9l6 6M7 17h10',
  undo: 'M7 4L3 8l4 4M3 8h8a5 5 0 010 9H7',
  redo: 'M13 4l4 4-4 4M17 8H9a5 5 0 000 9h4',
  clear: 'M4 6h12M8 6V4h4v2M6 6l1 11h6l1-11M9 9v5M11 9v5',
};

function sampleButtons(app) {
  const { samples } = app.model.value;
  const among = (keep) => {
    const found = Array.from({ length: samples.length }, (_, i) => i).filter(keep);
    return found.length ? () => app.showSample(found[Math.floor(Math.random() * found.length)]) : null;
  };
  const isWrong = (i) => samples.labels[i] !== samples.predicted[i];
  const kinds = {
    random: among(() => true),
    wrong: among(isWrong),
    close: among((i) => samples.close?.[i] ?? false),
  };
  return html`<div class="row samples" role="group" aria-label=${app.t('samples')}>
    <span class="label">${app.t('samples')}</span>
    ${Object.entries(kinds).map(([key, act]) => act && html`<button type="button" class="quiet" data-explain=${`sample.${key}`} @click=${act}>${app.t(`sample.${key}`)}</button>`)}
  </div>`;
}

function mountAnswer(root, app) {
  const says = document.createElement('p');
  says.className = 'says';
  const reasons = document.createElement('div');
  reasons.className = 'reasons';
  const chart = document.createElement('div');
  root.dataset.explain = 'answer';
  const whose = Object.assign(document.createElement('p'), { className: 'whose' });
  root.replaceChildren(says, chart, whose, reasons);
  effect(() => {
    whose.hidden = !app.model.value.path;
    render(pointSentence(app), whose);
  });
  const bars = new AnswerBars(chart, app);
  let timer = 0;
  effect(() => {
    const blank = app.isBlank.value;
    const covered = app.covered.value && !blank;
    root.classList.toggle('is-covered', covered);
    if (covered) {
      clearTimeout(timer);
      render(html`<span class="quiet-answer">${app.t('answer.covered')}</span>`, says);
      render('', reasons);
      return;
    }
    const verdict = app.verdict.value;
    const { best, p } = app.answer.value;
    const label = app.model.value.classes[best];
    const share = percent(p[best], app.language.value);
    root.classList.toggle('is-refused', !verdict.accepted);
    root.classList.toggle('is-blank', blank);
    const words = blank ? app.t('answer.blank')
      : verdict.accepted ? app.t('answer.is', { label, share }) : app.t('answer.none');
    render(sentence(app, { blank, verdict, label, share }), says);
    render(verdict.accepted || blank ? '' : reasonsOf(app, verdict), reasons);
    bars.show(app.answer.value, verdict.accepted && !blank);
    untracked(() => {
      clearTimeout(timer);
      timer = setTimeout(() => app.announce(words), SPEAK_AFTER_MS);
    });
  });
}

/** Which weights answer, where they are not the model's own. */
function pointSentence(app) {
  const { model, path, point } = app;
  if (point.value === null) return '';
  const { Cs, epochs } = path.value ?? model.value.path;
  const passes = epochs?.[point.value];
  const C = significant(Cs[point.value], 3, app.language.value);
  return html`${passes ? app.t('point.passes', { n: passes }) : app.t('point.C', { C })}
    <button type="button" class="link" data-explain="point.back" @click=${() => { point.value = null; }}>${app.t('point.back')}</button>`;
}

function sentence(app, { blank, verdict, label, share }) {
  if (blank) return html`<span class="quiet-answer">${app.t('answer.blank')}</span>`;
  if (!verdict.accepted) return html`<span class="quiet-answer">${app.t('answer.none')}</span>`;
  const truth = app.sample.value?.label;
  return html`<strong class=${label.length > 2 ? 'digit has-name' : 'digit'}>${label}</strong> <span class="share">${share}</span>
    ${truth == null ? '' : html`<span class=${truth === label ? 'truth right' : 'truth wrong'}>${app.t(truth === label ? 'answer.right' : 'answer.wrong', { label: truth })}</span>`}`;
}

function reasonsOf(app, verdict) {
  return html`<ul>${verdict.reasons.map(
    ({ kind, values }) => html`<li>${app.t(`reason.${kind}`, values)} <span class="remedy">${app.t(`remedy.${kind}`)}</span></li>`,
  )}</ul>`;
}
