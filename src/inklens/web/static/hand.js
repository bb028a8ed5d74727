/** The hand on the pad: pointer, touch and keyboard become strokes. */
import { signal } from './vendor/signals-core.js';

/** Follow pens, fingers and the mouse; the page does not scroll under them. @param {HTMLCanvasElement} canvas @param {import('./app.js').App} app */
export function followPointer(canvas, app) {
  let pointer = null;
  let place = null; // where the canvas lies, measured once a stroke: asking at each movement would cost a layout
  const at = (event) => {
    place ??= canvas.getBoundingClientRect();
    const { left, top, width, height } = place;
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  addEventListener('scroll', () => { place = null; }, { passive: true, capture: true });
  canvas.addEventListener('pointerdown', (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    place = null;
    canvas.setPointerCapture(pointer);
    app.pad.start(...at(event));
    event.preventDefault();
    canvas.classList.add('by-hand');
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener('pointermove', (event) => {
    if (event.pointerId !== pointer) return;
    const seen = event.getCoalescedEvents?.() ?? [];
    for (const one of seen.length ? seen : [event]) app.pad.move(...at(one));
  });
  const end = (event) => {
    if (event.pointerId === pointer) pointer = null;
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
  canvas.addEventListener('touchstart', (event) => event.preventDefault(), { passive: false });
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const GREYS = { '+': 0.25, '=': 0.25, '-': -0.25 };

/**
 * Draw by keyboard: arrows move, Space puts the pen down or lifts it, E changes between pen and eraser; on a frame
 * Enter fills a pixel, Delete empties it, + and - darken and lighten it.
 * @param {HTMLCanvasElement} canvas @param {import('./app.js').App} app
 */
export function followKeys(canvas, app) {
  const { rows, cols } = app.model.value;
  const cursor = signal(null); // { row, col, down }
  const middle = { row: Math.floor(rows / 2), col: Math.floor(cols / 2), down: false };
  const share = ({ row, col }) => [(col + 0.5) / cols, (row + 0.5) / rows];
  canvas.addEventListener('focus', () => {
    if (!canvas.classList.contains('by-hand')) cursor.value = cursor.value ?? middle;
  });
  canvas.addEventListener('blur', () => {
    cursor.value = null;
    canvas.classList.remove('by-hand');
  });
  canvas.addEventListener('pointerdown', () => { cursor.value = null; });
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey) return undoOrRedo(event, app);
    if (event.altKey) return;
    canvas.classList.remove('by-hand');
    const was = cursor.value ?? middle;
    const next = act(event, was, app, share);
    if (!next) return;
    event.preventDefault();
    cursor.value = next;
  });
  return { paint: (target) => paintCursor(target, cursor.value, rows, cols) };
}

function act(event, was, app, share) {
  const step = STEPS[event.key];
  const { rows, cols } = app.model.value;
  if (step) {
    const stride = event.shiftKey ? 4 : 1;
    const row = Math.min(rows - 1, Math.max(0, was.row + step[0] * stride));
    const col = Math.min(cols - 1, Math.max(0, was.col + step[1] * stride));
    const next = { ...was, row, col };
    if (was.down) app.pad.move(...share(next));
    return next;
  }
  if (event.key === ' ') {
    if (!was.down) app.pad.start(...share(was));
    app.announce(app.t(was.down ? 'pen.up' : 'pen.down', { row: was.row, col: was.col }));
    return { ...was, down: !was.down };
  }
  if (event.key === 'e' || event.key === 'E') {
    app.pad.erase = !app.pad.erase;
    app.pad.version.value += 1;
    app.announce(app.t(app.pad.erase ? 'tool.eraser' : 'tool.pen'));
    return { ...was, down: false };
  }
  return setPixel(event.key, was, app);
}

function setPixel(key, was, app) {
  if (app.mode.value !== 'frame') return null;
  const at = was.row * app.model.value.cols + was.col;
  const now = app.pad.ink[at];
  const wanted = { Enter: 1, Delete: 0, Backspace: 0 }[key] ?? (key in GREYS ? now + GREYS[key] : null);
  if (wanted === null) return null;
  app.pad.setPixel(at, wanted);
  app.announce(app.t('pixel.is', { row: was.row, col: was.col, ink: Math.round(100 * app.pad.ink[at]) }));
  return was;
}

function undoOrRedo(event, app) {
  const key = event.key.toLowerCase();
  if (key !== 'z' && key !== 'y') return;
  event.preventDefault();
  if (key === 'y' || event.shiftKey) app.pad.redo();
  else app.pad.undo();
}

function paintCursor(canvas, cursor, rows, cols) {
  const step = 12;
  canvas.width = cols * step;
  canvas.height = rows * step;
  if (!cursor) return;
  const context = canvas.getContext('2d');
  const colour = getComputedStyle(canvas).getPropertyValue('--link');
  context.strokeStyle = '#fff';
  context.lineWidth = 5;
  context.strokeRect(cursor.col * step + 1, cursor.row * step + 1, step - 2, step - 2);
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.strokeRect(cursor.col * step + 1, cursor.row * step + 1, step - 2, step - 2);
  if (!cursor.down) return;
  context.fillStyle = colour;
  context.fillRect(cursor.col * step + 4, cursor.row * step + 4, step - 8, step - 8);
}
