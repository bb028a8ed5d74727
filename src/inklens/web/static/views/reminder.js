/** What the tutorial asks for, over every other view while a stop is open. */
import { html, render } from '../vendor/lit-html.js';
import { effect, signal } from '../vendor/signals-core.js';
import { lessonOf } from './lesson.js';
import { progress } from './task.js';

/** @param {HTMLElement} above @param {import('../app.js').App} app */
export function mountReminder(above, app) {
  const root = document.createElement('aside');
  root.className = 'reminder';
  root.dataset.explain = 'learn.reminder';
  above.append(root);
  const lesson = lessonOf(app);
  const isAway = signal(false); // sent away for this stop
  effect(() => {
    void lesson.at.value;
    isAway.value = false;
  });
  effect(() => {
    const isShown = lesson.begun.value && app.view.value !== 'learn' && !isAway.value && lesson.isPossible(lesson.stop);
    root.hidden = !isShown;
    root.setAttribute('aria-label', app.t('tab.learn'));
    if (isShown) render(reminder(app, lesson, isAway), root);
  });
}

function reminder(app, lesson, isAway) {
  const { key } = lesson.stop;
  return html`<div><p><strong>${app.t('learn.reminder', { n: lesson.at.value + 1, title: app.t(`learn.${key}.title`) })}</strong> ${app.t(`learn.${key}.task`, { label: app.model.value.classes[0] }).replace(/\[\[([^\]|]+)[^\]]*\]\]/g, '$1')}</p>${progress(app, lesson)}</div>
    <div class="row"><button type="button" class=${key in lesson.done.value ? 'primary' : ''} @click=${() => { app.go('learn'); document.getElementById('stop-title')?.focus(); }}>${app.t('learn.return')}</button>
      <button type="button" class="quiet" @click=${() => { isAway.value = true; }}>${app.t('learn.away')}</button></div>`;
}
