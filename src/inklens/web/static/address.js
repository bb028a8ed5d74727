/** The state in the address: #view=see&pair=4-9&sample=12&point=30&lang=de, so that a link opens what was seen. */
import { effect } from './vendor/signals-core.js';

/** Take over what the address says, then keep it up to date. @param {import('./app.js').App} app */
export function followAddress(app) {
  if (!['studio', 'page'].includes(app.host.kind)) return;
  read(app);
  addEventListener('hashchange', () => read(app));
  effect(() => {
    const parts = { view: app.view.value };
    if (app.chosen.value) parts.pair = app.chosen.value.map((k) => app.model.value.classes[k]).join('-');
    if ((app.sample.value?.index ?? -1) >= 0) parts.sample = String(app.sample.value.index);
    if (app.point.value !== null) parts.point = String(app.point.value);
    parts.lang = app.language.value;
    history.replaceState(null, '', `#${new URLSearchParams(parts)}`);
  });
}

function read(app) {
  const asked = new URLSearchParams(location.hash.slice(1));
  const { classes, samples, path } = app.model.value;
  const pair = asked.get('pair')?.split('-').map((name) => classes.indexOf(name));
  if (pair?.length === 2 && pair.every((k) => k >= 0) && pair[0] !== pair[1]) app.chosen.value = pair;
  const sample = whole(asked.get('sample'), samples?.length ?? 0);
  if (sample !== null && sample !== app.sample.value?.index) app.showSample(sample);
  const point = whole(asked.get('point'), path?.length ?? 0);
  if (point !== null) app.point.value = point;
  if (['en', 'de'].includes(asked.get('lang'))) app.language.value = asked.get('lang');
  if (asked.get('view')) app.go(asked.get('view'));
}

function whole(text, end) {
  const number = text === null ? NaN : Number(text);
  return Number.isInteger(number) && number >= 0 && number < end ? number : null;
}
