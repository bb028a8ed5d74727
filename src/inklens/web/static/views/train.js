/** train: not built yet. */
export const train = {
  key: 'train',

  /** @param {HTMLElement} root @param {import('../app.js').App} app */
  mount(root, app) {
    const title = document.createElement('h1');
    title.textContent = app.t('train.title');
    root.append(title);
    return () => {};
  },
};
