/** Draw: bring a picture, and follow it on its way to the 28 x 28 pixels that the model sees. */
import { html, render } from '../vendor/lit-html.js';
import { computed, effect, signal } from '../vendor/signals-core.js';
import { addBlock } from '../block.js';
import { answer as answerOf } from '../core.js';
import { Painter } from '../canvas.js';
import { openPicture } from '../picture.js';
import { seen } from '../seen.js';
import { percent } from '../texts.js';
import { savePng } from '../save.js';
import { draw as texts } from '../texts/draw.js';

const STEPS = ['ink', 'digit', 'pen', 'square', 'frame'];

export const draw = {
  key: 'draw',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const section = (name) => addBlock(root, 'draw', name);
    const [intro, steps, bring] = ['intro', 'steps', 'bring'].map(section);
    render(html`<h1>${app.t('draw.title')}</h1><p class="lead">${app.t('draw.lead')}</p>`, intro);
    const ends = [mountSteps(steps, app), mountBring(bring, app)];
    return () => ends.forEach((end) => end());
  },
};

/** The steps of the normalisation, each with what the model would answer if the recipe ended there. */
function mountSteps(root, app) {
  const head = document.createElement('div');
  const list = document.createElement('ol');
  list.className = 'step-list';
  root.append(head, list);
  const shown = computed(() => {
    const { rows, cols } = app.model.value;
    const held = [{ name: 'frame', picture: app.frame.value, rows, cols, value: null }];
    return new Map((app.normalised.value?.steps ?? held).map((step) => [step.name, step]));
  });
  const tiles = STEPS.map((name) => {
    const item = list.appendChild(document.createElement('li'));
    const canvas = item.appendChild(document.createElement('canvas'));
    canvas.setAttribute('aria-hidden', 'true');
    return { name, item, canvas, words: item.appendChild(document.createElement('div')), painter: null };
  });
  const ends = [
    effect(() => render(recipe(app), head)),
    seen(list, app, () => tiles.forEach((tile) => showStep(app, tile, shown.value.get(tile.name)))),
  ];
  return () => ends.forEach((end) => end());
}

/** Show a step in its place; one that this picture does not need leaves the place empty, so that nothing moves. */
function showStep(app, tile, step) {
  tile.item.classList.toggle('skipped', !step);
  const title = html`<strong>${app.t(`draw.name.${tile.name}`)}</strong>`;
  if (!step) {
    render(html`${title}<span>${app.t(app.isBlank.value ? 'draw.step.waiting' : 'draw.step.skipped')}</span>`, tile.words);
    return;
  }
  const { picture, rows, cols } = step;
  if (tile.painter?.image.width !== cols || tile.painter?.image.height !== rows) tile.painter = new Painter(tile.canvas, rows, cols);
  tile.painter.ink(picture);
  const { classes } = app.model.value;
  const said = app.isBlank.value ? null : answerOf(app.model.value, asFrame(step, app.model.value), app.weights.value);
  render(html`${title}<span>${app.t(`draw.step.${tile.name}`)}</span>
    ${said ? html`<span class="then">${app.t('draw.then', { label: classes[said.best], share: percent(said.p[said.best], app.language.value) })}</span>` : ''}`, tile.words);
}

/** What the model would see if the recipe ended with a step: the whole picture at the frame's size, areas averaged. */
function asFrame({ picture, rows, cols }, model) {
  if (rows === model.rows && cols === model.cols) return picture;
  const frame = new Float64Array(model.rows * model.cols);
  if (rows <= model.rows && cols <= model.cols) { // the box: laid in the middle
    const [top, left] = [(model.rows - rows) >> 1, (model.cols - cols) >> 1];
    for (let i = 0; i < rows; i += 1) for (let j = 0; j < cols; j += 1) frame[(top + i) * model.cols + left + j] = picture[i * cols + j];
    return frame;
  }
  const edges = (n, parts) => Array.from({ length: parts + 1 }, (_, i) => Math.round((i * n) / parts));
  const [down, across] = [edges(rows, model.rows), edges(cols, model.cols)];
  for (let i = 0; i < model.rows; i += 1) {
    for (let j = 0; j < model.cols; j += 1) {
      let [sum, n] = [0, 0];
      for (let r = down[i]; r < Math.max(down[i + 1], down[i] + 1) && r < rows; r += 1) {
        for (let c = across[j]; c < Math.max(across[j + 1], across[j] + 1) && c < cols; c += 1) {
          sum += picture[r * cols + c];
          n += 1;
        }
      }
      frame[i * model.cols + j] = n ? sum / n : 0;
    }
  }
  return frame;
}

function recipe(app) {
  const set = (change) => { app.recipe.value = { ...app.recipe.value, ...change }; };
  const { fill = 20, centre = true } = app.recipe.value;
  return html`<h2>${app.t('draw.steps.title')}</h2>
    <p>${app.t(app.mode.value === 'drawing' ? 'draw.steps.text' : 'draw.steps.held')}</p>
    ${app.mode.value === 'drawing' ? html`<div class="controls">
      <label data-explain="draw.fill"><span>${app.t('draw.fill')}</span>
        <input type="range" min="12" max="28" step="1" .value=${String(fill)} @input=${(event) => set({ fill: Number(event.target.value) })}>
        <output>${app.t('draw.fill.is', { fill })}</output></label>
      <label class="check" data-explain="draw.centre"><input type="checkbox" .checked=${centre} @change=${(event) => set({ centre: event.target.checked })}><span>${app.t('draw.centre')}</span></label>
    </div>` : ''}`;
}

/** Upload, drop, paste, camera. */
function mountBring(root, app) {
  const state = signal({ kind: 'idle' });
  const take = async (source) => {
    state.value = { kind: 'working' };
    try {
      state.value = await openPicture(source, app);
    } catch (error) {
      state.value = { kind: 'failed', message: error.message };
      app.announce(error.message);
    }
  };
  const onPaste = (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
    if (file) take(file);
  };
  document.addEventListener('paste', onPaste);
  const end = effect(() => render(bringing(app, state, take), root));
  return () => {
    document.removeEventListener('paste', onPaste);
    stopCamera(state);
    end();
  };
}

function bringing(app, state, take) {
  const t = (key, values) => app.t(`draw.${key}`, values);
  const now = state.value;
  const drop = (event) => {
    event.preventDefault();
    event.currentTarget.classList.remove('over');
    const file = event.dataTransfer.files[0];
    if (file) take(file);
  };
  return html`<h2>${t('bring.title')}</h2>
    <div class="drop-zone" data-explain="draw.bring"
      @dragover=${(event) => { event.preventDefault(); event.currentTarget.classList.add('over'); }}
      @dragleave=${(event) => event.currentTarget.classList.remove('over')} @drop=${drop}>
      <p>${t(app.host.api ? 'bring.text' : 'bring.text.page')}</p>
      <div class="row">
        <label class="button"><input type="file" accept="image/*" class="hidden" @change=${(event) => { const [file] = event.target.files; if (file) take(file); event.target.value = ''; }}>${t('bring.file')}</label>
        ${navigator.mediaDevices?.getUserMedia ? html`<button type="button" @click=${() => startCamera(state, app)}>${t('bring.camera')}</button>` : ''}
        ${app.isBlank.value ? '' : html`<button type="button" class="quiet" @click=${() => saveDrawing(app)}>${t('bring.save')}</button>`}
      </div>
    </div>
    ${now.kind === 'working' ? html`<p class="state" role="status">${t('bring.working')}</p>` : ''}
    ${now.kind === 'failed' ? html`<p class="state error" role="alert">${now.message}</p>` : ''}
    ${now.kind === 'camera' ? camera(app, state, take) : ''}
    ${now.kind === 'found' ? html`<p class="state">${t(now.digits.length === 1 ? 'found.one' : 'found.many', { n: now.digits.length })}</p>
      <div class="row found">${now.digits.map((digit, i) => foundDigit(app, digit, i))}</div>` : ''}`;
}

function foundDigit(app, digit, i) {
  const name = app.t('draw.found.name', { number: i + 1 });
  return html`<button type="button" class="found-digit" @click=${() => app.setFrame(digit.frame, { index: -1, label: null, name })}>
    ${picture(digit.frame, app.model.value)}<span>${name}</span></button>`;
}

function picture(frame, { rows, cols }) {
  const canvas = document.createElement('canvas');
  canvas.setAttribute('aria-hidden', 'true');
  new Painter(canvas, rows, cols).ink(frame);
  return canvas;
}

function camera(app, state, take) {
  return html`<div class="camera"><video autoplay playsinline muted .srcObject=${state.value.stream}></video>
    <div class="row"><button type="button" @click=${async (event) => {
      const video = event.target.closest('.camera').querySelector('video');
      const still = await createImageBitmap(video);
      stopCamera(state);
      take(still);
    }}>${app.t('draw.camera.take')}</button>
    <button type="button" class="quiet" @click=${() => { stopCamera(state); state.value = { kind: 'idle' }; }}>${app.t('draw.camera.stop')}</button></div></div>`;
}

async function startCamera(state, app) {
  try {
    state.value = { kind: 'camera', stream: await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } }) };
  } catch {
    state.value = { kind: 'failed', message: app.t('draw.camera.none') };
  }
}

function stopCamera(state) {
  state.value.stream?.getTracks().forEach((track) => track.stop());
}

function saveDrawing(app) {
  savePng('digit', document.querySelector('.board .paper'), app.mode.value === 'frame' ? 10 : 1);
}
