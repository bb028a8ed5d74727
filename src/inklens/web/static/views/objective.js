/** The formula of the penalty, with words and with this point's numbers. */
import { html, mathml, render } from '../vendor/lit-html.js';
import { pathOf, pointOf } from '../points.js';
import { decimal, significant } from '../texts.js';
import { seen } from '../seen.js';

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountObjective(root, app) {
  return seen(root, app, () => render(objective(app), root));
}

function objective(app) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  const lang = app.language.value;
  const point = pointOf(app);
  const { share, group } = penaltyOf(app, point.index);
  const { sum, squares, columns } = norms(app.weights.value.coef, app.model.value.classes.length);
  const L1 = group
    ? mathml`<munder><mo>∑</mo><mi>j</mi></munder><mo form="prefix">‖</mo><msub><mi>w</mi><mrow><mo>·</mo><mi>j</mi></mrow></msub><mo form="postfix">‖</mo>`
    : mathml`<munder><mo>∑</mo><mrow><mi>k</mi><mi>j</mi></mrow></munder><mo form="prefix">|</mo><msub><mi>w</mi><mrow><mi>k</mi><mi>j</mi></mrow></msub><mo form="postfix">|</mo>`;
  const values = { C: significant(point.C, 3, lang), share: significant(share, 2, lang), sum: decimal(group ? columns : sum, 1, lang), squares: decimal(squares, 1, lang) };
  return html`<h2>${t('objective.title')}</h2>
    <p class="formula" role="math" aria-label=${t('objective.spoken')}><math display="inline" displaystyle="true"><munder><mi>min</mi><mrow><mi>W</mi><mo>,</mo><mi>b</mi></mrow></munder><mspace width="0.3em"></mspace>
      <mi>C</mi><munder><mo>∑</mo><mi>i</mi></munder><mrow><mo>(</mo><mo>−</mo><mi>ln</mi><mspace width="0.15em"></mspace><msub><mi>p</mi><mi>i</mi></msub><mo>)</mo></mrow></math>
      <math display="inline" displaystyle="true"><mo form="infix">+</mo><mi>ρ</mi><mrow>${L1}</mrow></math>
      <math display="inline" displaystyle="true"><mo form="infix">+</mo><mfrac><mrow><mn>1</mn><mo>−</mo><mi>ρ</mi></mrow><mn>2</mn></mfrac><munder><mo>∑</mo><mrow><mi>k</mi><mi>j</mi></mrow></munder><msubsup><mi>w</mi><mrow><mi>k</mi><mi>j</mi></mrow><mn>2</mn></msubsup></math></p>
    <dl class="terms">
      <div><dt><math displaystyle="true"><mi>C</mi><munder><mo>∑</mo><mi>i</mi></munder><mrow><mo>(</mo><mo>−</mo><mi>ln</mi><mspace width="0.15em"></mspace><msub><mi>p</mi><mi>i</mi></msub><mo>)</mo></mrow></math></dt><dd>${t('objective.loss')}</dd></div>
      <div><dt><math displaystyle="true"><mi>ρ</mi><mrow>${L1}</mrow></math></dt><dd>${t(group ? 'objective.group' : 'objective.L1')}</dd></div>
      <div><dt><math displaystyle="true"><mfrac><mrow><mn>1</mn><mo>−</mo><mi>ρ</mi></mrow><mn>2</mn></mfrac><munder><mo>∑</mo><mrow><mi>k</mi><mi>j</mi></mrow></munder><msubsup><mi>w</mi><mrow><mi>k</mi><mi>j</mi></mrow><mn>2</mn></msubsup></math></dt><dd>${t('objective.L2')}</dd></div>
    </dl>
    <p>${Number.isNaN(point.C) ? t('objective.unknown', values) : t(group ? 'objective.here.group' : 'objective.here', values)}</p>`;
}

function penaltyOf(app, index) {
  if (index !== null) return { share: pathOf(app).l1_ratio, group: pathOf(app).group };
  const { l1_ratio: share = 0, group = false } = app.model.value.header.penalty ?? {};
  return { share, group };
}

/** Sum of |w|, of w squared, and of the lengths of the columns. */
function norms(coef, K) {
  const n = coef.length / K;
  const lengths = new Float64Array(n);
  let [sum, squares] = [0, 0];
  for (let at = 0; at < coef.length; at += 1) {
    sum += Math.abs(coef[at]);
    squares += coef[at] ** 2;
    lengths[at % n] += coef[at] ** 2;
  }
  return { sum, squares, columns: lengths.reduce((total, length) => total + Math.sqrt(length), 0) };
}
