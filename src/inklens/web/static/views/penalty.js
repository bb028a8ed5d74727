/** penalty: not built yet. */
import { penalty as texts } from '../texts/penalty.js';

export const penalty = {
  key: 'penalty',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const title = document.createElement('h1');
    title.textContent = app.t('penalty.title');
    root.append(title);
    return () => {};
  },
};
