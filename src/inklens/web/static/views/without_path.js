/** A model without a path or without early stops: what to do about it, in the studio by a job, elsewhere by a command. */
import { html, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';
import { percent } from '../texts.js';

/** @typedef {{ kind: 'idle' | 'working' | 'failed', share?: number, message?: string }} State of a job */

/** @param {HTMLElement} root @param {import('../app.js').App} app */
export function mountWithoutPath(root, app) {
  root.classList.add('card');
  const onPixels = app.model.value.features === 'pixels';
  const asking = onPixels ? jobButton(app, 'path') : app.host.others?.(app, 'pixels');
  return effect(() => {
    const t = (key, values) => app.t(`penalty.${key}`, values);
    const where = app.host.api ? 'studio' : 'text';
    render(html`<h2>${t('none.title')}</h2><p>${t(onPixels ? `none.${where}` : 'none.features')}</p>
      ${app.host.api ? asking?.() : html`<pre class="command" tabindex="0"><code>${onPixels ? '' : 'inklens fit -o model.inklens\n'}inklens export model.inklens --path -o page.html</code></pre>`}`, root);
  });
}

/**
 * A button that has the studio compute what the model's bytes lack, and takes the model over with it.
 * @param {import('../app.js').App} app @param {'path' | 'tolerance'} kind
 * @returns {() => unknown} its template, to be called in an effect
 */
export function jobButton(app, kind) {
  /** @type {import('../vendor/signals-core.js').Signal<State>} */
  const state = signal({ kind: 'idle' });
  return () => {
    const t = (key, values) => app.t(`penalty.job.${key}`, values);
    const now = state.value;
    const said = { idle: '', working: now.share ? t('share', { share: percent(now.share, app.language.value) }) : t('working'), failed: now.message };
    return html`<div class="row job"><button type="button" ?disabled=${now.kind === 'working'} data-explain=${`penalty.job.${kind}`} @click=${() => begin(app, kind, state)}>${t(kind)}</button>
      <span class=${now.kind === 'failed' ? 'state error' : 'state'} role="status">${said[now.kind]}</span></div>`;
  };
}

async function begin(app, kind, state) {
  const { api, library } = app.host;
  const model = library.current.value;
  state.value = { kind: 'working' };
  try {
    const { id } = await api.startJob({ kind, model });
    const ended = await new Promise((end) => api.jobEvents(id, {
      progress: ({ done, total }) => { if (total) state.value = { kind: 'working', share: done / total }; },
      end,
      lost: () => end({ state: 'failed', error: null }),
    }));
    if (ended.state !== 'done') throw new Error(ended.error?.detail ?? app.t('penalty.job.lost'));
    library.decoded.delete(model); // its bytes hold more than before
    if (library.current.value === model) await library.use(app, model);
    state.value = { kind: 'idle' };
  } catch (error) {
    state.value = { kind: 'failed', message: error.message };
  }
}
