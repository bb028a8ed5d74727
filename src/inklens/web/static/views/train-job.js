/** A fit while it runs: objective and proven bound over time, the gap, the maps, and the end with what it proved. */
import { html, nothing, render } from '../vendor/lit-html.js';
import { batch, computed, effect, signal, untracked } from '../vendor/signals-core.js';
import { keepOpen, lines } from '../charts.js';
import { Painter } from '../canvas.js';
import { fromBase64 } from '../api.js';
import { percent } from '../texts.js';

const REDRAWN_MS = 250; // charts: often enough to see, rare enough to cost nothing

/**
 * @typedef {import('../api.js').Progress} Progress
 * @typedef {{ id: string, parameters: object, state: string, detail?: string, model?: string | null, result?: object }} Followed
 */

/** A job that is followed; it goes on while another view is open. */
export class Run {
  /** @param {import('../api.js').StudioApi} api */
  constructor(api) {
    this.api = api;
    /** @type {import('../vendor/signals-core.js').Signal<Followed | null>} */
    this.job = signal(null);
    /** @type {import('../vendor/signals-core.js').Signal<Progress[]>} */
    this.progress = signal([]);
    this.maps = signal(null);
    this.isRunning = computed(() => ['waiting', 'running'].includes(this.job.value?.state));
    this.stop = () => {};
  }

  /** Start a job. @param {object} parameters @param {(job: Followed) => void} ended */
  async start(parameters, ended) {
    const job = await this.api.startJob(parameters);
    this.follow({ ...job, parameters }, ended);
  }

  /** @param {Followed} job @param {(job: Followed) => void} ended */
  follow(job, ended) {
    this.stop();
    batch(() => {
      this.job.value = { ...job, state: job.state ?? 'waiting' };
      this.progress.value = [];
      this.maps.value = null;
    });
    const learn = (told) => { this.job.value = { ...this.job.value, ...told }; };
    this.stop = this.api.jobEvents(job.id, {
      state: learn,
      progress: (now) => { this.progress.value = [...this.progress.value, now]; },
      maps: (now) => { this.maps.value = now; },
      end: (told) => {
        learn(told);
        ended(this.job.value);
      },
      lost: () => learn({ state: 'lost' }),
    });
  }

  async cancel() {
    await this.api.cancelJob(this.job.value.id);
  }
}

/** @param {HTMLElement} root @param {import('../app.js').App} app @param {Run} run @returns {() => void} */
export function mountRun(root, app, run) {
  const [head, charts, maps] = ['about', 'run-charts', 'run-maps'].map((name) => root.appendChild(Object.assign(document.createElement('div'), { className: name })));
  const [bounds, gaps] = [0, 1].map(() => charts.appendChild(document.createElement('div')));
  const shown = throttled(run.progress, REDRAWN_MS);
  const painters = mapPainters(maps, app);
  const ends = [
    effect(() => {
      root.hidden = run.job.value === null;
      if (run.job.value) render(heading(app, run), head);
    }),
    effect(() => {
      const seen = shown.signal.value;
      charts.hidden = seen.length === 0;
      if (seen.length === 0) return;
      keepOpen(bounds, boundChart(app, seen));
      keepOpen(gaps, gapChart(app, seen, run.job.value?.parameters.tol));
    }),
    effect(() => {
      maps.hidden = run.maps.value === null;
      if (run.maps.value) painters(run.maps.value);
    }),
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
  const { state, detail } = run.job.value;
  const last = run.progress.value.at(-1);
  const number = (value, digits) => value.toLocaleString(app.language.value, { maximumSignificantDigits: digits });
  const words = last ? t('run.now', { seconds: number(last.seconds, 3), passes: number(last.passes, 4), gap: gapOf(app, last.gap) }) : nothing;
  return html`<h2>${t('run.title')}</h2>
    <p class="run-state" role="status"><strong>${t(`state.${state}`)}</strong> ${detail ? html`<span class="state error">${detail}</span>` : nothing} <span>${words}</span></p>
    ${run.isRunning.value ? html`<p class="row"><button type="button" data-explain="train.cancel" @click=${() => run.cancel().catch((error) => app.announce(error.message))}>${t('run.cancel')}</button> <span class="state">${t('run.cancel.is')}</span></p>` : nothing}`;
}

/** A relative gap as people read it. @param {import('../app.js').App} app @param {number} gap */
export function gapOf(app, gap) {
  return gap >= 1e-3 ? percent(gap, app.language.value) : gap > 0 ? gap.toExponential(1).replace('-', '−') : '0';
}

function boundChart(app, seen) {
  const t = (key) => app.t(`train.${key}`);
  const points = (key) => seen.filter((one) => Number.isFinite(one[key])).map((one) => [one.seconds, one[key]]);
  return lines({
    name: 'objective', words: t('chart.bounds.words'), caption: t('chart.bounds'), head: [t('chart.seconds'), t('chart.objective'), t('chart.bound')], summary: t('chart.table'),
    lines: [{ label: t('chart.objective'), points: points('objective'), kind: 'first' }, { label: t('chart.bound'), points: points('lower_bound'), kind: 'second' }],
    x: { label: t('chart.seconds') }, y: { label: '' }, height: 230,
  }, app);
}

function gapChart(app, seen, tol) {
  const t = (key) => app.t(`train.${key}`);
  const points = seen.filter(({ gap }) => gap > 0).map(({ seconds, gap }) => [seconds, gap]);
  const drawn = [{ label: t('chart.gap'), points, kind: 'first' }];
  if (tol && points.length > 1) drawn.push({ label: t('chart.tol'), points: [[points[0][0], tol], [points.at(-1)[0], tol]], kind: 'quiet', dashed: true });
  return lines({
    name: 'gap', words: t('chart.gap.words'), caption: t('chart.gap.caption'), head: drawn.map(({ label }) => label).reduce((all, label) => [...all, label], [t('chart.seconds')]), summary: t('chart.table'),
    lines: drawn, x: { label: t('chart.seconds') }, y: { label: '', log: true, format: (value) => value.toExponential(0).replace('-', '−') }, height: 230,
  }, app);
}

/** The maps of all classes, kept and repainted. */
function mapPainters(root, app) {
  let painters = [];
  const title = Object.assign(document.createElement('p'), { className: 'state' });
  const grid = Object.assign(document.createElement('div'), { className: 'maps-all' });
  root.append(title, grid);
  return ({ classes, rows, cols, scale, data }) => {
    title.textContent = app.t('train.maps');
    if (painters.length !== classes.length) {
      painters = classes.map((name) => {
        const canvas = Object.assign(document.createElement('canvas'), { className: 'map' });
        canvas.setAttribute('role', 'img');
        canvas.setAttribute('aria-label', app.t('train.map', { class: name }));
        const tile = Object.assign(document.createElement('div'), { className: 'tile' });
        tile.append(Object.assign(document.createElement('p'), { className: 'tile-name', textContent: name }), canvas);
        grid.append(tile);
        return new Painter(canvas, rows, cols);
      });
      grid.replaceChildren(...[...grid.children].slice(-classes.length));
    }
    const values = Float64Array.from(new Int8Array(fromBase64(data).buffer), (step) => (step * scale) / 127);
    painters.forEach((painter, k) => painter.signed(values, scale, k * rows * cols));
  };
}
