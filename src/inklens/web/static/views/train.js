/** train: not built yet. */
import { train as texts } from '../texts/train.js';

export const train = {
  key: 'train',
  texts,

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const title = document.createElement('h1');
    title.textContent = app.t('train.title');
    root.append(title);
    return () => {};
  },
};
