/** A model without a path: what to do about it. */
import { html, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountWithoutPath(root, app) {
  root.classList.add('card');
  const state = signal({ kind: 'idle' });
  const begin = async () => {
    state.value = { kind: 'working' };
    try {
      await app.host.api.startJob({ kind: 'path', l1_ratio: 1, points: 60 });
      state.value = { kind: 'begun' };
    } catch (error) {
      state.value = { kind: 'failed', message: error.message };
    }
  };
  return effect(() => render(app.host.api ? offer(app, state.value, begin) : command(app), root));
}

function command(app) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  return html`<h2>${t('none.title')}</h2><p>${t(app.model.value.features === 'pixels' ? 'none.text' : 'none.features')}</p>
    <pre class="command" tabindex="0"><code>${app.model.value.features === 'pixels' ? '' : 'inklens fit -o model.inklens\n'}inklens export model.inklens --path -o page.html</code></pre>`;
}

function offer(app, { kind, message }, begin) {
  const t = (key, values) => app.t(`penalty.${key}`, values);
  return html`<h2>${t('none.title')}</h2><p>${t(app.model.value.features === 'pixels' ? 'none.studio' : 'none.features')}</p>
    <div class="row"><button type="button" class="primary" ?disabled=${kind === 'working' || kind === 'begun'} data-explain="penalty.job" @click=${begin}>${t('none.start')}</button>
      ${kind === 'begun' && app.views.some(({ key }) => key === 'train') ? html`<button type="button" class="link" @click=${() => app.go('train')}>${t('none.watch')}</button>` : ''}</div>
    ${kind === 'idle' ? '' : html`<p class=${kind === 'failed' ? 'state error' : 'state'} role="status">${kind === 'failed' ? message : t(`none.${kind}`)}</p>`}`;
}
