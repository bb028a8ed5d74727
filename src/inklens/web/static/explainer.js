/**
 * "Explain this": pick any control or figure and read what it is. What can be explained carries data-explain="key"; its
 * text is `explain.key` of the catalogue, or the key's own.
 */
import { html, render } from './vendor/lit-html.js';
import { effect, signal } from './vendor/signals-core.js';

/** @param {HTMLElement} root @param {import('./app.js').App} app */
export function mountExplainer(root, app) {
  const picking = signal(false);
  const told = signal(null);
  const corner = document.createElement('div');
  corner.className = 'explainer';
  root.append(corner);
  const holder = root.querySelector('.bar .pick-holder');

  const inside = (element) => corner.contains(element) || holder.contains(element);
  const stop = () => { picking.value = false; };
  const pick = (event) => {
    if (!picking.value || inside(event.target)) return;
    const found = event.target.closest('[data-explain]');
    event.preventDefault();
    event.stopPropagation();
    told.value = found ? found.dataset.explain : '';
    stop();
  };
  for (const kind of ['click', 'pointerdown']) root.addEventListener(kind, (event) => {
    if (kind === 'click') pick(event);
    else if (picking.value && !inside(event.target)) event.stopPropagation();
  }, { capture: true });
  root.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      stop();
      told.value = null;
    } else if (event.key === '?' && !event.target.matches('input, textarea, select')) {
      const found = event.target.closest?.('[data-explain]');
      told.value = found ? found.dataset.explain : '';
    } else if (picking.value && event.key === 'Enter' && !inside(event.target)) pick(event);
  }, { capture: true });

  effect(() => {
    root.classList.toggle('picking', picking.value);
    render(html`
      ${told.value === null ? '' : html`<div class="told" role="note" tabindex="-1">
        <p>${told.value ? app.t(`explain.${told.value}`) : app.t('explain.nothing')}</p>
        <button type="button" class="quiet" @click=${() => { told.value = null; }}>${app.t('close')}</button>
      </div>`}`, corner);
    render(html`<button type="button" class="pick" aria-pressed=${String(picking.value)} title=${app.t('pick.hint')}
      @click=${() => { picking.value = !picking.value; told.value = null; app.announce(app.t('pick.hint')); }}
    >${app.t(picking.value ? 'pick.on' : 'pick')}</button>`, holder);
    if (told.value !== null) corner.querySelector('.told')?.focus();
  });
}
