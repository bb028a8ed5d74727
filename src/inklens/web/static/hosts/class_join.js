/** A phone in the class: draw a digit, say what it is and what the model will say, send it, and see. */
import { html, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';
import { translator } from '../class_texts.js';
import { followKeys, followPointer } from '../hand.js';
import { Pad } from '../pad.js';

const t = translator();
const root = document.getElementById('face');
const pad = new Pad();
/** @typedef {{ label: string, probabilities: Record<string, number>, accepted: boolean, number: number, meant: string, guess: string | null }} Answer */
const state = signal({ classes: [], name: '', meant: '', guess: '', note: '', sending: false, answer: /** @type {Answer | null} */ (null), takenBack: false });
const change = (more) => { state.value = { ...state.value, ...more }; };

history.replaceState(null, '', '/join/class'); // the token is not left on the screen, nor in a copied address
start();

async function start() {
  try {
    const { classes, name } = await ask('GET', '/api/class');
    change({ classes, name });
    effect(() => render(page(state.value), root));
    takeHand(root.querySelector('canvas'));
  } catch (error) {
    render(html`<p class="state error" role="alert">${error.message}</p>`, root);
  }
}

/** Ask the class; an error says what it said. @returns {Promise<any>} */
async function ask(method, path, json) {
  let answer;
  try {
    answer = await fetch(path, { method, headers: json ? { 'Content-Type': 'application/json' } : {}, body: json && JSON.stringify(json) });
  } catch {
    throw new Error(t('lost'));
  }
  const body = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(body.detail);
  return body;
}

/** Let the hand draw. @param {HTMLCanvasElement} canvas */
function takeHand(canvas) {
  const hand = {
    pad,
    model: { value: { rows: 28, cols: 28 } },
    mode: { value: 'free' },
    t: (key) => t(key === 'pen.down' ? 'penDown' : 'penUp'),
    announce: (words) => change({ note: words }),
  };
  followPointer(canvas, hand);
  const cursor = followKeys(canvas, hand);
  const marks = root.querySelector('.cursor');
  effect(() => cursor.paint(marks));
  effect(() => {
    pad.version.value;
    paint(canvas);
    root.querySelector('.hint').hidden = !pad.isEmpty;
  });
  addEventListener('resize', () => paint(canvas));
}

/** Draw the strokes as sharp lines. @param {HTMLCanvasElement} canvas */
function paint(canvas) {
  const side = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, side, side);
  context.lineCap = context.lineJoin = 'round';
  context.strokeStyle = '#1f2328';
  for (const { points, width, erase } of pad.marks) {
    context.globalCompositeOperation = erase ? 'destination-out' : 'source-over';
    context.lineWidth = width * side;
    context.beginPath();
    context.moveTo(points[0] * side, points[1] * side);
    for (let i = 2; i < points.length; i += 2) context.lineTo(points[i] * side, points[i + 1] * side);
    if (points.length === 2) context.lineTo(points[0] * side + 0.01, points[1] * side);
    context.stroke();
  }
}

async function send() {
  const { meant, guess, name } = state.value;
  if (pad.isEmpty) return change({ note: t('needInk') });
  if (!meant) return change({ note: t('needLabel') });
  change({ sending: true, note: '' });
  try {
    if (name !== sentName) await ask('POST', '/api/class/name', { name });
    sentName = name;
    const ink = btoa(String.fromCharCode(...Array.from(pad.ink, (value) => Math.round(255 * value))));
    const answer = await ask('POST', '/api/class/digits', { ink, label: meant, guess: guess || null });
    change({ answer, takenBack: false });
    root.querySelector('.answered')?.focus();
  } catch (error) {
    change({ note: error.message });
  }
  change({ sending: false });
}
let sentName = '';

function again() {
  pad.clear();
  change({ answer: null, meant: '', guess: '', note: '' });
  scrollTo(0, 0);
}

async function takeBack(number) {
  try {
    await ask('DELETE', `/api/class/digits/${number}`);
    change({ takenBack: true });
  } catch (error) {
    change({ note: error.message });
  }
}

function page({ name, answer, sending, note }) {
  return html`
    <h1 class="brand"><span class="drop" aria-hidden="true"></span>inklens</h1>
    <section class="drawing" ?hidden=${answer !== null} aria-label=${t('draw')}>
      <div class="board">
        <canvas class="marks" tabindex="0" role="img" aria-label=${t('padHelp')}></canvas>
        <canvas class="cursor" aria-hidden="true"></canvas>
        <p class="hint" aria-hidden="true">${t('hint')}</p>
      </div>
      <div class="tools">
        <button type="button" class="quiet" @click=${() => pad.undo()}>${t('undo')}</button>
        <button type="button" class="quiet" @click=${() => pad.clear()}>${t('clear')}</button>
      </div>
      ${choice('meant')} ${choice('guess')}
      <label class="called">${t('name')} <input type="text" maxlength="40" autocomplete="nickname" .value=${name} @input=${(event) => change({ name: event.target.value })}></label>
      <button type="button" class="primary" ?disabled=${sending} @click=${send}>${t(sending ? 'sending' : 'send')}</button>
    </section>
    ${answer && answered(answer)}
    <p class="note" role="status">${note}</p>`;
}

/** The classes to choose from; a second tap takes a choice back. @param {'meant' | 'guess'} which */
function choice(which) {
  const { classes, [which]: chosen } = state.value;
  return html`<fieldset class="choice"><legend>${t(which)}</legend>
    ${classes.map((name) => html`<button type="button" aria-pressed=${name === chosen} @click=${() => change({ [which]: name === chosen ? '' : name })}>${name}</button>`)}
  </fieldset>`;
}

/** What the model read. @param {Answer} answer */
function answered({ label, probabilities, accepted, number, meant, guess }) {
  const first = Object.entries(probabilities).sort(([, a], [, b]) => b - a).slice(0, 3);
  const verdict = t(guess === label ? 'right' : 'wrong');
  return html`<section class="answered" tabindex="-1">
    <p class="says">${t('reads')} <strong class=${label === meant ? 'good' : 'mistake'}>${label}</strong></p>
    <p>${t('meantIt', { meant })} ${guess ? t('expected', { guess, verdict }) : ''} ${accepted ? '' : t('unlike')}</p>
    <dl class="likely">${first.map(([name, share]) => html`<div><dt>${name}</dt><dd><meter min="0" max="1" value=${share}></meter> ${Math.round(100 * share)} %</dd></div>`)}</dl>
    <button type="button" class="primary" @click=${again}>${t('again')}</button>
    ${state.value.takenBack ? html`<p>${t('takenBack')}</p>` : html`<button type="button" class="link" @click=${() => takeBack(number)}>${t('takeBack')}</button>`}
  </section>`;
}
