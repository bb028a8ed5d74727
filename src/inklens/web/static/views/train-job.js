/** A fit while it runs: objective and proven bound over time, the gap, the maps, and the end with what it proved. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { batch, computed, effect, signal, untracked } from '../vendor/signals-core.js';
import { keepOpen, lines } from '../charts.js';
import { Painter } from '../canvas.js';
import { fromBase64 } from '../api.js';
import { gapText } from '../points.js';
import { decimal } from '../texts.js';

const LEVELS = 127; // of a signed byte
const REDRAWN_MS = 250; // charts: often enough to see, rare enough to cost nothing

/**
 * @typedef {import('../api.js').Progress} Progress
 * @typedef {import('../api.js').Job} Job
 */

/** A job that is followed; it goes on while another view is open. */
export class Run {
  /** @param {import('../api.js').StudioApi} api */
  constructor(api) {
    this.api = api;
    /** @type {import('../vendor/signals-core.js').Signal<Job | null>} */
    this.job = signal(null);
    /** @type {import('../vendor/signals-core.js').Signal<Progress[]>} points of a fit, each with an objective */
    this.points = signal([]);
    /** @type {import('../vendor/signals-core.js').Signal<Progress | null>} */
    this.last = signal(null);
    this.maps = signal(null);
    this.isRunning = computed(() => ['waiting', 'running'].includes(this.job.value?.state));
    this.stop = () => {};
  }

  /** Start a job. @param {object} asked @param {(job: Job) => void} ended */
  async start(asked, ended) {
    const before = this.job.value;
    this.#begin({ id: '', kind: asked.kind, state: 'waiting', asked, progress: null, model: null, result: null, error: null });
    try {
      this.follow(await this.api.startJob(asked), ended);
    } catch (error) {
      this.job.value = before;
      throw error;
    }
  }

  #begin(job) {
    this.stop();
    batch(() => {
      this.job.value = job;
      this.points.value = [];
      this.last.value = null;
      this.maps.value = null;
    });
  }

  /** @param {Job} job @param {(job: Job) => void} ended */
  follow(job, ended) {
    this.#begin(job);
    this.stop = this.api.jobEvents(job.id, {
      state: (now) => { this.job.value = now; },
      progress: (now) => this.#learn(now),
      maps: (now) => { this.maps.value = now; },
      end: (now) => {
        if (now.kind === 'fit' && now.result && now.progress) this.#learn({ ...now.progress, ...now.result, seconds: now.progress.seconds }); // the end, as it is proven
        this.job.value = now;
        ended(now);
      },
      lost: () => { this.job.value = { ...this.job.value, state: 'lost' }; },
    });
  }

  /** Signs of life repeat the best so far: of equal points in a row, the first and the last are kept. */
  #learn(now) {
    this.last.value = now;
    if (now.objective === null || now.objective === undefined) return;
    const known = this.points.value;
    const isSame = (one) => one && one.objective === now.objective && one.lower_bound === now.lower_bound;
    const kept = isSame(known.at(-1)) && isSame(known.at(-2)) ? known.slice(0, -1) : known;
    this.points.value = [...kept, now];
  }

  async cancel() {
    await this.api.cancelJob(this.job.value.id);
  }
}

/** @param {HTMLElement} root @param {import('../app.js').App} app @param {Run} run @returns {() => void} */
export function mountRun(root, app, run) {
  const [head, charts, maps] = ['about', 'run-charts', 'run-maps'].map((name) => root.appendChild(Object.assign(document.createElement('div'), { className: name })));
  const [bounds, gaps] = [0, 1].map(() => charts.appendChild(document.createElement('div')));
  const shown = throttled(run.points, REDRAWN_MS);
  const painters = mapPainters(maps, app);
  const ends = [
    effect(() => {
      root.hidden = run.job.value === null;
      if (run.job.value) render(heading(app, run), head);
    }),
    effect(() => {
      const seen = shown.signal.value;
      if (seen.length === 0) {
        bounds.replaceChildren();
        gaps.replaceChildren();
        return;
      }
      keepOpen(bounds, boundChart(app, seen));
      keepOpen(gaps, gapChart(app, seen, run.job.value?.asked.tol));
    }),
    effect(() => painters(run.maps.value)),
    shown.end,
  ];
  return () => ends.forEach((end) => end());
}

/** A signal that follows another, but changes only so often. */
function throttled(source, ms) {
  const follower = signal(source.value);
  let timer = 0;
  const end = effect(() => {
    const now = source.value;
    if (now.length === 0) follower.value = now;
    if (timer) return;
    timer = setTimeout(() => {
      timer = 0;
      follower.value = untracked(() => source.value);
    }, ms);
  });
  return { signal: follower, end: () => { end(); clearTimeout(timer); } };
}

function heading(app, run) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const { state, error } = run.job.value;
  return html`<h2>${t('run.title')}</h2>
    <div class="run-state">${run.isRunning.value ? html`<button type="button" data-explain="train.cancel" ?disabled=${!run.job.value.id} title=${t('run.cancel.is')} @click=${() => run.cancel().catch((problem) => app.announce(problem.message))}>${t('run.cancel')}</button>` : nothing}
      <span role="status"><strong>${t(`state.${state}`)}</strong> ${error ? html`<span class="state error">${error.detail}</span>` : nothing} ${state === 'waiting' ? nothing : told(app, run.last.value)}</span></div>`;
}

/** How far a fit is, in words. */
function told(app, last) {
  if (!last) return nothing;
  const number = (value, digits) => value.toLocaleString(app.language.value, { maximumSignificantDigits: digits });
  if (last.objective == null) return app.t('train.run.before', { what: last.what, seconds: decimal(last.seconds, 1, app.language.value) });
  return app.t('train.run.now', { seconds: decimal(last.seconds, 1, app.language.value), passes: number(last.passes ?? 0, 4), gap: last.relative_gap === null ? '?' : gapText(last.relative_gap, app.language.value) });
}

function boundChart(app, seen) {
  const t = (key) => app.t(`train.${key}`);
  const points = (key) => seen.filter((one) => Number.isFinite(one[key])).map((one) => [one.seconds, one[key]]);
  return lines({
    name: 'objective', words: t('chart.bounds.words'), caption: t('chart.bounds'), head: [t('chart.seconds'), t('chart.objective'), t('chart.bound')], summary: t('chart.table'),
    lines: [{ label: t('chart.objective'), points: points('objective'), kind: 'first' }, { label: t('chart.bound'), points: points('lower_bound'), kind: 'second' }],
    x: { label: t('chart.seconds'), least: 0 }, y: { label: '' }, height: 230,
  }, app);
}

function gapChart(app, seen, tol) {
  const t = (key) => app.t(`train.${key}`);
  const points = seen.filter(({ relative_gap: gap }) => gap > 0).map(({ seconds, relative_gap: gap }) => [seconds, gap]);
  const drawn = [{ label: t('chart.gap'), points, kind: 'first' }];
  if (tol && points.length > 1) drawn.push({ label: t('chart.tol'), points: [[points[0][0], tol], [points.at(-1)[0], tol]], kind: 'quiet', dashed: true });
  return lines({
    name: 'gap', words: t('chart.gap.words'), caption: t('chart.gap.caption'), head: drawn.map(({ label }) => label).reduce((all, label) => [...all, label], [t('chart.seconds')]), summary: t('chart.table'),
    lines: drawn, x: { label: t('chart.seconds'), least: 0 }, y: { label: '', log: true, format: (value) => value.toExponential(0).replace('-', '−') }, height: 230,
  }, app);
}

/** The maps of all classes, kept and repainted; there are none of features that have no place on the picture. */
function mapPainters(root, app) {
  const title = Object.assign(document.createElement('p'), { className: 'state' });
  const grid = Object.assign(document.createElement('div'), { className: 'maps-all' });
  root.append(title, grid);
  const { classes, rows, cols } = app.model.value;
  const painters = classes.map((name) => {
    const canvas = Object.assign(document.createElement('canvas'), { className: 'map' });
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', app.t('train.map', { class: name }));
    const tile = Object.assign(document.createElement('div'), { className: 'tile' });
    tile.append(Object.assign(document.createElement('p'), { className: 'tile-name', textContent: name }), canvas);
    grid.append(tile);
    return new Painter(canvas, rows, cols);
  });
  title.textContent = app.t('train.maps');
  const blank = new Float64Array(rows * cols).fill(1e-9);
  return (maps) => {
    const fits = maps !== null && maps.n_features === rows * cols && maps.n_classes === classes.length;
    root.classList.toggle('is-empty', !fits);
    const values = fits ? Float64Array.from(new Int8Array(fromBase64(maps.coef).buffer), (step) => step * maps.scale) : blank;
    painters.forEach((painter, k) => painter.signed(values, fits ? LEVELS * maps.scale : 1, fits ? k * rows * cols : 0));
  };
}
