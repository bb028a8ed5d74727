/**
 * The state in the address: #view=see&pair=4-9&sample=12&point=30&lang=de, so that a link opens what was seen. A frame
 * in another page has no address of its own; there `data-open` of its document says what to begin with, which may also
 * be row=33 (of the held-out half) or frame=... (a byte of ink a pixel, base64).
 */
import { batch, effect } from './vendor/signals-core.js';
import { LANGUAGES } from './texts.js';

const REST_MS = 200; // without a change: browsers refuse to write the address at each step of a slider

/** Take over what the address says, then keep it up to date. @param {import('./app.js').App} app */
export function followAddress(app) {
  read(app, document.documentElement.dataset.open ?? '');
  if (!['studio', 'page'].includes(app.host.kind)) return;
  read(app, location.hash.slice(1));
  addEventListener('hashchange', () => read(app, location.hash.slice(1)));
  let waiting = 0;
  effect(() => {
    const parts = { view: app.view.value };
    if (app.chosen.value) parts.pair = app.chosen.value.map((k) => app.model.value.classes[k]).join('-');
    if ((app.sample.value?.index ?? -1) >= 0) parts.sample = String(app.sample.value.index);
    if (app.point.value !== null) Object.assign(parts, pointParts(app));
    for (const { address } of app.views) Object.assign(parts, address?.parts(app));
    parts.lang = app.language.value;
    clearTimeout(waiting);
    waiting = setTimeout(() => history.replaceState(null, '', `#${new URLSearchParams(parts)}`), REST_MS);
  });
}

function read(app, text) {
  const asked = new URLSearchParams(text);
  const { classes, samples } = app.model.value;
  const pair = asked.get('pair')?.split('-').map((name) => classes.indexOf(name));
  if (pair?.length === 2 && pair.every((k) => k >= 0) && pair[0] !== pair[1]) app.chosen.value = pair;
  const row = asked.get('row') === null ? -1 : Array.from(samples?.rows ?? []).indexOf(Number(asked.get('row')));
  const sample = row >= 0 ? row : whole(asked.get('sample'), samples?.length ?? 0);
  const frame = frameOf(asked.get('frame'), app.model.value);
  if (frame) app.setFrame(frame);
  if (sample !== null && sample !== app.sample.value?.index) app.showSample(sample);
  const along = pathNamed(asked.get('path'), app.model.value);
  const point = whole(asked.get('point'), along?.Cs.length ?? 0);
  if (point !== null) batch(() => {
    app.path.value = along === app.model.value.path ? null : along;
    app.point.value = point;
  });
  if (Object.hasOwn(LANGUAGES, asked.get('lang'))) app.language.value = asked.get('lang');
  if (asked.get('view')) app.go(asked.get('view'));
  for (const { address } of app.views) address?.read(app, asked); // last: what the address brought, no visitor did
}

/** Which path a point is on: that of the model, the nth (path=1), or the early stops (path=stops). */
function pathNamed(name, { paths, path, tolerance }) {
  if (name === 'stops') return tolerance;
  return name === null ? path : paths[whole(name, paths.length) ?? 0];
}

function pointParts({ model, path, point }) {
  const { paths, tolerance } = model.value;
  const number = paths.indexOf(path.value);
  const name = path.value && path.value === tolerance ? { path: 'stops' } : number > 0 ? { path: String(number) } : {};
  return { ...name, point: String(point.value) };
}

function frameOf(text, { rows, cols }) {
  if (!text) return null;
  try {
    const frame = Float64Array.from(atob(text), (char) => char.charCodeAt(0) / 255);
    return frame.length === rows * cols ? frame : null;
  } catch {
    return null;
  }
}

function whole(text, end) {
  const number = text === null ? NaN : Number(text);
  return Number.isInteger(number) && number >= 0 && number < end ? number : null;
}
