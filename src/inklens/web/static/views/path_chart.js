/** Accuracy and zeros along the path, or along a solver's time, with the point marked. */
import { html, render } from '../vendor/lit-html.js';
import { computed, effect } from '../vendor/signals-core.js';
import { lines, moveMark } from '../charts.js';
import { saveJson } from '../save.js';
import { isOverTime, nearest, pathOf } from '../points.js';
import { percent, significant } from '../texts.js';
import { show } from './dial.js';

const TOP = 1.08; // of the axis of shares: room for the names of marks above 100 %

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountPathChart(root, app) {
  const head = root.appendChild(document.createElement('div'));
  const holder = root.appendChild(Object.assign(document.createElement('div'), { className: 'course' }));
  const path = computed(() => pathOf(app));
  const overTime = computed(() => isOverTime(app));
  const foot = root.appendChild(Object.assign(document.createElement('p'), { className: 'saving' }));
  let chart = null;
  const ends = [
    effect(() => render(html`<h2>${app.t(overTime.value ? 'penalty.course.time' : 'penalty.course.title')}</h2>
      <p>${app.t(overTime.value ? 'penalty.course.time.text' : 'penalty.course.text')} ${overTime.value ? '' : best(app, path.value)}</p>`, head)),
    effect(() => {
      chart = overTime.value ? overPasses(app, path.value) : overC(app, path.value);
      chart.dataset.explain = 'penalty.course';
      holder.replaceChildren(chart);
    }),
    effect(() => {
      const point = app.point.value;
      const { Cs, epochs } = path.value;
      if (chart) moveMark(chart, point === null ? null : (epochs ? epochs[point] : Cs[point]));
    }),
  ];
  render(html`${app.t('penalty.save')} <button type="button" class="link" @click=${() => saveJson('path', documentOf(pathOf(app)))}>JSON</button>`, foot);
  return () => ends.forEach((end) => end());
}

/** All that is known of a path but its weights. @param {import('../core.js').Path} path */
function documentOf({ l1_ratio, group, entry_order, ...path }) {
  const lists = { C: path.Cs, ...(path.epochs ? { passes: path.epochs, tol: path.tols } : {}), pixels: path.pixels, nonzeros: path.nonzeros, train_accuracy: path.train_accuracy, test_accuracy: path.test_accuracy, relative_gap: path.gaps };
  const points = path.Cs.map((_, i) => Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, list[i]])));
  return { l1_ratio, group, points, entry_order };
}

/** The point that reads most held-out digits rightly; of several the one with the stronger penalty. */
function bestPoint({ test_accuracy: right }) {
  return right.indexOf(Math.max(...right));
}

function best(app, path) {
  const at = bestPoint(path);
  const lang = app.language.value;
  const zeros = 1 - path.nonzeros[at] / app.model.value.coef.length;
  return app.t('penalty.course.best', { C: significant(path.Cs[at], 2, lang), share: percent(path.test_accuracy[at], lang), zeros: percent(zeros, lang) });
}

function overC(app, path) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const along = (values) => path.Cs.map((C, i) => [C, values[i]]);
  const zeros = path.nonzeros.map((count) => 1 - count / app.model.value.coef.length);
  const at = path.Cs[bestPoint(path)];
  return lines({
    name: 'path', words: t('course.words'), caption: t('course.caption'), head: ['C', t('line.test'), t('line.train'), t('line.zeros')],
    lines: [
      { label: t('line.test'), points: along(path.test_accuracy), kind: 'first' },
      { label: t('line.train'), points: along(path.train_accuracy), kind: 'second', dashed: true },
      { label: t('line.zeros'), points: along(zeros), kind: 'quiet' },
    ],
    x: { label: t('course.C'), log: true, format: (C) => significant(C, 2, app.language.value) },
    y: { label: t('course.share'), least: 0, most: TOP, format: (share) => share.toLocaleString(app.language.value, { style: 'percent' }) },
    marks: [{ x: at, label: t('course.mark') }],
    onChoose: (C) => show(app, nearest(path, C)),
  }, app);
}

function overPasses(app, stops) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const [first, last] = [stops.epochs[0], stops.epochs.at(-2) ?? stops.epochs[0]];
  const along = (values) => stops.epochs.flatMap((passes, i) => (passes === null ? [] : [[passes, values[i]]]));
  const zeros = stops.nonzeros.map((count) => 1 - count / app.model.value.coef.length);
  return lines({
    name: 'early-stops', words: t('course.time.words'), caption: t('course.time.caption'), head: [t('dial.passes'), t('line.test'), t('line.gap'), t('line.zeros'), t('line.proven')],
    lines: [
      { label: t('line.test'), points: along(stops.test_accuracy), kind: 'first' },
      { label: t('line.gap'), points: along(stops.gaps), kind: 'second', dashed: true },
      { label: t('line.zeros'), points: along(zeros), kind: 'quiet' },
      { label: t('line.proven'), points: [first, last].map((passes) => [passes, zeros.at(-1)]), kind: 'quiet', dashed: true },
    ],
    x: { label: t('dial.passes'), log: true, format: (passes) => significant(passes, 2, app.language.value) },
    y: { label: t('course.share'), least: 0, most: TOP, format: (share) => share.toLocaleString(app.language.value, { style: 'percent' }) },
    marks: stops.tols.flatMap((tol, i) => (tol === null ? [] : [{ x: stops.epochs[i], label: `tol ${significant(tol, 2, app.language.value)}` }])),
    onChoose: (passes) => show(app, nearestStop(stops, passes)),
  }, app);
}

function nearestStop({ epochs }, passes) {
  const away = (value) => (value === null ? Infinity : Math.abs(Math.log(value) - Math.log(passes)));
  return epochs.reduce((found, value, i) => (away(value) < away(epochs[found]) ? i : found), 0);
}
