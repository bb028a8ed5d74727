/** Small controls that several views share. */
import { html } from './vendor/lit-html.js';

/** A choice of one class. @param {import('./app.js').App} app @param {number} chosen @param {(k: number) => void} act @param {string} label */
export function classChoice(app, chosen, act, label) {
  return html`<select class="class-choice" aria-label=${label} @change=${(event) => act(Number(event.target.value))}>
    ${app.model.value.classes.map((name, k) => html`<option value=${k} ?selected=${k === chosen} .selected=${k === chosen}>${name}</option>`)}
  </select>`;
}
