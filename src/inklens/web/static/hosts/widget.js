/**
 * The face in the frame of a notebook's widget (`inklens.notebook`): hosts/bridge.js on the other side of the frame hands
 * over the model and what Python sets, and takes what a person does here. Each widget is a host with views of its own.
 */
import { effect } from '../vendor/signals-core.js';
import { mount } from '../app.js';
import { door } from './door.js';

const PAUSE_MS = 40; // between two tellings while the pen moves: 25 a second are enough for Python

const { keep, fail } = globalThis.inklens.start;

/** What Python may set, by name. */
const SETTERS = {
  model: (app, bytes) => app.load(bytes),
  frame: (app, ink) => (ink.byteLength ? app.setFrame(new Float32Array(ink)) : app.startDrawing()),
  point: (app, point) => { app.point.value = point < 0 ? null : point; },
  target: (app, name) => { app.target.value = indexOf(app, name); },
  selected: (app, names) => {
    const [t, p] = names.map((name) => indexOf(app, name));
    app.cell.value = t === null || p === null ? null : { t, p };
  },
  language: (app, language) => { app.language.value = language; },
};

/** Wait for the model, and show it. @param {import('../app.js').View[]} views */
export function serve(views) {
  let app = null;
  addEventListener('message', ({ source, data }) => {
    if (source !== parent || !data?.inklens) return;
    try {
      if (data.inklens === 'begin') app = begin(views, data);
      else if (data.inklens === 'set' && app) SETTERS[data.name]?.(app, data.value);
    } catch (error) {
      fail(error);
    }
  });
  parent.postMessage({ inklens: 'here' }, '*');
}

function begin(views, { bytes, values }) {
  const root = document.getElementById('face');
  const app = mount(root, { bytes, views, language: values.language, host: { kind: 'widget' } });
  for (const [name, value] of Object.entries(values)) SETTERS[name]?.(app, value);
  Object.defineProperties(globalThis.inklens, Object.getOwnPropertyDescriptors(door(app)));
  new ResizeObserver(() => send('height', document.body.scrollHeight)).observe(document.body);
  tell(app);
  keep(globalThis.inklens);
  return app;
}

/** Tell what a person did: the answer while the pen moves, its strokes once it rests. @param {import('../app.js').App} app */
function tell(app) {
  let waiting = 0;
  effect(() => {
    const state = answerState(app);
    clearTimeout(waiting);
    waiting = setTimeout(() => send('state', state), PAUSE_MS);
  });
  effect(() => {
    void app.settled.value;
    send('state', { strokes: app.pad.marks.filter(({ kind }) => kind === 'stroke') });
  });
  effect(() => send('state', { _point: app.point.value ?? -1 }));
  effect(() => {
    const { classes } = app.model.value;
    send('state', { target: classes[app.target.value] ?? null });
    const { t, p } = app.cell.value ?? {};
    send('state', { selected: t === undefined ? [] : [classes[t], classes[p]] });
  });
}

function answerState(app) {
  const { best, p } = app.answer.value;
  const { classes } = app.model.value;
  const accepted = app.verdict.value.accepted && !app.isBlank.value;
  return {
    _frame: Float32Array.from(app.frame.value).buffer,
    accepted,
    label: accepted ? classes[best] : '',
    probabilities: Object.fromEntries(classes.map((name, k) => [name, p[k]])),
  };
}

function send(what, value) {
  parent.postMessage({ inklens: what, [what]: value }, '*');
}

function indexOf(app, name) {
  const at = app.model.value.classes.indexOf(name);
  return at < 0 ? null : at;
}
