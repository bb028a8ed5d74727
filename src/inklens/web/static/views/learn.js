/** learn: not built yet. */
import { learn as texts } from '../texts/learn.js';

export const learn = {
  key: 'learn',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const title = document.createElement('h1');
    title.textContent = app.t('learn.title');
    root.append(title);
    return () => {};
  },
};
