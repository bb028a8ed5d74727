/** The frame round all views: heading, tabs, the pad that stays in sight, the view that is open, the live region. */
import { html, render } from './vendor/lit-html.js';
import { effect, untracked } from './vendor/signals-core.js';
import { mountStage } from './stage.js';
import { mountExplainer } from './explainer.js';
import { followAddress } from './address.js';
import { LANGUAGES } from './texts.js';

/**
 * Build the shell.
 * @param {HTMLElement} root @param {import('./app.js').App} app
 */
export function mountShell(root, app) {
  root.classList.add('face', `host-${app.host.kind}`);
  const part = (name, tag = 'div') => Object.assign(document.createElement(tag), { className: name });
  const [bar, desk, spoken] = [part('bar', 'header'), part('desk'), part('spoken')];
  const [stage, view] = [part('stage', 'section'), part('view', 'main')];
  const [above, opened, corner] = [part('above'), part('opened'), part('corner')];
  view.id = 'view';
  view.tabIndex = -1;
  spoken.setAttribute('role', 'status');
  desk.append(stage, view);
  view.append(above, opened);
  const [head, pick] = [part('head'), part('pick-holder')];
  bar.append(head, pick);
  root.replaceChildren(bar, desk, corner, spoken);

  followAddress(app);
  effect(() => {
    document.documentElement.lang = app.language.value;
  });
  effect(() => {
    render(heading(app), head);
    showTab(head.querySelector('.tabs'));
  });
  effect(() => {
    spoken.textContent = app.spoken.value;
  });
  mountStage(stage, app);
  mountExplainer(root, corner, app);
  openViews(opened, app);
  app.places = { above, corner };
  for (const { always } of app.views) always?.(app.places, app);
}

/** Show the view whose turn it is, built anew in the language of the moment. */
function openViews(root, app) {
  let dispose = () => {};
  let shown = {};
  effect(() => {
    const key = app.view.value;
    const language = app.language.value;
    void app.arrived.value;
    const view = app.views.find((one) => one.key === key) ?? app.views[0];
    if (view === shown.view && language === shown.language) return;
    shown = { view, language };
    untracked(() => {
      dispose();
      const body = document.createElement('div');
      body.className = `panel panel-${key}`;
      body.setAttribute('role', 'tabpanel');
      body.setAttribute('aria-labelledby', `tab-${key}`);
      root.replaceChildren(body);
      dispose = view.mount(body, app);
    });
  });
}

function heading(app) {
  const { view, views, language } = app;
  const tabs = views.map(
    ({ key }) => html`<button
      type="button" role="tab" id="tab-${key}" class="tab" data-explain=${`tab.${key}`}
      aria-selected=${String(view.value === key)} aria-controls="view"
      tabindex=${view.value === key ? 0 : -1}
      @click=${() => app.go(key)} @keydown=${(event) => moveTab(event, app)}
    >${app.t(`tab.${key}`)}</button>`,
  );
  return html`
    <a class="skip" href="#view" @click=${(event) => focusView(event)}>${app.t('skip')}</a>
    <p class="brand"><span class="drop" aria-hidden="true"></span>inklens</p>
    <div class="tabs" role="tablist" aria-label=${app.t('views')}>${tabs}</div>
    <label class="language" ?hidden=${Object.keys(LANGUAGES).length === 1}>
      <span class="hidden">${app.t('language')}</span>
      <select @change=${(event) => { language.value = event.target.value; }}>
        ${Object.entries(LANGUAGES).map(
          ([code, name]) => html`<option value=${code} lang=${code} ?selected=${code === language.value}>${name}</option>`,
        )}
      </select>
    </label>`;
}

/** On a narrow screen the tabs scroll sideways: the open one is brought into sight. */
function showTab(tabs) {
  const tab = tabs.querySelector('[aria-selected="true"]');
  const [start, end] = [tab.offsetLeft - tabs.offsetLeft, tab.offsetLeft - tabs.offsetLeft + tab.offsetWidth];
  if (start < tabs.scrollLeft || end > tabs.scrollLeft + tabs.clientWidth) tabs.scrollLeft = (start + end - tabs.clientWidth) / 2;
}

function focusView(event) {
  event.preventDefault();
  document.getElementById('view')?.focus();
}

function moveTab(event, app) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const keys = app.views.map(({ key }) => key);
  const at = keys.indexOf(app.view.value);
  const next = { Home: 0, End: keys.length - 1 }[event.key] ?? (step ? (at + step + keys.length) % keys.length : -1);
  if (next < 0) return;
  event.preventDefault();
  app.go(keys[next]);
  document.getElementById(`tab-${keys[next]}`)?.focus();
}
