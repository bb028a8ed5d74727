/** Learn: the tutorial as a path of stops, each with one thing to do and a question that is asked before its answer. */
import { html, render } from '../vendor/lit-html.js';
import { effect } from '../vendor/signals-core.js';
import { addBlock } from '../block.js';
import { mountHints } from '../hints.js';
import { lessonOf, progressParts, readProgress } from './lesson.js';
import { mountReminder } from './reminder.js';
import { mountTask } from './task.js';
import { glossaryList, withTerms } from './terms.js';
import { learn as texts } from '../texts/learn.js';

export const learn = {
  key: 'learn',
  texts,
  address: { parts: progressParts, read: readProgress },

  /** The task of the stop over every other view, and hints in the corner. @param {import('../app.js').Places} places @param {import('../app.js').App} app */
  always({ above, corner }, app) {
    mountReminder(above, app);
    mountHints(corner, app);
  },

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const part = (name) => addBlock(root, 'learn', name);
    const [intro, path, stop, words] = ['intro', 'stops', 'stop', 'words'].map(part);
    const [told, task, question, moves] = ['stop-text', 'task', 'question-card', 'moves'].map((name) => stop.appendChild(Object.assign(document.createElement('div'), { className: name })));
    stop.setAttribute('aria-labelledby', 'stop-title');
    const lesson = lessonOf(app);
    lesson.begin();
    render(html`<h1>${app.t('learn.title')}</h1><p class="lead">${app.t('learn.lead', { n: lesson.stops.length })}</p>`, intro);
    render(html`<h2>${app.t('learn.words')}</h2><p>${app.t('learn.words.text')}</p>${glossaryList(app)}`, words);
    const ends = [
      effect(() => render(stopList(app, lesson), path)),
      effect(() => render(stopText(app, lesson), told)),
      mountTask(task, app, lesson),
      effect(() => {
        const asked = lesson.questionOf(lesson.stop);
        question.hidden = !asked;
        render(asked ? questionCard(app, lesson, asked) : '', question);
      }),
      effect(() => render(onward(app, lesson, stop), moves)),
    ];
    return () => ends.forEach((end) => end());
  },
};

function stopList(app, lesson) {
  const count = lesson.stops.filter((stop) => lesson.isDone(stop)).length;
  return html`<nav aria-label=${app.t('learn.stops')}><ol class="stop-list" data-explain="learn.stops">${lesson.stops.map((stop, i) => {
    const isDone = lesson.isDone(stop);
    const words = app.t(isDone ? 'learn.stop.done' : 'learn.stop', { n: i + 1, title: app.t(`learn.${stop.key}.title`) });
    return html`<li><button type="button" class=${isDone ? 'is-done' : ''} aria-label=${words} title=${words} aria-current=${i === lesson.at.value ? 'step' : 'false'} @click=${() => lesson.go(i)}>${isDone ? '✓' : i + 1}</button></li>`;
  })}</ol></nav><p class="state">${app.t('learn.count', { n: count, of: lesson.stops.length })}</p>`;
}

function stopText(app, lesson) {
  const { key } = lesson.stop;
  return html`<p class="kicker">${app.t('learn.at', { n: lesson.at.value + 1, of: lesson.stops.length })}</p>
    <h2 id="stop-title" tabindex="-1">${app.t(`learn.${key}.title`)}</h2>
    <p>${withTerms(app, app.t(`learn.${key}.text`))}</p>`;
}

/** The question; once it was guessed, what is right and why. */
function questionCard(app, lesson, { choices, right, why, values }) {
  const { key } = lesson.stop;
  const t = (name, given) => app.t(`learn.${key}.${name}`, given);
  const guess = lesson.guessed.value[key];
  const isTold = guess !== undefined;
  const known = values?.(app.language.value);
  const answer = () => t(why ? `why.${why}` : 'why', known);
  const take = (id) => {
    lesson.guess(id);
    app.announce(`${app.t(id === right ? 'learn.right' : 'learn.wrong')} ${answer().replace(/\[\[|\|[^\]]*|\]\]/g, '')}`);
  };
  return html`<h3>${app.t('learn.question')}</h3>
    <p class="ask">${withTerms(app, t('ask', known))}</p>
    <div class="row choices" role="group" aria-label=${app.t('learn.question')} data-explain="learn.question">${choices.map(({ id, label }) => html`<button type="button"
      class=${!isTold ? '' : id === right ? 'is-right' : id === guess ? 'is-wrong' : ''} aria-pressed=${String(id === guess)} ?disabled=${isTold && id !== guess && id !== right}
      @click=${() => take(id)}>${label ?? t(`choice.${id}`)}</button>`)}</div>
    <div class="why">${!isTold ? html`<p class="state">${app.t('learn.first')}</p>` : html`<p>${guess === '' ? '' : html`<strong class=${guess === right ? 'truth right' : 'truth wrong'}>${app.t(guess === right ? 'learn.right' : 'learn.wrong')}</strong> `}${withTerms(app, answer())}</p>`}</div>`;
}

function onward(app, lesson, stop) {
  const at = lesson.at.value;
  const last = lesson.stops.length - 1;
  const go = (index) => {
    lesson.go(index);
    stop.querySelector('#stop-title')?.focus();
  };
  const isThrough = lesson.stops.every((one) => lesson.isDone(one));
  return html`<button type="button" class="quiet" ?disabled=${at === 0} data-explain="learn.moves" @click=${() => go(at - 1)}>${app.t('learn.back')}</button>
    ${at < last ? html`<button type="button" class=${lesson.isDone(lesson.stop) ? 'primary' : ''} data-explain="learn.moves" @click=${() => go(at + 1)}>${app.t('learn.next', { title: app.t(`learn.${lesson.stops[at + 1].key}.title`) })}</button>` : ''}
    ${isThrough ? html`<p class="through"><strong>${app.t('learn.through')}</strong> ${score(app, lesson)}</p>` : ''}`;
}

function score(app, lesson) {
  const asked = lesson.stops.filter((stop) => lesson.questionOf(stop) && lesson.guessed.value[stop.key]);
  const right = asked.filter((stop) => lesson.guessed.value[stop.key] === lesson.questionOf(stop).right).length;
  return asked.length ? app.t('learn.score', { n: right, of: asked.length }) : '';
}
