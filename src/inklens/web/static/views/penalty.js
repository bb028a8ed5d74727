/** C: what the penalty does, as a slider over proven optima. */
import { html, render } from '../vendor/lit-html.js';
import { effect, untracked } from '../vendor/signals-core.js';
import { addBlock } from '../block.js';
import { mountGuesses } from './guesses.js';
import { mountDial } from './dial.js';
import { mountPointMaps } from './point_maps.js';
import { mountPathChart } from './path_chart.js';
import { mountEntering } from './entering.js';
import { mountObjective } from './objective.js';
import { mountWithoutPath } from './without_path.js';
import { penalty as texts } from '../texts/penalty.js';

export const penalty = {
  key: 'penalty',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    let dispose = () => {};
    const end = effect(() => {
      const { path } = app.model.value; // another model has other classes and another path: all is built anew
      untracked(() => {
        dispose();
        dispose = build(root, app, path ? WITH_PATH : WITHOUT_PATH);
      });
    });
    return () => {
      end();
      dispose();
    };
  },
};

const WITH_PATH = {
  asks: mountGuesses, turn: mountDial, points: mountPointMaps, course: mountPathChart, entering: mountEntering,
  objective: mountObjective,
};
const WITHOUT_PATH = { unpathed: mountWithoutPath, objective: mountObjective };

function build(root, app, parts) {
  root.replaceChildren();
  const section = (name) => addBlock(root, 'penalty', name);
  render(html`<h1>${app.t('penalty.title')}</h1><p class="lead">${app.t('penalty.lead')}</p>`, section('intro'));
  const ends = Object.entries(parts).map(([name, mountPart]) => mountPart(section(name), app));
  return () => ends.forEach((end) => end());
}
