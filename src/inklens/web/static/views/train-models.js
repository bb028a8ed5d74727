/** Models that the studio keeps: on the pad, beside it, downloaded, deleted, brought. */
import { html, nothing } from '../vendor/lit-html.js';
import { percent } from '../texts.js';
import { gapText } from '../points.js';

/**
 * @param {import('../app.js').App} app @param {import('../library.js').Library} library
 * @param {{ attempt: (work: () => Promise<unknown>) => void, asked: string | null, ask: (id: string | null) => void }} options
 *   attempt: runs work and shows what went wrong; asked: the model whose deletion is to be confirmed
 */
export function modelsTable(app, library, { attempt, asked, ask }) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const models = library.models.value;
  const bring = (event) => {
    const [file] = event.target.files;
    event.target.value = '';
    if (file) attempt(async () => {
      const { id } = await library.api.addModel(file, file.name.replace(/\.inklens$/, ''));
      await library.refreshModels();
      await library.use(app, id);
    });
  };
  return html`<h2>${t('models')}</h2>
    ${models === null ? html`<p class="state">${t('loading')}</p>` : models.length === 0 ? html`<p class="state">${t('models.none')}</p>` : html`
    <ul class="models">${models.map((entry) => item(app, library, entry, { attempt, asked, ask }))}</ul>`}
    <p class="row"><label class="button quiet" data-explain="train.bring"><input type="file" accept=".inklens" class="hidden" @change=${bring}>${t('models.bring')}</label></p>`;
}

function item(app, library, entry, { attempt, asked, ask }) {
  const t = (key, values) => app.t(`train.${key}`, values);
  const { id, name } = entry;
  const isCurrent = library.current.value === id;
  const isBeside = library.beside.value === id;
  const link = (kind, words, file) => html`<a class="button quiet" href=${library.api.link(id, kind)} download=${file} aria-label=${t('models.of', { action: words, name })}>${words}</a>`;
  const action = (words, act, pressed) => html`<button type="button" class="quiet" aria-pressed=${String(pressed)} aria-label=${t('models.of', { action: words, name })} @click=${() => attempt(act)}>${words}</button>`;
  return html`<li class=${isCurrent ? 'current' : ''}><div><strong>${name}</strong><span class="line">${facts(app, entry).join(' · ')}</span></div>
    <div class="row actions">
      ${action(t('models.use'), () => library.use(app, id), isCurrent)}
      ${action(t('models.beside'), () => library.compare(app, isBeside ? null : id), isBeside)}
      ${link('modelFile', t('models.file'), `${name}.inklens`)}${link('modelPage', t('models.page'), `${name}.html`)}
      ${isCurrent ? nothing : asked === id
        ? html`<button type="button" @click=${() => { ask(null); attempt(() => library.deleteModel(id)); }}>${t('models.delete.sure')}</button><button type="button" class="quiet" @click=${() => ask(null)}>${t('models.delete.no')}</button>`
        : html`<button type="button" class="quiet" aria-label=${t('models.of', { action: t('models.delete'), name })} @click=${() => ask(id)}>${t('models.delete')}</button>`}
    </div></li>`;
}

/** What tells a model from others, in few words. */
function facts(app, { features, penalty, certificate, accuracy }) {
  const t = (key, values) => app.t(`train.${key}`, values);
  return [
    t(`features.${features}`), penalty ? penaltyOf(app, penalty) : null,
    certificate ? t(`status.${certificate.status}`, { gap: gapText(certificate.relative_gap, app.language.value) }) : null,
    accuracy.test === null ? null : t('models.accuracy', { share: percent(accuracy.test, app.language.value) }),
  ].filter((fact) => fact !== null);
}

/** A penalty in a few signs. @param {import('../app.js').App} app @param {{ C: number | string | null, l1_ratio: number, group: boolean } | null} penalty */
export function penaltyOf(app, penalty) {
  if (!penalty) return '–';
  if (penalty.C === null || penalty.C === 'inf') return app.t('train.kind.none');
  const kind = penalty.group ? 'group' : { 0: 'l2', 1: 'l1' }[penalty.l1_ratio] ?? 'elastic';
  return `${app.t(`train.kind.${kind}`)}, C = ${penalty.C.toLocaleString(app.language.value, { maximumSignificantDigits: 3 })}`;
}
