/**
 * "Explain this": pick any control or figure and read what it is. What can be explained carries data-explain="key"; its
 * text is `explain.key` of the catalogue. The same corner shows what a word means.
 */
import { html, render } from './vendor/lit-html.js';
import { effect, signal } from './vendor/signals-core.js';

/** @param {HTMLElement} root @param {HTMLElement} place @param {import('./app.js').App} app */
export function mountExplainer(root, place, app) {
  const picking = signal(false);
  const { told } = app;
  const corner = document.createElement('div');
  corner.className = 'explainer';
  place.append(corner);
  const holder = root.querySelector('.bar .pick-holder');
  let from = null; // where the reader was, to go back there

  const inside = (element) => corner.contains(element) || holder.contains(element);
  const tell = (element) => {
    const found = element.closest?.('[data-explain]');
    told.value = found ? `explain.${found.dataset.explain}` : '';
    picking.value = false;
  };
  const close = () => {
    if (told.value === null) return;
    told.value = null;
    if (corner.contains(document.activeElement) || document.activeElement === document.body) from?.focus({ preventScroll: true });
  };
  const pick = (event) => {
    if (!picking.value || inside(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    tell(event.target);
  };
  // A disabled button has no click of its own, so what is picked is where the pointer goes down.
  for (const kind of ['pointerdown', 'mousedown', 'touchstart']) root.addEventListener(kind, (event) => {
    if (picking.value && !inside(event.target)) {
      event.stopPropagation();
      if (event.cancelable && kind !== 'pointerdown') event.preventDefault();
    }
  }, { capture: true, passive: false });
  for (const kind of ['click', 'pointerup']) root.addEventListener(kind, kind === 'click' ? pick : (event) => {
    if (picking.value && event.target.closest(':disabled')) pick(event);
  }, { capture: true });
  root.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      picking.value = false;
      close();
    } else if (event.key === '?' && !event.target.matches('input:not([type="range"], [type="checkbox"]), textarea')) {
      event.preventDefault();
      tell(event.target);
    } else if (picking.value && [' ', 'Enter'].includes(event.key) && !inside(event.target)) pick(event);
  }, { capture: true });

  effect(() => {
    root.classList.toggle('picking', picking.value);
    const key = told.value;
    const word = key?.startsWith('glossary.') ? app.t(key) : null;
    render(html`
      ${key === null ? '' : html`<div class="told" role="note" tabindex="-1">
        <p>${word ? html`<strong>${word}</strong> ` : ''}${key ? app.t(word ? `${key}.is` : key) : app.t('explain.nothing')}</p>
        <button type="button" class="quiet" @click=${close}>${app.t('close')}</button>
      </div>`}`, corner);
    render(html`<button type="button" class="pick" aria-pressed=${String(picking.value)} title=${app.t('pick.hint')}
      @click=${() => { picking.value = !picking.value; told.value = null; app.announce(app.t('pick.hint')); }}
    >${app.t(picking.value ? 'pick.on' : 'pick')}</button>`, holder);
    if (key === null) return;
    if (!corner.contains(document.activeElement)) from = document.activeElement;
    corner.querySelector('.told')?.focus();
  });
}
