/** The task of a stop: what to do, the button that brings one there, how far one is, and praise once it is done. */
import { html, render } from '../vendor/lit-html.js';
import { effect } from '../vendor/signals-core.js';
import { praise } from './lesson.js';
import { decimal } from '../texts.js';
import { withTerms } from './terms.js';

/** @param {HTMLElement} root @param {import('../app.js').App} app @param {import('./lesson.js').Lesson} lesson */
export function mountTask(root, app, lesson) {
  root.dataset.explain = 'learn.task';
  const others = { samples: app.host.others?.(app, 'samples'), path: app.host.others?.(app, 'path') };
  return effect(() => render(task(app, lesson, others), root));
}

function task(app, lesson, others) {
  const { stop } = lesson;
  const t = (name, values) => app.t(`learn.${stop.key}.${name}`, values);
  if (!lesson.isPossible(stop)) return html`<h3>${app.t('learn.task')}</h3><p>${app.t(`learn.without.${stop.needs}`)}</p>${others[stop.needs]?.() ?? ''}`;
  return html`<h3>${app.t('learn.task')}</h3>
    <p>${withTerms(app, t('task', { label: app.model.value.classes[0] }))}</p>
    <div class="row"><button type="button" class="primary" @click=${() => lesson.act()}>${t('act')}</button>${stop.types ? typing(app, lesson) : ''}</div>
    ${progress(app, lesson)}`;
}

/** How far the task is, or praise. @param {import('../app.js').App} app @param {import('./lesson.js').Lesson} lesson */
export function progress(app, lesson) {
  const { stop } = lesson;
  const said = lesson.done.value[stop.key];
  const sofar = lesson.sofar.value;
  return html`<p class=${said ? 'progress is-done' : 'progress'}>${said ? praise(app, stop, said) : sofar ? app.t(`learn.${stop.key}.sofar`, sofar) : app.t('learn.todo')}</p>`;
}

/** A number that the reader worked out. */
function typing(app, lesson) {
  const check = (event) => {
    event.preventDefault();
    const typed = event.target.querySelector('input').value.trim().replace(',', '.');
    lesson.memo.typed = typed === '' ? NaN : Number(typed);
    lesson.look();
    if (!(lesson.stop.key in lesson.done.value)) app.announce(app.t('learn.notyet'));
    event.target.classList.toggle('is-off', !(lesson.stop.key in lesson.done.value));
  };
  const { z, best, second } = app.answer.value;
  const { classes } = app.model.value;
  return html`<form class="typing" @submit=${check}>
    <label><span>${app.t('learn.softmax.label', { a: classes[best], b: classes[second], za: decimal(z[best], 2, app.language.value), zb: decimal(z[second], 2, app.language.value) })}</span>
      <input type="text" inputmode="decimal" size="8" autocomplete="off"></label>
    <button type="submit">${app.t('learn.check')}</button><span class="off">${app.t('learn.notyet')}</span></form>`;
}
