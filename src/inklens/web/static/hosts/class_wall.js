/** The class's wall, projected: every digit as it comes, what is taken for what, and who foresaw it. */
import { html, render } from '../vendor/lit-html.js';
import { signal, effect } from '../vendor/signals-core.js';
import { translator } from '../class_texts.js';

/** @typedef {{ number: number, student: string, name: string, label: string, guess: string | null, answer: string, probability: number, pixels: string }} Digit */
const SIDE = 28;
const SHOWN = 240; // tiles, the newest first
const HARDEST = 6;
const KINDS = 4; // of mistakes
const OF_A_KIND = 6;
const BINS = 5;

const t = translator();
const root = document.getElementById('face');
const state = signal({ classes: [], join: '', students: 0, digits: /** @type {Digit[]} */ ([]), numbers: new Map(), closed: false, note: '' });
const change = (more) => { state.value = { ...state.value, ...more }; };
let pending = 0;

history.replaceState(null, '', '/wall/class'); // the teacher's token is not projected
start();

async function start() {
  const answer = await fetch('/api/class');
  const about = await answer.json();
  if (!answer.ok) return render(html`<p class="state error" role="alert">${about.detail}</p>`, root);
  change(about);
  effect(() => {
    state.value;
    pending ||= requestAnimationFrame(() => { pending = 0; show(); }); // forty phones, one picture
  });
  follow();
}

function follow() {
  const events = new EventSource('/api/class/events');
  events.addEventListener('students', ({ data }) => change({ students: JSON.parse(data).n }));
  events.addEventListener('digit', ({ data }) => {
    const digit = JSON.parse(data);
    const { digits, numbers } = state.value;
    if (digits.some(({ number }) => number === digit.number)) return; // sent again after a lost connection
    if (!numbers.has(digit.student)) numbers.set(digit.student, numbers.size + 1);
    change({ digits: [...digits, digit] });
  });
  events.addEventListener('removed', ({ data }) => {
    const { number } = JSON.parse(data);
    change({ digits: state.value.digits.filter((digit) => digit.number !== number) });
  });
  events.addEventListener('error', () => change({ closed: true }));
  events.addEventListener('open', () => change({ closed: false }));
}

function show() {
  const { join, students, digits, closed } = state.value;
  const right = digits.filter(({ label, answer }) => label === answer).length;
  const guesses = digits.filter(({ guess }) => guess !== null);
  const foreseen = guesses.filter(({ guess, answer }) => guess === answer).length;
  const share = (part, whole) => (whole ? `${Math.round((100 * part) / whole)} %` : '–');
  render(html`
    <header class="invitation">
      <h1><span>${t('joinAt')}</span> <span class="address">${join}</span></h1>
      <dl class="counts">
        ${[[t('students'), students], [t('digits'), digits.length], [t('read'), share(right, digits.length)], [t('guessed'), share(foreseen, guesses.length)]].map(([what, n]) => html`<div><dd>${n}</dd><dt>${what}</dt></div>`)}
      </dl>
    </header>
    ${closed ? html`<p class="closed" role="status">${t('closed')}</p>` : ''}
    <div class="sides">
      <section class="everyone" aria-label=${t('digits')}>
        ${digits.length ? digits.slice(-SHOWN).reverse().map((digit) => tile(digit)) : html`<p class="nobody">${t('nobody')}</p>`}
      </section>
      <aside>
        <section><h2>${t('confusion')}</h2><p class="muted">${t('confusionHelp')}</p>${confusion()}</section>
        <section>${kinds()}</section>
        <section><h2>${t('hardest')}</h2><div class="few">${[...digits].sort((a, b) => a.probability - b.probability).slice(0, HARDEST).map((digit) => tile(digit))}</div></section>
        <section><h2>${t('predict')}</h2><p class="muted">${t('predictHelp')}</p>${histogram(guesses)}</section>
      </aside>
    </div>`, root);
  root.querySelectorAll('canvas').forEach(paint);
}

/** Who drew it: a name where names are shown, or a number. @param {Digit} digit */
const who = ({ student, name }) => name || t('student', { n: state.value.numbers.get(student) });

/** @param {Digit} digit */
function tile(digit) {
  const { label, answer, number } = digit;
  const misread = label !== answer;
  return html`<figure class=${misread ? 'drawn misread' : 'drawn'}>
    <canvas width=${SIDE} height=${SIDE} data-number=${number} role="img" aria-label=${t('tile', { meant: label, read: answer, who: who(digit) })}></canvas>
    <figcaption>${misread ? html`${label} → <strong>${answer}</strong>` : answer}</figcaption>
    <button type="button" class="hide" aria-label=${t('hide')} title=${t('hide')} @click=${() => hide(number)}>×</button>
  </figure>`;
}

function hide(number) {
  fetch(`/api/class/digits/${number}`, { method: 'DELETE' });
}

/** Paint a tile's digit once; a canvas that is used again for another is painted again. @param {HTMLCanvasElement} canvas */
function paint(canvas) {
  const { number } = canvas.dataset;
  if (canvas.painted === number) return;
  canvas.painted = number;
  const digit = state.value.digits.find((each) => each.number === Number(number));
  if (!digit) return;
  const context = canvas.getContext('2d');
  const picture = context.createImageData(SIDE, SIDE);
  const ink = atob(digit.pixels);
  for (let i = 0; i < SIDE * SIDE; i += 1) picture.data.set([31, 35, 40, ink.charCodeAt(i)], 4 * i);
  context.putImageData(picture, 0, 0);
}

function confusion() {
  const { classes, digits } = state.value;
  const counts = new Map();
  for (const { label, answer } of digits) counts.set(`${label} ${answer}`, (counts.get(`${label} ${answer}`) ?? 0) + 1);
  const cell = (meant, read) => {
    const n = counts.get(`${meant} ${read}`) ?? 0;
    const kind = meant === read ? 'right' : n ? `wrong w${Math.min(4, n)}` : '';
    return html`<td class=${kind}>${n || (meant === read ? 0 : '')}</td>`;
  };
  return html`<table class="confusion"><thead><tr><td></td>${classes.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${classes.map((meant) => html`<tr><th scope="row">${meant}</th>${classes.map((read) => cell(meant, read))}</tr>`)}</tbody></table>`;
}

/** Whose 4 is a 9: kinds of mistakes, the most frequent first. */
function kinds() {
  const found = new Map();
  for (const digit of state.value.digits) {
    if (digit.label === digit.answer) continue;
    const key = `${digit.label} ${digit.answer}`;
    found.set(key, [...(found.get(key) ?? []), digit]);
  }
  const ordered = [...found.values()].sort((a, b) => b.length - a.length).slice(0, KINDS);
  if (!ordered.length) return html`<h2>${t('noMistakes')}</h2>`;
  return ordered.map((some) => html`<h2>${t('whose', { meant: some[0].label, read: some[0].answer })}</h2>
    <div class="few">${some.slice(-OF_A_KIND).map((digit) => html`<div class="whose">${tile(digit)}<span>${who(digit)}</span></div>`)}</div>`);
}

/** Students by their share of right guesses. @param {Digit[]} guesses */
function histogram(guesses) {
  const of = new Map();
  for (const { student, guess, answer } of guesses) of.set(student, [...(of.get(student) ?? []), guess === answer]);
  const counts = Array(BINS).fill(0);
  for (const rights of of.values()) counts[Math.min(BINS - 1, Math.floor((BINS * rights.filter(Boolean).length) / rights.length))] += 1;
  const most = Math.max(1, ...counts);
  return html`<div class="histogram">${counts.map((n, k) => html`<div class="pile"><span class="n">${n}</span>
    <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true"><rect x="0" y=${100 - (100 * n) / most} width="10" height=${(100 * n) / most}></rect></svg>
    <span class="label">${(100 / BINS) * k}–${(100 / BINS) * (k + 1)} %</span></div>`)}</div>`;
}
