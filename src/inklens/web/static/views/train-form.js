/** What to fit, and to what: data, split, features, penalty, promise. */
import { html, nothing } from '../vendor/lit-html.js';
import { signal } from '../vendor/signals-core.js';
import { decimal } from '../texts.js';

const C_LEAST = -4; // powers of ten that the slider reaches
const C_MOST = 4;
const TOLS = [1e-2, 1e-3, 1e-4, 1e-6];
const KINDS = ['l2', 'l1', 'elastic', 'group', 'none'];
const FEATURES = ['pixels', 'upright', 'strokes'];
const MOST_SEED = 4_294_967_295;

/**
 * @typedef {{
 *   data: string, train: number | null, test: number | null, seed: number, features: string, kind: string, C: number,
 *   l1_ratio: number, tol: number, digits: boolean, name: string
 * }} Plan null: the data's own share
 */

/** @type {Plan} */
const FIRST = { data: 'embedded', train: null, test: null, seed: 9, features: 'pixels', kind: 'l2', C: 0.1, l1_ratio: 0.5, tol: 1e-4, digits: false, name: '' };

/** A plan that outlives the view. */
export const plan = signal(FIRST);

/** @param {Partial<Plan>} change */
export function change(change) {
  plan.value = { ...plan.value, ...change };
}

/** Return the parameters of the task, as the studio takes them. @param {Plan} plan */
export function parametersOf({ data, train, test, seed, features, kind, C, l1_ratio, tol, digits }) {
  return {
    kind: 'fit', data, seed, features, tol, add_digits: digits,
    ...(train ? { train } : {}), ...(test ? { test } : {}),
    C, penalised: kind !== 'none',
    l1_ratio: { l2: 0, none: 0, l1: 1, group: 1, elastic: l1_ratio }[kind],
    group: kind === 'group',
  };
}

/** @param {import('../app.js').App} app @param {{ submit: () => void, busy: boolean, datasets: object[] | null, nDigits: number, bring: (file: File) => void, fetchOpenml: (name: string) => void, fetching: string, trouble: string }} options */
export function formOf(app, options) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const now = plan.value;
  return html`<form class="plan" @submit=${(event) => { event.preventDefault(); options.submit(); }}>
    <fieldset><legend>${t('data')}</legend>${dataOf(app, now, options)}</fieldset>
    <fieldset><legend>${t('split')}</legend>
      <div class="pair">${number(t('split.train'), 'train', now.train, t('split.auto'), 'train.split')}${number(t('split.test'), 'test', now.test, t('split.auto'), 'train.split')}</div>
      ${number(t('split.seed'), 'seed', now.seed, '', 'train.seed')}</fieldset>
    <fieldset><legend>${t('features')}</legend>${FEATURES.map((key) => radio('features', key, now.features === key, t(`features.${key}`), t(`features.${key}.is`)))}</fieldset>
    <fieldset class="penalty-choice"><legend>${t('penalty')}</legend>${KINDS.map((key) => radio('kind', key, now.kind === key, t(`kind.${key}`), t(`kind.${key}.is`)))}
      ${now.kind === 'none' ? nothing : html`<label class="slider" data-explain="train.C"><span>C</span><input type="range" min=${C_LEAST} max=${C_MOST} step="0.25" .value=${String(Math.log10(now.C))} @input=${(event) => change({ C: round(10 ** Number(event.target.value)) })}><output>${sizeOf(app, now.C)}</output></label>`}
      ${now.kind === 'elastic' ? html`<label class="slider" data-explain="train.ratio"><span>${t('ratio')}</span><input type="range" min="0.05" max="0.95" step="0.05" .value=${String(now.l1_ratio)} @input=${(event) => change({ l1_ratio: Number(event.target.value) })}><output>${decimal(now.l1_ratio, 2, app.language.value)}</output></label>` : nothing}
    </fieldset>
    <fieldset class="promise"><legend>${t('promise')}</legend><label data-explain="train.tol"><span>${t('promise.is')}</span>
      <select @change=${(event) => change({ tol: Number(event.target.value) })}>${TOLS.map((tol) => html`<option value=${tol} .selected=${tol === now.tol} ?selected=${tol === now.tol}>${t('promise.tol', { tol: shareOf(app, tol) })}</option>`)}</select></label>
      <p class="row"><button type="submit" class="primary" ?disabled=${options.busy}>${t(options.busy ? 'fit.busy' : 'fit')}</button></p>
      ${options.trouble ? html`<p class="state error" role="alert">${options.trouble}</p>` : nothing}</fieldset>
  </form>`;
}

function dataOf(app, now, { datasets, nDigits, bring, fetchOpenml, fetching }) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const absent = datasets?.find(({ spec, ready }) => spec === now.data && ready === false);
  const named = (event) => {
    const input = event.target.closest('.openml').querySelector('input');
    if (input.value.trim()) fetchOpenml(input.value.trim());
  };
  return html`<label data-explain="train.data"><span class="hidden">${t('data')}</span><select class="wide" @change=${(event) => change({ data: event.target.value })}>
      ${(datasets ?? [{ spec: 'embedded', name: t('data.embedded') }]).map(({ spec, name, n_samples: n }) => html`<option value=${spec} .selected=${spec === now.data} ?selected=${spec === now.data}>${name}${n ? ` (${n.toLocaleString(app.language.value)})` : ''}</option>`)}</select></label>
    ${absent ? html`<p class="row"><button type="button" class="quiet" ?disabled=${fetching !== ''} @click=${() => fetchOpenml(absent.spec)}>${t('data.bring.named', { mb: Math.max(1, Math.round(absent.download_bytes / 1e6)) })}</button></p>` : nothing}
    <p class="state fetching" role="status">${fetching}</p>
    <label class="check"><input type="checkbox" .checked=${now.digits} ?disabled=${nDigits === 0} @change=${(event) => change({ digits: event.target.checked })}><span>${t('data.digits', { n: nDigits })}</span></label>
    <details><summary>${t('data.more')}</summary>
      <p>${t('data.bring')}</p>
      <p class="row"><label class="button"><input type="file" class="hidden" accept=".zip,.npz" @change=${(event) => { const [file] = event.target.files; if (file) bring(file); event.target.value = ''; }}>${t('data.file')}</label></p>
      <p class="row openml"><label><span class="hidden">${t('data.openml')}</span><input type="text" placeholder=${t('data.openml')} maxlength="100" autocomplete="off" @keydown=${(event) => { if (event.key === 'Enter') { event.preventDefault(); named(event); } }}></label>
        <button type="button" class="quiet" @click=${named}>${t('data.fetch')}</button></p></details>`;
}

function number(label, key, value, placeholder, explain) {
  const most = key === 'seed' ? MOST_SEED : 10_000_000;
  return html`<label class="number" data-explain=${explain}><span>${label}</span><input type="number" min=${key === 'seed' ? 0 : 1} max=${most} step="1" placeholder=${placeholder} .value=${value === null ? '' : String(value)}
    @change=${(event) => { if (event.target.checkValidity()) change({ [key]: event.target.value === '' ? (key === 'seed' ? 0 : null) : Number(event.target.value) }); }}></label>`;
}

function radio(name, value, checked, label, words) {
  return html`<label class="option" data-explain="train.${name === 'kind' ? 'kind' : 'features'}"><input type="radio" name=${name} value=${value} .checked=${checked} @change=${() => change({ [name]: value })}><span><strong>${label}</strong> <span class="is">${words}</span></span></label>`;
}

/** Two digits are enough: the slider moves by quarters of a power of ten. */
function round(value) {
  return Number(value.toPrecision(2));
}

function sizeOf(app, value) {
  return value.toLocaleString(app.language.value, { maximumSignificantDigits: 2 });
}

function shareOf(app, tol) {
  return `${(100 * tol).toLocaleString(app.language.value, { maximumSignificantDigits: 2 })}${app.language.value === 'de' ? '\u00a0' : ''}%`;
}
