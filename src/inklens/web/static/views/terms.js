/** Words of the field in running text: marked [[so]] or [[as it stands|so]], each a button that tells what it means. */
import { html } from '../vendor/lit-html.js';
import { TERMS } from '../texts/glossary.js';

const MARK = /\[\[([^\]|]+)(?:\|([^\]]+))?\]\]/;

/** A text with its words of the field as buttons. @param {import('../app.js').App} app @param {string} text */
export function withTerms(app, text) {
  const found = MARK.exec(text);
  if (!found) return text;
  const [whole, shown, name = shown] = found;
  return html`${text.slice(0, found.index)}${term(app, name, shown)}${withTerms(app, text.slice(found.index + whole.length))}`;
}

function term(app, key, shown) {
  return html`<button type="button" class="term" @click=${() => { app.told.value = `glossary.${key}`; }}>${shown}</button>`;
}

/** All words with their meanings. @param {import('../app.js').App} app */
export function glossaryList(app) {
  const entries = TERMS.map((key) => [app.t(`glossary.${key}`), app.t(`glossary.${key}.is`)]);
  entries.sort(([a], [b]) => a.localeCompare(b, app.language.value));
  return html`<dl class="glossary">${entries.map(([name, meaning]) => html`<div><dt>${name}</dt><dd>${meaning}</dd></div>`)}</dl>`;
}
